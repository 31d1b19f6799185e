/** `npm run test:services`: starts the peers, runs the tests against them, and stops the peers, also when interrupted. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { startPeers } from './start-peers.ts';

const root = join(import.meta.dirname, '..', '..');
const interrupted = new AbortController();
let child: ChildProcess | undefined;
// Installed before anything is started: a peer that is starting is awaited, then stopped with the others.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    interrupted.abort(new Error('The run was interrupted.'));
    child?.kill(signal);
  });
}
const { env, stop } = await startPeers(interrupted.signal);
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
