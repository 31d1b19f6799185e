import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createWorld, type Moment, scenario } from './park/index.ts';
import { Journal, listen, playScenario, readJournal } from './simulator.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'isthmus-simulator-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('the journal of a simulator', () => {
  test('keeps its lines across restarts and is readable from another process', () => {
    new Journal(directory).append({ operation: 'GET /lots', status: 200 });
    const second = new Journal(directory);
    second.append({ operation: 'webhook', at: new Date(0), lot: 'lot-1' });
    expect(second.entries()).toHaveLength(2);
    expect(readJournal(directory, 'webhook')).toEqual([
      { operation: 'webhook', at: '1970-01-01T00:00:00.000Z', lot: 'lot-1' },
    ]);
    expect(Date.now() - Date.parse(second.entries()[0]?.at ?? '')).toBeLessThan(60_000);
  });

  test('is limited to two files with the newest lines', () => {
    const journal = new Journal(directory, 1_000);
    for (let i = 0; i < 200; i++) journal.append({ operation: 'step', i });
    expect(readdirSync(directory).sort()).toEqual(['journal.1.jsonl', 'journal.jsonl']);
    const left = journal.entries().map((entry) => entry['i'] as number);
    expect(left.length).toBeLessThan(50);
    expect(left).toEqual(Array.from({ length: left.length }, (_, i) => 200 - left.length + i));
  });
});

describe('a simulator playing the scenario', () => {
  test('plays each moment once and in order, also when the clock jumps, and continues after a failure', async () => {
    const park = createWorld();
    const begin = new Date('2026-11-18T05:00:00Z');
    let now = begin;
    const played: Moment[] = [];
    const playback = playScenario({ world: park, now: () => now, live: true }, async (moment) => {
      played.push(moment);
      await Promise.resolve();
      if (played.length === 2) throw new Error('on purpose');
    });
    for (const seconds of [30, 31, 600]) {
      now = new Date(begin.getTime() + seconds * 1_000);
      const due = [...scenario(park, begin, new Date(now.getTime() + 1))];
      await expect.poll(() => played.length, { timeout: 5_000 }).toBe(due.length);
      expect(played).toEqual(due);
    }
    playback.stop();
    now = new Date(begin.getTime() + 900_000);
    const before = played.length;
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(played).toHaveLength(before);
  });

  test('plays nothing when it is not live', async () => {
    let played = 0;
    const past = new Date(Date.now() - 60_000);
    playScenario({ world: createWorld(), now: () => new Date(), live: false }, () => void played++, past);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(played).toBe(0);
  });
});

test('simulator: a restart listens on the previous port, or on another one when that is occupied', async () => {
  const first = createServer();
  const port = await listen(first);
  const rival = createServer();
  expect(await listen(rival, port)).not.toBe(port);
  await new Promise((resolve) => rival.close(resolve));
  await new Promise((resolve) => first.close(resolve));
  const again = createServer();
  expect(await listen(again, port)).toBe(port);
  await new Promise((resolve) => again.close(resolve));
});
