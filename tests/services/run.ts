/** `npm run test:services`: the peers up, the tests against them, the peers down; also when it is interrupted. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { up } from './up.ts';

const root = join(import.meta.dirname, '..', '..');
const { env, stop } = await up();
const code = await new Promise<number>((resolve) => {
  const child = spawn(
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
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`${error.message}\n`);
    resolve(1);
  });
  child.on('exit', (status) => resolve(status ?? 1));
});
await stop();
process.exit(code);
