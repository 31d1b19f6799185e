import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from '../clock.ts';
import { DEFAULT_CHECK_INTERVALS } from '../config/sections/check-intervals.ts';
import type { Drift, OpenedSource } from '../connector.ts';
import { unavailable } from '../errors.ts';
import { silentLog } from '../log.ts';
import { Health } from '../monitoring/health.ts';
import type { Services } from '../services.ts';
import { HealthMonitor } from './health-monitor.ts';
import { growingDelay } from './retry-delay.ts';

const HOUR = 3_600_000;
const GONE: Drift = { description: 'the column state is gone', fields: ['Door.state'] };
const closed = new AbortController();

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** A monitor of a source that responds if `responds` is set. `found.now` is the result of the next drift checks. */
function monitored(found: { now: readonly Drift[] }, responds = true) {
  const health = new Health(systemClock);
  let comparisons = 0;
  const opened = {
    check: async () => {
      if (responds) health.recordSuccess('check');
    },
    drift: async () => {
      comparisons++;
      return found.now;
    },
  } as unknown as OpenedSource;
  const services = {
    installation: { id: 'doors', connector: 'access-control', park: 'lakeside' },
    guard: { recordRecovery: () => undefined },
    clock: systemClock,
    log: silentLog,
  } as unknown as Services;
  const monitor = new HealthMonitor({
    ...{ services, health, intervals: { ...DEFAULT_CHECK_INTERVALS, drift: HOUR }, signal: closed.signal },
    source: () => opened,
    onCheck: () => undefined,
  });
  return { monitor, health, comparisons: () => comparisons };
}

test('health monitor: checks for drift at the first check and again each hour', async () => {
  const found: { now: readonly Drift[] } = { now: [] };
  const { monitor, health, comparisons } = monitored(found);
  monitor.start();
  await vi.advanceTimersByTimeAsync(HOUR - 60_000);
  expect([comparisons(), health.snapshot().state]).toEqual([1, 'UP']);
  found.now = [GONE];
  await vi.advanceTimersByTimeAsync(120_000);
  expect(health.snapshot()).toMatchObject({
    state: 'DEGRADED',
    reason: 'has drifted: the column state is gone (affects Door.state)',
  });
  monitor.stop();
  expect(vi.getTimerCount()).toBe(0);
});

test('health monitor: checks for drift again within seconds while drift is found or suspected', async () => {
  const found: { now: readonly Drift[] } = { now: [] };
  const { monitor, health, comparisons } = monitored(found);
  monitor.start();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(comparisons()).toBe(1);
  monitor.compareSoon();
  found.now = [GONE];
  await vi.advanceTimersByTimeAsync(20_000);
  expect(health.snapshot().state).toBe('DEGRADED');
  found.now = [];
  await vi.advanceTimersByTimeAsync(20_000);
  expect(health.snapshot().state).toBe('UP');
  monitor.stop();
});

test('health monitor: a check without a response of the source does not make it UP', async () => {
  const { monitor, health } = monitored({ now: [] }, false);
  await monitor.check();
  expect(health.snapshot()).toMatchObject({
    state: 'DEGRADED',
    reason: 'sent no response in the last check',
  });
  // Nor does a job that had nothing to do.
  health.recordSuccess('job poll meters');
  expect(health.snapshot().state).toBe('DEGRADED');
  monitor.stop();
});

test('health monitor: checks of a source that is down are up to a minute apart, at once when somebody uses it', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(1);
  const health = new Health(systemClock);
  const source = { up: false };
  const times: number[] = [];
  const started = performance.now();
  const opened = {
    check: async () => {
      times.push(Math.round((performance.now() - started) / 1_000));
      if (!source.up) throw unavailable('refused');
      health.recordSuccess('check');
    },
  } as unknown as OpenedSource;
  const services = {
    installation: { id: 'doors', connector: 'access-control', park: 'lakeside' },
    guard: { recordRecovery: () => undefined },
    ...{ clock: systemClock, log: silentLog },
  } as unknown as Services;
  const monitor = new HealthMonitor({
    ...{ services, health, intervals: DEFAULT_CHECK_INTERVALS, signal: closed.signal },
    ...{ source: () => opened, onCheck: () => undefined },
  });
  monitor.start();
  await vi.advanceTimersByTimeAsync(210_000);
  expect(times).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 24, 32, 48, 80, 140, 200]);
  expect(monitor.nextCheck).toBe(50_000);
  const { since } = health.snapshot();
  // Used: checked now, then as often as while it is used.
  monitor.checkOnDemand();
  await vi.advanceTimersByTimeAsync(0);
  expect(times.at(-1)).toBe(210);
  for (let i = 0; i < 60; i++) {
    monitor.checkOnDemand();
    await vi.advanceTimersByTimeAsync(1_000);
  }
  expect(times.slice(-31)).toEqual(Array.from({ length: 31 }, (_, i) => 210 + 2 * i));
  expect(health.snapshot().since).toEqual(since);
  // No longer used: further and further apart again.
  await vi.advanceTimersByTimeAsync(59_000);
  expect(times.slice(-4)).toEqual([290, 294, 302, 318]);
  source.up = true;
  monitor.checkOnDemand();
  await vi.advanceTimersByTimeAsync(0);
  expect([times.at(-1), health.state]).toEqual([329, 'UP']);
  // A source that is up is checked at its interval, used or not.
  monitor.checkOnDemand();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(times.slice(-3)).toEqual([329, 334, 339]);
  monitor.stop();
});

test('growing delay: doubles up to a minute and is up to a fifth shorter; a longer first delay stays', () => {
  vi.spyOn(Math, 'random').mockReturnValue(0);
  expect([1, 2, 3, 10].map((failures) => growingDelay(2_000, failures))).toEqual([2_000, 3_200, 6_400, 48_000]);
  expect(growingDelay(3_600_000, 1)).toBe(3_600_000);
  expect(growingDelay(3_600_000, 5)).toBe(2_880_000);
});
