/**
 * Each source under each fault: queries return in time with values marked stale, and recover. `npm test` runs a sample, CI the full matrix at a quarter of
 * the times, `npm run test:chaos` at full times (ISTHMUS_CHAOS is the scale) and prints the table of docs/operations.md.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FAULTS, type Fault } from '../connectors/kit/testing/chaos-proxy.ts';
import {
  CONNECTORS,
  isHealthy,
  measureOutage,
  type OutageResult,
  queryCompany360,
  scaleTimes,
  table,
} from './outage.ts';
import { watchStalls } from './stall-monitor.ts';
import { explorerOperation, startTestHub, type TestHub, waitFor } from './test-hub.ts';

const isFullMatrix = process.env['ISTHMUS_CHAOS'] !== undefined;
const scale = Number(process.env['ISTHMUS_CHAOS'] ?? 0.5);
const SAMPLE: readonly (readonly [string, Fault])[] = [
  ['access-control', 'black-hole'],
  ['parking', 'garbage'],
  ['registration', 'half-open'],
];
const matrix = isFullMatrix
  ? Object.keys(CONNECTORS).flatMap((connector) => FAULTS.map((fault) => [connector, fault] as const))
  : SAMPLE;
describe(`source outages, times scaled by ${scale}`, () => {
  let hub: TestHub;
  let uscc = '';
  const cells: OutageResult[] = [];
  const pauses = watchStalls();
  const limits = {
    scale,
    samples: isFullMatrix ? 100 : 20,
    // At full scale, which produces the table, long enough to see every state a user sees; otherwise only until values are marked.
    milliseconds: (scale === 1 ? 14_000 : 6_000) * scale,
    recovery: 15_000 * Math.max(scale, 0.4),
    steady: 1_500 * Math.max(scale, 0.3),
  };

  beforeAll(async () => {
    hub = await startTestHub('embedded', {
      chaos: { latency: 3_000 * scale, drip: 200 * scale },
      settings: scaleTimes(scale),
    });
    const codes = await waitFor('the companies are known by name', 90, async () => {
      const { data } = await hub.query(explorerOperation('Companies'), { first: 50 });
      const all = data.companies.nodes as { uscc: string; name: string | null }[];
      return all.length === 40 && all.every((one) => one.name) ? all.map((one) => one.uscc) : null;
    });
    uscc = await waitFor('a company that every source knows', 90, async () => {
      for (const code of codes) {
        const { data, errors } = await queryCompany360(hub, code);
        const full = Object.values(CONNECTORS).every(({ field }) => data?.company?.[field]);
        if (!errors && full && data.company.vehicles.nodes.length > 0) return code;
      }
      return null;
    });
    await waitFor('nothing is marked or fails', 60, () => isHealthy(hub, uscc));
  }, 300_000);
  afterAll(async () => {
    if (isFullMatrix) process.stdout.write(`${table(cells)}\n`);
    await pauses.stop();
    await hub?.close();
  }, 60_000);

  /** Maximum time a response may wait for sources (p99): the operation's deadline plus overhead. */
  const longest = 3_500 * scale + 100;
  /** Maximum median: half of `serveStaleAfter`, since most responses come from the cache at once. */
  const usual = 500 * scale + 100;
  const judge = async (failing: readonly string[], fault: Fault): Promise<void> => {
    // A stalled machine can make a healthy source look slow, but not three times in a row and not in most responses.
    for (let tries = 1; ; tries++) {
      pauses.takeLongest();
      const cell = await measureOutage(hub, uscc, failing, fault, limits);
      const paused = pauses.takeLongest();
      expect(cell.violations).toEqual([]);
      const sound =
        cell.waitMs.p99 < longest &&
        cell.waitMs.p50 < usual &&
        cell.healthyMarkedShare <= (scale < 1 && paused > 50 ? 0.05 : 0);
      if (!sound && tries < 3) continue;
      cells.push(cell);
      if (!sound) process.stdout.write(`${cell.source}, ${fault}: longest stall of the machine ${paused} ms\n`);
      if (!sound) expect(cell.healthyMarked).toEqual([]);
      expect(cell.waitMs.p99).toBeLessThan(longest);
      expect(cell.waitMs.p50).toBeLessThan(usual);
      return;
    }
  };

  test.each(matrix)('%s: %s', (connector, fault) => judge([connector], fault), 120_000);

  test(
    'three of five sources fail at once',
    () => judge(['registration', 'parking', 'access-control'], 'refused'),
    120_000,
  );

  test('returns last known values when three of five sources are down at the start of the hub', async () => {
    const dead = ['registration', 'parking', 'access-control'];
    await hub.restart(async () => {
      for (const connector of dead) await hub.setFault(connector, 'refused');
    });
    // The two working sources must have responded once, as after every start.
    await waitFor('the others respond', 30, async () => {
      const { extensions } = await queryCompany360(hub, uscc);
      return !extensions.sources.some((source: { source: string }) => /tax|meters|telemetry/.test(source.source));
    });
    await judge(dead, 'refused');
  }, 120_000);
});
