/** Runs the README's example unchanged but for the URL. */
import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { appendTestEvents, startBareHub } from '../../tests/bare-hub.ts';
import { waitFor } from '../../tests/test-hub.ts';

test("prints events with the README's example", async () => {
  const live = await startBareHub();
  const readme = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8');
  const code = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const file = join(import.meta.dirname, `.example-${process.pid}.mts`);
  writeFileSync(file, code.replace('ws://localhost:4000/graphql', live.socketUrl));
  const child = spawn(process.execPath, ['--import', 'tsx', file], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (part: Buffer) => {
    output += part.toString();
  });
  try {
    let count = 0;
    await waitFor('an event is printed', 20, async () => {
      await appendTestEvents(live.database, [`example ${count++}`]);
      return output.includes('OCCUPANCY_CHANGED');
    });
    expect(code.split('\n').length).toBeLessThanOrEqual(23);
  } finally {
    child.kill();
    rmSync(file, { force: true });
    await live.close();
  }
});
