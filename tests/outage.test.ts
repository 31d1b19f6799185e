/**
 * Each island under each fault: pages stand, marked, in time, and heal. `npm test` takes a sample;
 * `npm run test:chaos` the whole matrix at full scale (ISTHMUS_CHAOS is the scale), and prints the table of docs/operations.md.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FAULTS, type Fault } from '../connectors/kit/testing/chaos.ts';
import { operation, until, type WholeHub, wholeHub } from './hub.ts';
import { type Cell, company360, healthy, ISLANDS, scaled, suffer, table } from './outage.ts';

const whole = process.env['ISTHMUS_CHAOS'] !== undefined;
const scale = Number(process.env['ISTHMUS_CHAOS'] ?? 1);
const SAMPLE: readonly (readonly [string, Fault])[] = [
  ['access-control', 'black-hole'],
  ['parking', 'garbage'],
  ['registration', 'half-open'],
];
const matrix = whole
  ? Object.keys(ISLANDS).flatMap((island) => FAULTS.map((fault) => [island, fault] as const))
  : SAMPLE;
/** What the machine itself may take, whatever the scale, in milliseconds. */
const SLACK = whole ? 100 : 400;

describe(`islands suffer, times at ${scale}`, () => {
  let hub: WholeHub;
  let uscc = '';
  const cells: Cell[] = [];
  const limits = {
    samples: whole ? 100 : 20,
    milliseconds: (whole ? 14_000 : 5_000) * scale,
    heal: 15_000 * Math.max(scale, 0.4),
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
    await hub?.close();
  }, 60_000);

  const judge = (cell: Cell): void => {
    cells.push(cell);
    expect(cell.wrong).toEqual([]);
    expect(cell.p99).toBeLessThan(3_500 * scale + SLACK);
  };

  test.each(matrix)(
    '%s: %s',
    async (island, fault) => {
      judge(await suffer(hub, uscc, [island], fault, limits));
    },
    120_000,
  );

  test('three of five at once', async () => {
    judge(await suffer(hub, uscc, ['registration', 'parking', 'access-control'], 'refused', limits));
  }, 120_000);

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
    judge(await suffer(hub, uscc, dead, 'refused', limits));
  }, 120_000);
});
