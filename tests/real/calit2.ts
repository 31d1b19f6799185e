/** UCI's CalIt2 door counts as swipes in a vendor database; checks that the hub counts the same. */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import accessControl from '../../connectors/access-control/index.ts';
import { HUB_PRINCIPAL } from '../../connectors/kit/auth/principal.ts';
import { hubCall } from '../../connectors/kit/host/services.ts';
import { createTestDatabase } from '../../connectors/kit/testing/test-database.ts';
import { startInstallation } from '../../connectors/kit/testing/test-installation.ts';
import { eventCount } from '../../schema/database/events/event-query.ts';
import { samplePath } from './data.ts';

const FILE = samplePath('access/calit2-door-counts.csv');
/** Known totals of the file: see tests/data/README.md. */
export const ROWS = 10_080;
export const IN = 19_597;
export const OUT = 18_837;
export const IN_DOOR = 1;
export const OUT_DOOR = 2;

/** One swipe as the vendor writes it. */
export interface Swipe {
  readonly time: string;
  readonly door: number;
  readonly state: number;
}

/** Turns each half-hourly count into that many swipes, spread over the half hour. Flow 9 is in, 7 is out. */
export function swipes(): Swipe[] {
  const lines = readFileSync(FILE, 'utf8')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '');
  expect(lines).toHaveLength(ROWS);
  return lines.flatMap((line) => {
    const found = /^([79]),(\d\d)\/(\d\d)\/(\d\d),(\d\d):(\d\d):00,(\d+)$/.exec(line);
    if (!found) throw new Error(`Invalid line: ${line}`);
    const [, flow, month, day, year, hour, minute, count] = found;
    return Array.from({ length: Number(count) }, (_, i) => {
      const second = Math.floor((i * 1800) / Number(count));
      const minutes = Number(minute) + Math.floor(second / 60);
      const time = `20${year}-${month}-${day} ${hour}:${String(minutes).padStart(2, '0')}:${String(second % 60).padStart(2, '0')}`;
      return flow === '9' ? { time, door: IN_DOOR, state: 0 } : { time, door: OUT_DOOR, state: 1 };
    });
  });
}

/** Starts the connector on the vendor's database, with a caller that has every permission. */
export async function startConnector(url: string, zone: string) {
  const database = await createTestDatabase();
  const raw = { url, zone, history: 'P36500D', timeout: '20s' };
  const host = await startInstallation(accessControl, { id: 'calit2', park: 'irvine', raw }, database, { parks: [] });
  const principal = { ...HUB_PRINCIPAL, scopes: new Set(['access:read', 'access:persons', 'access:names']) };
  return {
    host,
    database,
    async ask<T>(query: string, variables: Record<string, unknown> = {}): Promise<T> {
      const call = { ...hubCall(20_000, AbortSignal.timeout(25_000)), principal };
      const answer = await host.subgraph.execute({ query, variables, call });
      expect(answer.errors).toBeUndefined();
      return answer.data as T;
    },
    async close() {
      await host.close();
      await database.drop();
    },
  };
}

/** Polls everything from the vendor's database, then checks the totals of each door. */
export async function expectTotals(url: string): Promise<void> {
  const hub = await startConnector(url, 'America/Los_Angeles');
  const { host, database } = hub;
  const ask = hub.ask<Record<string, { events: Connection }>>;
  try {
    await host.runJob('calit2', 'log');
    await host.runJob('calit2', 'log');
    const count = (door: number) => eventCount(database.plain, { door: [`calit2:door-${door}`] });
    expect({ in: await count(IN_DOOR), out: await count(OUT_DOOR) }).toEqual({ in: IN, out: OUT });

    const totals = await ask(
      `{ in: door(id: "calit2:door-1") { events(first: 0) { totalCount } } out: door(id: "calit2:door-2") { events(first: 0) { totalCount } } }`,
    );
    expect(totals).toEqual({ in: { events: { totalCount: IN } }, out: { events: { totalCount: OUT } } });

    // One day, page by page, forward and backward.
    const span = { from: '2005-09-27T00:00:00-07:00', to: '2005-09-28T00:00:00-07:00' };
    const expected = swipes().filter((one) => one.door === IN_DOOR && one.time.startsWith('2005-09-27')).length;
    const page = `query ($time: TimeRange, $first: Int, $after: Cursor, $last: Int, $before: Cursor) {
      door(id: "calit2:door-1") { events(time: $time, first: $first, after: $after, last: $last, before: $before) {
        totalCount nodes { id time outcome } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`;
    const there: string[] = [];
    for (let after: string | null = null; ; ) {
      const { events }: { events: Connection } = (await ask(page, { time: span, first: 100, after }))['door']!;
      expect(events.totalCount).toBe(expected);
      there.push(...events.nodes.map((node) => node.id));
      if (!events.pageInfo.hasNextPage) break;
      after = events.pageInfo.endCursor;
    }
    const back: string[] = [];
    for (let before: string | null = null; ; ) {
      const { events }: { events: Connection } = (await ask(page, { time: span, last: 70, before }))['door']!;
      back.unshift(...events.nodes.map((node) => node.id));
      if (!events.pageInfo.hasPreviousPage) break;
      before = events.pageInfo.startCursor;
    }
    expect(there).toHaveLength(expected);
    expect(new Set(there).size).toBe(expected);
    expect(back).toEqual(there);
  } finally {
    await hub.close();
  }
}

interface Connection {
  readonly totalCount: number;
  readonly nodes: readonly { id: string; time: string }[];
  readonly pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string; endCursor: string };
}
