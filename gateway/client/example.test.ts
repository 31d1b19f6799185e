/** The README's example, run as it stands there; only the address is another. */
import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { until } from '../../tests/hub.ts';
import { liveHub, write } from '../../tests/live-hub.ts';

test("the README's example prints events", async () => {
  const live = await liveHub();
  const readme = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8');
  const code = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const file = join(import.meta.dirname, `.example-${process.pid}.mts`);
  writeFileSync(file, code.replace('ws://localhost:4000/graphql', live.socketUrl));
  const child = spawn(process.execPath, ['--import', 'tsx', file], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (part: Buffer) => {
    said += part.toString();
  });
  try {
    let n = 0;
    await until('an event is printed', 20, async () => {
      await write(live.database, [`example ${n++}`]);
      return said.includes('OCCUPANCY_CHANGED');
    });
    expect(code.split('\n').length).toBeLessThanOrEqual(23);
  } finally {
    child.kill();
    rmSync(file, { force: true });
    await live.close();
  }
});
