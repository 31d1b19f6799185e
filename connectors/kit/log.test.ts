import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { expect, test } from 'vitest';

test('a process continues when its log cannot be written', async () => {
  const script = `import { createLog } from ${JSON.stringify(new URL('./log.ts', import.meta.url).pathname)};
    const log = createLog();
    for (let i = 0; i < 5_000; i++) log.warn('not readable', { text: 'x'.repeat(100) });
    process.stdout.write('alive');`;
  // A file opened for reading: every write fails, as on a closed terminal.
  const unwritable = openSync(import.meta.filename, 'r');
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', unwritable],
  });
  closeSync(unwritable);
  let stdout = '';
  child.stdout?.on('data', (part: Buffer) => (stdout += part.toString()));
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect([code, stdout]).toEqual([0, 'alive']);
});
