/** The simulated park of the demo: its seed and its first start, in the data folder. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createFile } from './kit/testing/atomic-file.ts';
import { createWorld, type World } from './kit/testing/park/index.ts';

/**
 * The demo's world. Its activity rates apply from the first start on (stored in `simulators/story.json`); earlier time has office
 * hours only.
 */
export function demoWorld(data: string): World {
  const path = join(data, 'simulators', 'story.json');
  mkdirSync(join(data, 'simulators'), { recursive: true });
  if (!existsSync(path)) createFile(path, JSON.stringify({ seed: 'lakeside', liveFrom: new Date().toISOString() }));
  const { seed, liveFrom } = JSON.parse(readFileSync(path, 'utf8')) as { seed: string; liveFrom: string };
  return createWorld(seed, new Date(liveFrom));
}
