/** Birmingham's car parks (UCI 482) through REST: every observation is stored once; impossible ones are flagged and excluded from means. */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import hub, { HUB_INSTALLATION } from '../../connectors/hub/index.ts';
import { readSettings } from '../../connectors/kit/config/settings.ts';
import { Host } from '../../connectors/kit/host/host.ts';
import { hubCall, loadKeys } from '../../connectors/kit/host/services.ts';
import { silentLog } from '../../connectors/kit/log.ts';
import { createTestDatabase } from '../../connectors/kit/testing/test-database.ts';
import parking from '../../connectors/parking/index.ts';
import { largeSetPath, samplePath } from './data.ts';

/** The whole set if available, otherwise one week. Known totals of both: see tests/data/README.md. */
const WHOLE = largeSetPath('parking/birmingham-occupancy-2016.csv');
const KNOWN = WHOLE
  ? { rows: 35_717, lots: 30, occupied: 22_938_490, overCapacity: 373, negative: 12, duplicates: 216 }
  : { rows: 3_528, lots: 29, occupied: 2_217_972, overCapacity: 16, negative: 6, duplicates: 90 };
const FILE = WHOLE ?? samplePath('parking/birmingham-occupancy-2016-10-24.csv');

interface Row {
  readonly id: string;
  readonly lot: string;
  readonly capacity: number;
  readonly occupied: number;
  readonly time: string;
}

describe(`Birmingham 2016, ${WHOLE ? 'the whole set' : 'one week'}`, () => {
  const rows: Row[] = readFileSync(FILE, 'utf8')
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
    });
  const lots = [...new Map(rows.map((row) => [row.lot, row])).values()];
  const sorted = [...rows].sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : a.id < b.id ? -1 : 1));
  let served = 0;
  /** If true, the vendor ignores the requested range and returns everything. */
  let everything = false;
  let vendor: Server;
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let parkingHost: Host;
  let hubHost: Host;

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
  const execute = async (host: Host, query: string, variables: Record<string, unknown> = {}): Promise<any> => {
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
      // The drift check reads pages of twenty at any time; only the job's reads are counted.
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
    database = await createTestDatabase();
    const common = { parks: [], database, keys: await loadKeys(database), log: silentLog };
    const { values } = readSettings(parking.settings, {
      url: `http://127.0.0.1:${port}`,
      token: 'birmingham',
      webhookSecret: 'birmingham',
      history: '7300d',
      timeout: '20s',
      // Polled only by the test.
      poll: '1h',
    });
    parkingHost = await Host.open({
      ...common,
      connector: parking,
      installations: [{ id: 'bhm', park: 'bhm', connector: 'parking', settings: values, protocol: 'apds' }],
    });
    hubHost = await Host.open({ ...common, connector: hub, installations: [HUB_INSTALLATION] });
    await parkingHost.runJob('bhm', 'poll observations');
  }, 120_000);

  afterAll(async () => {
    await parkingHost?.close();
    await hubHost?.close();
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
      const { events } = await execute(
        hubHost,
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

  test(`stores ${KNOWN.rows} observations of ${KNOWN.lots} lots with an occupancy sum of ${KNOWN.occupied}`, async () => {
    const { _entities } = await execute(
      parkingHost,
      'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Park { lots { id } } } }',
      { r: [{ __typename: 'Park', id: 'bhm' }] },
    );
    expect(_entities[0].lots).toHaveLength(KNOWN.lots);
    expect(await countAndSum()).toEqual({ count: KNOWN.rows, sum: KNOWN.occupied, total: KNOWN.rows });
  }, 120_000);

  test('flags impossible and repeated observations and excludes them from means', async () => {
    const [stored] = await database.plain.query(
      'SELECT count(*)::int AS n, count(*) FILTER (WHERE over_capacity)::int AS over, count(*) FILTER (WHERE negative)::int AS negative, count(*) FILTER (WHERE duplicate)::int AS duplicate FROM occupancy',
    );
    expect(stored).toEqual({
      n: KNOWN.rows,
      over: KNOWN.overCapacity,
      negative: KNOWN.negative,
      duplicate: KNOWN.duplicates,
    });
    const { _entities } = await execute(
      parkingHost,
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
    expect(flagged).toBeGreaterThan(KNOWN.overCapacity);
  }, 60_000);

  test('a second delivery of the whole set changes nothing', async () => {
    const before = served;
    everything = true;
    await parkingHost.runJob('bhm', 'poll observations');
    expect(served - before).toBe(KNOWN.rows);
    expect((await countAndSum()).count).toBe(KNOWN.rows);
  }, 120_000);
});
