/** Vendor behaviour seen in practice: lost responses, corrections, deletions, invalid rows, missing grouping, outages. */
import { createServer, type Server } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Principal } from '../kit/auth/principal.ts';
import type { SubgraphResponse } from '../kit/call.ts';
import { readSettings } from '../kit/config/settings.ts';
import { Host } from '../kit/host/host.ts';
import { hubCall, loadKeys } from '../kit/host/services.ts';
import { silentLog } from '../kit/log.ts';
import type { Services } from '../kit/services.ts';
import { createTestDatabase } from '../kit/testing/test-database.ts';
import parking from './index.ts';

const A = '91350100M000100Y43';
const B = '91110000600037341L';
const ref = (id: string) => ({ id, version: 1 });
const plate = (id: string, plateColour = 'blue') => ({
  type: 'licensePlate',
  identifier: { className: 'VehicleCredential', id },
  plateColour,
});
const holder = (id: string) => ({ type: 'electronicID', identifier: { className: 'CustomerCredential', id } });
const right = (id: string, car: string, company: string, startTime: string, more: object = {}, colour = 'blue') => ({
  id,
  version: 1,
  rightHolder: { credentials: [plate(car, colour), holder(company)] },
  rightSpecification: ref('RS-1'),
  plannedUses: [{ startTime, ...more }],
});
const session = (id: string, car: string, company: string, more: object = {}) => ({
  id,
  version: 1,
  actualStart: new Date(Date.now() - 60_000).toISOString(),
  initiator: ref('gate'),
  hierachyElement: ref('lot-1'),
  identifiedCredentials: [plate(car), holder(company)],
  segments: [],
  ...more,
});
const observation = (id: string, at: string, count: unknown, places = 100) => ({
  id,
  version: 1,
  observationStartTime: at,
  hierarchyElement: {
    elementId: ref('lot-1'),
    supply: [{ supplyViewType: 'vehicleView', supplyQuantity: places }],
    demandTable: [{ demandType: [{ count, occupancyCalculation: 'counted', recordDateTime: at }] }],
  },
});
const places = [
  {
    id: 'lot-1',
    version: 1,
    name: [{ language: 'en', string: 'One' }],
    rightSpecifications: [ref('RS-1')],
    hierarchyElementReference: {
      elementId: ref('lot-1'),
      supply: [{ supplyViewType: 'vehicleView', supplyQuantity: 100 }],
      demandTable: [{ demandType: [{ count: 104, recordDateTime: '2026-03-01T00:00:00Z' }] }],
    },
  },
];

/** The vendor's next response; `drop` closes the connection after the work is done, without a response. */
type VendorResponse = { status?: number; body: unknown } | 'drop';
type Handler = (query: URLSearchParams, body: Record<string, unknown>) => VendorResponse;

