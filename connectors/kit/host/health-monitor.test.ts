import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from '../clock.ts';
import { DEFAULT_PACE } from '../config/sections/check-intervals.ts';
import type { Drift, Opened, Services } from '../connector.ts';
import { Health } from '../health.ts';
import { silentLog } from '../log.ts';
import { Lookout } from './health-monitor.ts';

const HOUR = 3_600_000;
const GONE: Drift = { what: 'the column state is gone', fields: ['Door.state'] };
const closed = new AbortController();

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A lookout over a source that always answers; `found` is what the next comparisons find. */
function watched(found: { now: readonly Drift[] }, answers = true) {
  const health = new Health(systemClock);
  let comparisons = 0;
  const opened = {
    check: async () => {
      if (answers) health.succeeded('check');
    },
    drift: async () => {
      comparisons++;
      return found.now;
    },
  } as unknown as Opened;
  const services = {
    installation: { id: 'doors', connector: 'access-control', park: 'lakeside' },
    guard: { healed: () => undefined },
    clock: systemClock,
    log: silentLog,
  } as unknown as Services;
  const lookout = new Lookout({
    ...{ services, health, pace: { ...DEFAULT_PACE, drift: HOUR }, signal: closed.signal },
    opened: () => opened,
    looked: () => undefined,
  });
  return { lookout, health, comparisons: () => comparisons };
}

test('compares what the source offers at the first look and again each hour, with a look in between', async () => {
  const found: { now: readonly Drift[] } = { now: [] };
  const { lookout, health, comparisons } = watched(found);
  lookout.start();
  await vi.advanceTimersByTimeAsync(HOUR - 60_000);
  expect([comparisons(), health.snapshot().state]).toEqual([1, 'UP']);
  found.now = [GONE];
  await vi.advanceTimersByTimeAsync(120_000);
  expect(health.snapshot()).toMatchObject({
    state: 'DEGRADED',
    reason: 'offers other than it was set up for: the column state is gone (concerns Door.state)',
  });
  lookout.stop();
  expect(vi.getTimerCount()).toBe(0);
});

test('a source that has drifted, or is suspected, is compared again within seconds', async () => {
  const found: { now: readonly Drift[] } = { now: [] };
  const { lookout, health, comparisons } = watched(found);
  lookout.start();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(comparisons()).toBe(1);
  lookout.suspect();
  found.now = [GONE];
  await vi.advanceTimersByTimeAsync(20_000);
  expect(health.snapshot().state).toBe('DEGRADED');
  found.now = [];
  await vi.advanceTimersByTimeAsync(20_000);
  expect(health.snapshot().state).toBe('UP');
  lookout.stop();
});

test('a check in which nothing was asked is no sign of life', async () => {
  const { lookout, health } = watched({ now: [] }, false);
  await lookout.check();
  expect(health.snapshot()).toMatchObject({
    state: 'DEGRADED',
    reason: 'has answered nothing: there is nothing to ask of it',
  });
  // A job that had nothing to do is none either.
  health.succeeded('job poll meters');
  expect(health.snapshot().state).toBe('DEGRADED');
  lookout.stop();
});
