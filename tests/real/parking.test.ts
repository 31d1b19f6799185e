/** Birmingham's car parks (UCI 482) through REST: every observation kept once, the impossible flagged and left out of rates. */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import hub, { HUB_INSTALLATION } from '../../connectors/hub/index.ts';
import { readSettings } from '../../connectors/kit/config/settings.ts';
import { Host } from '../../connectors/kit/host/host.ts';
import { hubCall, loadKeys } from '../../connectors/kit/host/services.ts';
import { silentLog } from '../../connectors/kit/log.ts';
import { freshDatabase } from '../../connectors/kit/testing/test-database.ts';
import parking from '../../connectors/parking/index.ts';
import { isHere, realPath } from './data.ts';

const FILE = realPath('parking/birmingham-occupancy-2016.csv');
const have = isHere(FILE);

interface Row {
  readonly id: string;
  readonly lot: string;
  readonly capacity: number;
  readonly occupied: number;
  readonly time: string;
}

describe.runIf(have)('Birmingham 2016, where the real data is', () => {
  const rows: Row[] = have
    ? readFileSync(FILE, 'utf8')
        .trim()
        .split(/\r?\n/)
        .slice(1)
        .map((line, i) => {
          const [lot, capacity, occupied, time] = line.split(',') as [string, string, string, string];
          return {
            id: `B${String(i).padStart(5, '0')}`,
            lot,
            capacity: Number(capacity),
            occupied: Number(occupied),
            time: `${time.replace(' ', 'T')}Z`,
          };
        })
    : [];
  const lots = [...new Map(rows.map((row) => [row.lot, row])).values()];
  const sorted = [...rows].sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : a.id < b.id ? -1 : 1));
  let served = 0;
  /** The vendor forgets what was asked for and delivers all it has. */
  let everything = false;
  let vendor: Server;
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let islands: Host;
  let records: Host;

  const element = (row: Row, measured: boolean) => ({
    elementId: { id: row.lot, version: 1, className: 'Place' },
    supply: [{ supplyViewType: 'vehicleView', supplyQuantity: row.capacity }],
    ...(measured
      ? {
          demandTable: [
            { demandType: [{ count: row.occupied, occupancyCalculation: 'counted', recordDateTime: row.time }] },
          ],
        }
      : {}),
  });
  const place = (row: Row) => ({
    id: row.lot,
    version: 1,
    type: 'parkingPlace',
    layer: 1,
    name: [{ language: 'en', string: row.lot }],
    timeZone: 'Europe/London',
    hierarchyElementRecord: { creationTime: '2016-01-01T00:00:00Z' },
    hierarchyElementReference: element(row, false),
  });
  const observation = (row: Row) => ({
    id: row.id,
    version: 1,
    method: 'visual',
    observationStartTime: row.time,
    creationDateTime: row.time,
    location: { observerLocation: { type: 'Point', coordinates: [-1.9, 52.5] } },
    observerOrganisation: { id: 'NCP', version: 1, className: 'Organisation' },
    hierarchyElement: element(row, true),
  });
  // biome-ignore lint/suspicious/noExplicitAny: answers are read by path
  const ask = async (host: Host, query: string, variables: Record<string, unknown> = {}): Promise<any> => {
    const answer = await host.subgraph.execute({
      query,
      variables,
      call: hubCall(20_000, new AbortController().signal),
    });
    expect(answer.errors).toBeUndefined();
    return JSON.parse(JSON.stringify(answer.data));
  };

  beforeAll(async () => {
    vendor = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://localhost');
      const all =
        url.pathname === '/places'
          ? lots.map(place)
          : url.pathname === '/observations'
            ? sorted
                .filter((row) => {
                  const since = url.searchParams.get('modified_since') ?? url.searchParams.get('start_after') ?? 0;
                  return everything || Date.parse(row.time) >= Number(since) * 1000;
                })
                .map(observation)
            : [];
      const offset = Number(url.searchParams.get('offset') ?? 0);
      const data = all.slice(offset, offset + Number(url.searchParams.get('page_size') ?? 100));
      // The comparison with what the vendor offers looks at twenty, whenever it likes; what is counted is what the job reads.
      if (url.pathname === '/observations' && url.searchParams.get('page_size') !== '20') served += data.length;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({
          meta: { referenceInstant: Math.floor(Date.now() / 1000), offset, pageSize: data.length, total: all.length },
          data,
        }),
      );
    });
    await new Promise<void>((resolve) => vendor.listen(0, '127.0.0.1', resolve));
    const { port } = vendor.address() as { port: number };
    database = await freshDatabase();
    const common = { parks: [], database, keys: await loadKeys(database), log: silentLog };
    const { values } = readSettings(parking.settings, {
      url: `http://127.0.0.1:${port}`,
      token: 'birmingham',
      webhookSecret: 'birmingham',
      history: '7300d',
      timeout: '20s',
      // Read when the test says so, and not in between.
      poll: '1h',
    });
    islands = await Host.raise({
      ...common,
      connector: parking,
      installations: [{ id: 'bhm', park: 'bhm', connector: 'parking', settings: values, protocol: 'apds' }],
    });
    records = await Host.raise({ ...common, connector: hub, installations: [HUB_INSTALLATION] });
    await islands.runJob('bhm', 'poll observations');
  }, 120_000);

  afterAll(async () => {
    await islands?.close();
    await records?.close();
    await database?.drop();
    vendor?.closeAllConnections();
    vendor?.close();
  });

  const countAndSum = async () => {
    let after: string | null = null;
    let count = 0;
    let sum = 0;
    let total = 0;
    do {
      const { events } = await ask(
        records,
        'query ($after: Cursor) { events(first: 200, after: $after, filter: { kind: { eq: OCCUPANCY_CHANGED } }) { nodes { ... on OccupancyChanged { occupied } } totalCount pageInfo { endCursor hasNextPage } } }'.replace(
          after === null ? '' : ' totalCount',
          '',
        ),
        { after },
      );
      count += events.nodes.length;
      sum += events.nodes.reduce((all: number, one: { occupied: number }) => all + one.occupied, 0);
      total ||= events.totalCount;
      after = events.pageInfo.hasNextPage ? events.pageInfo.endCursor : null;
    } while (after !== null);
    return { count, sum, total };
  };

  test('35,717 observations of 30 lots, occupancy sum 22,938,490', async () => {
    const { _entities } = await ask(
      islands,
      'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Park { lots { id } } } }',
      { r: [{ __typename: 'Park', id: 'bhm' }] },
    );
    expect(_entities[0].lots).toHaveLength(30);
    expect(await countAndSum()).toEqual({ count: 35_717, sum: 22_938_490, total: 35_717 });
  }, 120_000);

  test('373 over capacity, 12 negative, 216 duplicates are flagged, and left out of rates', async () => {
    const [kept] = await database.plain.query(
      'SELECT count(*)::int AS n, count(*) FILTER (WHERE over_capacity)::int AS over, count(*) FILTER (WHERE negative)::int AS negative, count(*) FILTER (WHERE duplicate)::int AS duplicate FROM occupancy',
    );
    expect(kept).toEqual({ n: 35_717, over: 373, negative: 12, duplicate: 216 });
    const { _entities } = await ask(
      islands,
      'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Park { lots { id history(from: "2016-01-01T00:00:00Z", to: "2017-01-01T00:00:00Z", bucket: YEAR) { buckets { mean min max flagged } } } } } }',
      { r: [{ __typename: 'Park', id: 'bhm' }] },
    );
    let flagged = 0;
    for (const lot of _entities[0].lots) {
      const mine = rows.filter((row) => `bhm:${row.lot}` === lot.id);
      const seen = new Set<string>();
      const good = mine.filter((row) => {
        const again = seen.has(row.time);
        seen.add(row.time);
        return !again && row.occupied <= row.capacity && row.occupied >= 0;
      });
      const [bucket] = lot.history.buckets;
      flagged += bucket.flagged;
      expect(bucket.flagged).toBe(mine.length - good.length);
      if (good.length === 0) continue;
      expect(Number(bucket.mean)).toBeCloseTo(good.reduce((sum, row) => sum + row.occupied, 0) / good.length, 3);
      expect([bucket.min, bucket.max]).toEqual([
        Math.min(...good.map((row) => row.occupied)),
        Math.max(...good.map((row) => row.occupied)),
      ]);
    }
    expect(flagged).toBeGreaterThan(373);
  }, 60_000);

  test('the whole set delivered a second time changes nothing', async () => {
    const before = served;
    everything = true;
    await islands.runJob('bhm', 'poll observations');
    expect(served - before).toBe(35_717);
    expect((await countAndSum()).count).toBe(35_717);
  }, 120_000);
});
