import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from '../clock.ts';
import { DEFAULT_CHECK_INTERVALS } from '../config/sections/check-intervals.ts';
import type { Drift, OpenedSource } from '../connector.ts';
import { silentLog } from '../log.ts';
import { Health } from '../monitoring/health.ts';
import type { Services } from '../services.ts';
import { HealthMonitor } from './health-monitor.ts';

const HOUR = 3_600_000;
const GONE: Drift = { description: 'the column state is gone', fields: ['Door.state'] };
const closed = new AbortController();

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
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
