import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { demoWorld } from './demo-world.ts';

test('demo world: the first start is stored once, for all simulators', () => {
  const data = mkdtempSync(join(tmpdir(), 'isthmus-demo-world-'));
  try {
    const first = demoWorld(data);
    expect(first.liveFrom).toEqual(demoWorld(data).liveFrom);
    const { liveFrom } = JSON.parse(readFileSync(join(data, 'simulators', 'story.json'), 'utf8')) as {
      liveFrom: string;
    };
    expect(first.liveFrom?.toISOString()).toBe(liveFrom);
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
});
