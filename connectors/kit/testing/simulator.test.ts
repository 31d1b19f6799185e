import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Moment, story, world } from './park/index.ts';
import { Journal, listen, readJournal, tellStory } from './simulator.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'isthmus-simulator-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('the journal', () => {
  test('keeps what was served, across lives, readable from outside', () => {
    new Journal(directory).append({ operation: 'GET /lots', status: 200 });
    const second = new Journal(directory);
    second.append({ operation: 'webhook', at: new Date(0), lot: 'lot-1' });
    expect(second.entries()).toHaveLength(2);
    expect(readJournal(directory, 'webhook')).toEqual([
      { operation: 'webhook', at: '1970-01-01T00:00:00.000Z', lot: 'lot-1' },
    ]);
    expect(Date.now() - Date.parse(second.entries()[0]?.at ?? '')).toBeLessThan(60_000);
  });

  test('is bounded: two files, the newest lines', () => {
    const journal = new Journal(directory, 1_000);
    for (let i = 0; i < 200; i++) journal.append({ operation: 'step', i });
    expect(readdirSync(directory).sort()).toEqual(['journal.1.jsonl', 'journal.jsonl']);
    const left = journal.entries().map((entry) => entry['i'] as number);
    expect(left.length).toBeLessThan(50);
    expect(left).toEqual(Array.from({ length: left.length }, (_, i) => 200 - left.length + i));
  });
});

describe('telling the story', () => {
  test('tells each moment once, in order, also when the clock jumps, and goes on after a failure', async () => {
    const park = world();
    const begin = new Date('2026-11-18T05:00:00Z');
    let now = begin;
    const told: Moment[] = [];
    const teller = tellStory({ world: park, now: () => now, live: true }, async (moment) => {
      told.push(moment);
      await Promise.resolve();
      if (told.length === 2) throw new Error('on purpose');
    });
    for (const seconds of [30, 31, 600]) {
      now = new Date(begin.getTime() + seconds * 1_000);
      const due = [...story(park, begin, new Date(now.getTime() + 1))];
      await expect.poll(() => told.length, { timeout: 5_000 }).toBe(due.length);
      expect(told).toEqual(due);
    }
    teller.stop();
    now = new Date(begin.getTime() + 900_000);
    const before = told.length;
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(told).toHaveLength(before);
  });

  test('tells nothing when it is not live', async () => {
    let told = 0;
    const past = new Date(Date.now() - 60_000);
    tellStory({ world: world(), now: () => new Date(), live: false }, () => void told++, past);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(told).toBe(0);
  });
});

test('a restart listens where it did, or elsewhere when somebody else sits there', async () => {
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