describe('parking vendor quirks', () => {
  let vendor: Server;
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let host: Host;
  let handlers: Record<string, Handler>;
  let requests: { what: string; query: URLSearchParams }[];
  const warnings: string[] = [];

  const list = (rows: readonly unknown[], query: URLSearchParams, more: object = {}) => {
    const offset = Number(query.get('offset') ?? 0);
    const size = Number(query.get('page_size') ?? 100);
    return {
      body: {
        meta: { referenceInstant: 1_772_323_200, offset, pageSize: size, total: rows.length },
        data: rows.slice(offset, offset + size),
        ...more,
      },
    };
  };
  const plain: Record<string, Handler> = {
    'GET /places': (query) => list(places, query),
    'GET /rights/assigned': (query) => list([], query),
    'GET /sessions': (query) => list([], query),
    'GET /observations': (query) => list([], query),
  };
  const who = (...scopes: string[]): Principal => ({
    ...hubCall(0, new AbortController().signal).principal,
    scopes: new Set(scopes),
  });
  const ask = (query: string, variables: Record<string, unknown> = {}): Promise<SubgraphResponse> =>
    host.subgraph.execute({
      query,
      variables,
      call: { ...hubCall(5_000, new AbortController().signal), principal: who('parking:plates') },
    });
  // biome-ignore lint/suspicious/noExplicitAny: responses are read by path
  const data = async (query: string, variables: Record<string, unknown> = {}): Promise<any> => {
    const answer = await ask(query, variables);
    expect(answer.errors).toBeUndefined();
    return JSON.parse(JSON.stringify(answer.data));
  };
  const events = async (kind: string): Promise<number> =>
    Number((await database.plain.query('SELECT count(*) FROM event WHERE kind = $1', [kind]))[0].count);
  const calls = (what: string) => requests.filter((request) => request.what === what);
  const companies = (...all: string[]) => ({ r: all.map((uscc) => ({ __typename: 'Company', uscc })) });

  beforeAll(async () => {
    vendor = createServer(async (request, response) => {
      const url = new URL(request.url ?? '/', 'http://localhost');
      const parts: Buffer[] = [];
      for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
      const body = parts.length > 0 ? JSON.parse(Buffer.concat(parts).toString('utf8')) : {};
      const what = `${request.method} ${decodeURIComponent(url.pathname)}`;
      requests.push({ what, query: url.searchParams });
      const handler = handlers[what] ?? handlers[what.replace(/^(\w+ \/rights\/assigned\/).+$/, '$1{id}')];
      const result = handler ? handler(url.searchParams, body) : { status: 404, body: { status: 'error', code: 404 } };
      if (result === 'drop') return void response.destroy();
      response.writeHead(result.status ?? 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(result.body));
    });
    await new Promise<void>((resolve) => vendor.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => {
    vendor?.closeAllConnections();
    vendor?.close();
  });

  beforeEach(async () => {
    handlers = { ...plain };
    requests = [];
    warnings.length = 0;
    database = await createTestDatabase();
    const { values } = readSettings(parking.settings, {
      url: `http://127.0.0.1:${(vendor.address() as { port: number }).port}`,
      token: 'odd-vendor-token',
      webhookSecret: 'odd-vendor-secret',
      poll: '1h',
    });
    const log = { ...silentLog, warn: (text: string) => warnings.push(text), child: () => log } as Services['log'];
    host = await Host.open({
      cacheReads: false,
      connector: parking,
      installations: [{ id: 'v', park: 'lakeside', connector: 'parking', settings: values, protocol: 'apds' }],
      parks: [],
      database,
      keys: await loadKeys(database),
      log,
      policy: { retries: 0, breaker: { failureThreshold: 50, openDuration: 100 } },
    });
    // Let the scheduled first runs finish, then reset their state.
    for (const job of ['poll contracts', 'poll observations', 'poll sessions']) await host.runJob('v', job);
    await database.plain.query('DELETE FROM state');
    requests = [];
  });
  afterEach(async () => {
    await host?.close();
    await database?.drop();
  });

  const GRANT =
    'mutation ($i: GrantParkingPermitInput!) { grantParkingPermit(input: $i) { permit { id state vehicle { plate } } } }';
  const input = {
    clientMutationId: 'm1',
    lot: 'v:lot-1',
    plate: '渝AD12345',
    colour: 'GREEN',
    uscc: A,
    validFrom: '2026-01-01T00:00:00Z',
  };
  /** A vendor that stores rights; `lose` decides whether the response to a creation is lost. */
  const keepsRights = (lose: () => boolean) => {
    const rights = new Map<string, Record<string, unknown>>();
    handlers['POST /rights/assigned'] = (_, body) => {
      if (rights.has(String(body['id']))) return { status: 409, body: { status: 'error', code: 409 } };
      rights.set(String(body['id']), body);
      return lose() ? 'drop' : { status: 201, body: { status: 'ok' } };
    };
    handlers['GET /rights/assigned/{id}'] = () => {
      const id = requests.at(-1)?.what.split('/').at(-1) ?? '';
      const right = rights.get(id);
      return right ? { body: right } : { status: 404, body: { status: 'error', code: 404 } };
    };
    return rights;
  };

  test('finds a grant with a lost response by our own id, and creates it once', async () => {
    let lost = 0;
    const rights = keepsRights(() => lost++ === 0);
    const first = await ask(GRANT, { i: input });
    expect(first.errors?.[0]?.extensions?.['code']).toBe('SOURCE_UNAVAILABLE');
    expect(rights.size).toBe(1);
    const { permit } = (await data(GRANT, { i: input })).grantParkingPermit;
    expect(permit).toMatchObject({ state: 'ACTIVE', vehicle: { plate: '渝AD12345' } });
    expect(permit.id).toBe(`v:${[...rights.keys()][0]}`);
    expect(calls('POST /rights/assigned')).toHaveLength(1);
  });

  test('repeats the result of a completed grant while the vendor is down', async () => {
    keepsRights(() => false);
    const first = await data(GRANT, { i: input });
    for (const what of Object.keys(handlers)) handlers[what] = () => 'drop';
    expect(await data(GRANT, { i: input })).toEqual(first);
  });

  test('parking API: reports a grant that is rejected with status 200, and allows a retry', async () => {
    handlers['POST /rights/assigned'] = () => ({ body: { status: 'error', code: 400, message: 'full' } });
    for (const _ of [1, 2]) {
      const answer = await ask(GRANT, { i: input });
      expect(answer.errors?.[0]?.extensions?.['code']).toBe('SOURCE_REJECTED');
      expect(JSON.stringify(answer.errors)).not.toContain('full');
    }
    expect(calls('POST /rights/assigned')).toHaveLength(2);
  });

  test('calls a vendor without group_by once per holder, one page each', async () => {
    const all = [session('S1', '渝A11111', A), session('S2', '渝A22222', B), session('S3', '渝A33333', A)];
    handlers['GET /sessions'] = (query) => {
      const wanted = query.get('credential_id')?.split(',') ?? [];
      return list(
        all.filter((item) => item.identifiedCredentials.some((each) => wanted.includes(each.identifier.id))),
        query,
      );
    };
    const query =
      'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { parkingSessions(first: 1) { nodes { id } totalCount pageInfo { hasNextPage } } } } }';
    for (const [round, cost] of [3, 2].entries()) {
      requests = [];
      const { _entities } = await data(query, companies(A, B));
      expect(_entities.map((item: { parkingSessions: unknown }) => item.parkingSessions)).toEqual([
        { nodes: [{ id: 'v:S1' }], totalCount: 2, pageInfo: { hasNextPage: true } },
        { nodes: [{ id: 'v:S2' }], totalCount: 1, pageInfo: { hasNextPage: false } },
      ]);
      expect(calls('GET /sessions'), `round ${round}`).toHaveLength(cost);
    }
  });

  test('parking API: reads a long list in pages of one reference instant, without rows deleted in the meantime', async () => {
    const all = Array.from({ length: 2_500 }, (_, i) => {
      const car = `渝A${String(10_000 + i)}`;
      return right(`R${i}`, car, A, '2026-01-01T00:00:00Z');
    });
    handlers['GET /rights/assigned'] = (query) =>
      list(all, query, query.get('offset') === '2000' ? { deletedReferences: [{ id: 'R7' }] } : {});
    const { _entities } = await data(
      'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { vehicles(first: 1) { totalCount } } } }',
      companies(A),
    );
    expect(_entities[0].vehicles.totalCount).toBe(2_499);
    const pages = calls('GET /rights/assigned').map(({ query }) => [
      query.get('offset'),
      query.get('reference_instant'),
    ]);
    expect(pages).toEqual([
      ['0', null],
      ['1000', '1772323200'],
      ['2000', '1772323200'],
    ]);
  });

  test('assigns a vehicle to the holder of its newest current right', async () => {
    handlers['GET /rights/assigned'] = (query) =>
      list(
        [
          right('R2', '渝A11111', B, '2026-02-01T00:00:00Z'),
          right('R1', '渝A11111', A, '2025-01-01T00:00:00Z', { endTime: '2026-01-31T00:00:00Z' }),
          right('R3', '渝A22222', A, '2026-01-01T00:00:00Z', { cancelTime: '2026-01-02T00:00:00Z' }),
        ],
        query,
      );
    await host.runJob('v', 'poll contracts');
    const of = async (text: string) =>
      (await data('query ($p: Plate) { vehicle(plate: $p) { company { uscc } provenance { stale } } }', { p: text }))
        .vehicle;
    expect(await of('渝A11111')).toEqual({ company: { uscc: B }, provenance: { stale: false } });
    expect(await of('渝A22222')).toEqual({ company: null, provenance: { stale: false } });
    const { _entities } = await data(
      'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { vehicles(first: 5) { nodes { plate } } } } }',
      companies(A, B),
    );
    expect(_entities.map((item: { vehicles: { nodes: unknown[] } }) => item.vehicles.nodes)).toEqual([
      [],
      [{ plate: '渝A11111' }],
    ]);
  });

  test('loaders of a request: look up a plate at the vendor, require the colour if ambiguous, and serve stale data while the vendor is down', async () => {
    const query =
      'query ($p: Plate, $c: PlateColour) { vehicle(plate: $p, colour: $c) { colour provenance { stale } } }';
    expect((await data(query, { p: '渝A11111' })).vehicle).toBeNull();
    handlers['GET /rights/assigned'] = (params) =>
      list(
        [
          right('R1', '渝A11111', A, '2026-01-01T00:00:00Z'),
          right('R2', '渝A11111', B, '2026-01-01T00:00:00Z', {}, 'yellow'),
        ],
        params,
      );
    const both = await ask(query, { p: '渝A11111' });
    expect(both.errors?.[0]?.extensions?.['code']).toBe('BAD_USER_INPUT');
    expect((await data(query, { p: '渝A11111', c: 'YELLOW' })).vehicle).toEqual({
      colour: 'YELLOW',
      provenance: { stale: false },
    });
    for (const what of Object.keys(handlers)) handlers[what] = () => 'drop';
    expect((await data(query, { p: '渝A11111', c: 'YELLOW' })).vehicle).toEqual({
      colour: 'YELLOW',
      provenance: { stale: true },
    });
    const never = await ask(query, { p: '渝A99999' });
    expect(never.errors?.[0]?.extensions?.['code']).toBe('SOURCE_UNAVAILABLE');
  });

  test('presents no free places in a lot above capacity', async () => {
    const { parkingLot } = await data('{ parkingLot(id: "v:lot-1") { capacity occupied free } }');
    expect(parkingLot).toEqual({ capacity: 100, occupied: 104, free: 0 });
  });

  const minutesAgo = (n: number) => new Date(Math.floor(Date.now() / 1000 - n * 60) * 1000).toISOString();
  const storedObservations = () =>
    database.plain.query('SELECT vendor_id AS id, occupied, over_capacity, duplicate FROM occupancy ORDER BY 1');
  const row = (id: string, occupied: number, over_capacity = false, duplicate = false) => ({
    id,
    occupied,
    over_capacity,
    duplicate,
  });

  test('applies corrections and deletions of observations, and updates the flags', async () => {
    const at = minutesAgo(30);
    let all = [observation('O1', at, 10), observation('O2', at, 11), observation('O3', minutesAgo(20), 12)];
    let deleted: { id: string }[] = [];
    handlers['GET /observations'] = (query) => list(all, query, { deletedReferences: deleted });
    await host.runJob('v', 'poll observations');
    expect(await storedObservations()).toEqual([row('O1', 10), row('O2', 11, false, true), row('O3', 12)]);
    expect(await events('OCCUPANCY_CHANGED')).toBe(3);

    all = [observation('O2', at, 11), observation('O3', minutesAgo(20), 130)];
    deleted = [{ id: 'O1' }];
    for (const _ of [1, 2]) {
      await host.runJob('v', 'poll observations');
      expect(await storedObservations()).toEqual([row('O2', 11), row('O3', 130, true)]);
    }
    expect(await events('OCCUPANCY_CHANGED')).toBe(3);
    const [first, second] = calls('GET /observations').map(({ query }) => query);
    expect([first?.has('start_after'), first?.has('modified_since')]).toEqual([true, false]);
    expect(second?.get('modified_since')).toBe(String(1_772_323_200 - 600));
  });

  test('rejects an invalid row and stores the others; a page of only invalid rows is malformed', async () => {
    handlers['GET /observations'] = (query) =>
      list([observation('O1', minutesAgo(30), 10), observation('O2', minutesAgo(20), '61')], query);
    await host.runJob('v', 'poll observations');
    expect(await storedObservations()).toEqual([row('O1', 10)]);
    expect(warnings).toEqual(['Rejected invalid observations; the other rows of the page are stored.']);
    handlers['GET /observations'] = (query) => list([observation('O3', 'yesterday', 10)], query);
    await expect(host.runJob('v', 'poll observations')).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
  });

  test('an observation in the future does not hide later ones', async () => {
    let all = [observation('O1', '2099-01-01T00:00:00Z', 10)];
    handlers['GET /observations'] = (query) => list(all, query);
    await host.runJob('v', 'poll observations');
    all = [observation('O2', minutesAgo(1), 11)];
    await host.runJob('v', 'poll observations');
    expect((await storedObservations()).map((item: { id: string }) => item.id)).toEqual(['O1', 'O2']);
  });

  test('stores observations older than `history` without an event', async () => {
    handlers['GET /observations'] = (query) =>
      list([observation('O1', minutesAgo(3 * 24 * 60), 10), observation('O2', minutesAgo(5), 11)], query);
    await host.runJob('v', 'poll observations');
    expect(await storedObservations()).toHaveLength(2);
    expect(await events('OCCUPANCY_CHANGED')).toBe(1);
  });

  test('repeats an interrupted poll without duplicates', async () => {
    const all = Array.from({ length: 1_500 }, (_, i) => observation(`O${i}`, minutesAgo(60), i % 90));
    let broken = true;
    handlers['GET /observations'] = (query) => (broken && query.get('offset') === '1000' ? 'drop' : list(all, query));
    await expect(host.runJob('v', 'poll observations')).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    expect(await storedObservations()).toHaveLength(1_000);
    broken = false;
    await host.runJob('v', 'poll observations');
    expect(await storedObservations()).toHaveLength(1_500);
    expect(await events('OCCUPANCY_CHANGED')).toBe(1_500);
  });

  test('polls entries and exits with a lost webhook once, and reports none from before the first poll', async () => {
    const began = Math.floor(Date.now() / 1000) - 120;
    const at = (seconds: number) => new Date((began + seconds) * 1000).toISOString();
    let all: unknown[] = [];
    handlers['GET /sessions'] = (query) => {
      const answer = list(all, query);
      answer.body.meta.referenceInstant = began;
      return answer;
    };
    await host.runJob('v', 'poll sessions');
    all = [
      session('old', '渝A11111', A, { actualStart: at(-9_000), actualEnd: at(10) }),
      session('new', '渝A22222', A, { actualStart: at(20) }),
      session('short', '渝A33333', B, { actualStart: at(30), actualEnd: at(90) }),
    ];
    for (const _ of [1, 2]) await host.runJob('v', 'poll sessions');
    expect([await events('VEHICLE_ENTERED'), await events('VEHICLE_EXITED')]).toEqual([2, 2]);
  });
});
