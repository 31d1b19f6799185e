/** `npm run test:services`: the peers up, the tests against them, the peers down; also when it is interrupted. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { up } from './up.ts';

const root = join(import.meta.dirname, '..', '..');
const interrupted = new AbortController();
let child: ChildProcess | undefined;
// Set before anything is started: a peer that is starting is waited for, then stopped with the others.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    interrupted.abort(new Error('The run was interrupted.'));
    child?.kill(signal);
  });
}
const { env, stop } = await up(interrupted.signal);
const code = await new Promise<number>((resolve) => {
  child = spawn(
    process.execPath,
    [
      join(root, 'node_modules', 'vitest', 'vitest.mjs'),
      'run',
      '--config',
      'vitest.services.config.ts',
      ...process.argv.slice(2),
    ],
    { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } },
  );
  child.on('error', (error) => {
    process.stderr.write(`${error.message}\n`);
    resolve(1);
  });
  child.on('exit', (status) => resolve(status ?? 1));
});
await stop();
process.exit(code);
