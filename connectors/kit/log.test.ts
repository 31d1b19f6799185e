import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { expect, test } from 'vitest';

test('a process goes on when its log cannot be written any more', async () => {
  const script = `import { makeLog } from ${JSON.stringify(new URL('./log.ts', import.meta.url).pathname)};
    const log = makeLog();
    for (let i = 0; i < 5_000; i++) log.warn('nobody reads this', { text: 'x'.repeat(100) });
    process.stdout.write('alive');`;
  // Every writing fails there, as on a terminal that has been closed.
  const unwritable = openSync(import.meta.filename, 'r');
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', unwritable],
  });
  closeSync(unwritable);
  let said = '';
  child.stdout?.on('data', (part: Buffer) => (said += part.toString()));
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect([code, said]).toEqual([0, 'alive']);
});
