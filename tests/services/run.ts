/** `npm run test:services`: the peers up, the tests against them, the peers down. */
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
    {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, ...env },
    },
  );
  child.on('exit', (status) => resolve(status ?? 1));
});
await stop();
process.exit(code);
