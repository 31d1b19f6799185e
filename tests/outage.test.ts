/**
 * Each island under each fault: pages stand, marked, in time, and heal. `npm test` takes a sample, CI the whole matrix at a quarter of
 * the scale, `npm run test:chaos` at full (ISTHMUS_CHAOS is the scale), and prints the table of docs/operations.md.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FAULTS, type Fault } from '../connectors/kit/testing/chaos-proxy.ts';
import { operation, until, type WholeHub, wholeHub } from './hub.ts';
import { type Cell, company360, healthy, ISLANDS, scaled, suffer, table } from './outage.ts';
import { watchPauses } from './pauses.ts';

const whole = process.env['ISTHMUS_CHAOS'] !== undefined;
const scale = Number(process.env['ISTHMUS_CHAOS'] ?? 0.5);
const SAMPLE: readonly (readonly [string, Fault])[] = [
  ['access-control', 'black-hole'],
  ['parking', 'garbage'],
  ['registration', 'half-open'],
];
const matrix = whole
  ? Object.keys(ISLANDS).flatMap((island) => FAULTS.map((fault) => [island, fault] as const))
  : SAMPLE;
describe(`islands suffer, times at ${scale}`, () => {
  let hub: WholeHub;
  let uscc = '';
  const cells: Cell[] = [];
  const pauses = watchPauses();
  const limits = {
    scale,
    samples: whole ? 100 : 20,
    // At full scale, which the table is made of, long enough for all that a user meets; else until it is marked, and no longer.
    milliseconds: (scale === 1 ? 14_000 : 6_000) * scale,
    heal: 15_000 * Math.max(scale, 0.4),
    steady: 1_500 * Math.max(scale, 0.3),
  };

  beforeAll(async () => {
    hub = await wholeHub('embedded', {
      chaos: { latency: 3_000 * scale, drip: 200 * scale },
      settings: scaled(scale),
    });
    const codes = await until('the companies are known by name', 90, async () => {
      const { data } = await hub.ask(operation('Companies'), { first: 50 });
      const all = data.companies.nodes as { uscc: string; name: string | null }[];
      return all.length === 40 && all.every((one) => one.name) ? all.map((one) => one.uscc) : null;
    });
    uscc = await until('a company that every island knows', 90, async () => {
      for (const code of codes) {
        const { data, errors } = await company360(hub, code);
        const full = Object.values(ISLANDS).every(({ field }) => data?.company?.[field]);
        if (!errors && full && data.company.vehicles.nodes.length > 0) return code;
      }
      return null;
    });
    await until('all is well', 60, () => healthy(hub, uscc));
  }, 300_000);
  afterAll(async () => {
    if (whole) process.stdout.write(`${table(cells)}\n`);
    await pauses.stop();
    await hub?.close();
  }, 60_000);

  /** The longest that an answer may wait for sources: the operation's deadline and what stands around it. */
  const longest = 3_500 * scale + 100;
  /** Half of the patience: most answers come from what is kept, at once. */
  const usual = 500 * scale + 100;
  const judge = async (dark: readonly string[], fault: Fault): Promise<void> => {
    // A machine that stood still may have made an island look late that was well; not three times in a row, and not in most answers.
    for (let tries = 1; ; tries++) {
      pauses.longest();
      const cell = await suffer(hub, uscc, dark, fault, limits);
      const paused = pauses.longest();
      expect(cell.wrong).toEqual([]);
      const sound =
        cell.waited.p99 < longest &&
        cell.waited.p50 < usual &&
        cell.othersShare <= (scale < 1 && paused > 50 ? 0.05 : 0);
      if (!sound && tries < 3) continue;
      cells.push(cell);
      if (!sound) process.stdout.write(`${cell.island}, ${fault}: the machine's longest pause was ${paused} ms\n`);
      if (!sound) expect(cell.others).toEqual([]);
      expect(cell.waited.p99).toBeLessThan(longest);
      expect(cell.waited.p50).toBeLessThan(usual);
      return;
    }
  };

  test.each(matrix)('%s: %s', (island, fault) => judge([island], fault), 120_000);

  test('three of five at once', () => judge(['registration', 'parking', 'access-control'], 'refused'), 120_000);

  test('three of five dead at the start of the hub: what was last read is still known', async () => {
    const dead = ['registration', 'parking', 'access-control'];
    await hub.restart(async () => {
      for (const island of dead) await hub.chaos(island, 'refused');
    });
    // The two that live have to be asked first, as after every start.
    await until('the others answer', 30, async () => {
      const { extensions } = await company360(hub, uscc);
      return !extensions.sources.some((one: { source: string }) => /tax|meters|telemetry/.test(one.source));
    });
    await judge(dead, 'refused');
  }, 120_000);
});
