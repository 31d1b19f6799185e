import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Principal } from '../kit/auth/principal.ts';
import type { SubgraphResponse } from '../kit/call.ts';
import { DEFAULT_LIMITS } from '../kit/config/sections/limits.ts';
import type { Host } from '../kit/host/host.ts';
import { hubCall } from '../kit/host/services.ts';
import type { Services } from '../kit/services.ts';
import { setCommitLimits } from '../kit/tasks/commit-queue.ts';
import { conformance } from '../kit/testing/conformance/conformance.ts';
import { NO_PERIODIC_CHECKS } from '../kit/testing/conformance/conformance-faults.ts';
import type { CreateIngestPath } from '../kit/testing/conformance/conformance-ingest.ts';
import { createWorld, type World } from '../kit/testing/park/index.ts';
import { listen, type RunningSimulator, readJournal } from '../kit/testing/simulator.ts';
import { createTestDatabase } from '../kit/testing/test-database.ts';
import { installationConfig, startInstallation } from '../kit/testing/test-installation.ts';
import parking from './index.ts';
import * as mapping from './mapping/index.ts';
import { simulator } from './simulator/index.ts';
import { verifySignature } from './source/webhook-signature.ts';

const http = (status: number, body: string) =>
  `HTTP/1.1 ${status} X\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`;
const settings = ({ env }: RunningSimulator) => ({
  url: env['LAKESIDE_PARKING_URL'],
  token: env['LAKESIDE_PARKING_TOKEN'],
  webhookSecret: env['LAKESIDE_PARKING_SECRET'],
});
const webhook = (secret: string, body: unknown, age = 0) => {
  const bytes = Buffer.from(JSON.stringify(body));
  const t = Math.floor(Date.now() / 1000) - age;
  const v1 = createHmac('sha256', secret).update(`${t}.`).update(bytes).digest('hex');
  return { method: 'POST', path: '/webhooks/test', headers: { 'x-signature': `t=${t},v1=${v1}` }, body: bytes };
};
const reference = (id: string, className: string) => ({ id, version: 1, className });
const credential = (className: string, type: string, id: string | undefined, more: object = {}) => ({
  type,
  identifier: { className, id },
  issuer: [{ language: 'zh', string: '湖滨停车' }],
  ...more,
});
/** A SessionCreated webhook for the first vehicle. */
const entry = (demo: World, id: string, more: object = {}) => ({
  eventSubscriptionId: 'W1',
  eventTime: new Date().toISOString(),
  topic: 'SessionCreated',
  data: [
    {
      id: `S-${id}`,
      version: 1,
      actualStart: new Date().toISOString(),
      initiator: reference('gate-1', 'SupplementalEquipment'),
      hierachyElement: reference('lot-1', 'Place'),
      identifiedCredentials: [
        credential('VehicleCredential', 'licensePlate', demo.vehicles[0]?.plate, {
          plateColour: demo.vehicles[0]?.colour,
        }),
        credential('CustomerCredential', 'electronicID', demo.vehicles[0]?.company),
      ],
      segments: [],
      ...more,
    },
  ],
});
/** A vendor list that gains one record in `happen`, polled by a separate installation. */
const listed =
  (list: string, kind: string, record: (demo: World) => object): CreateIngestPath =>
  async ({ database, world: demo, sql }) => {
    const records: object[] = [];
    let instant = Math.floor(Date.now() / 1_000) - 600;
    const server = createServer((request, response) => {
      const data = request.url?.startsWith(`/${list}`) ? records : [];
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ meta: { referenceInstant: instant++, total: data.length }, data }));
    });
    const id = `listed-${list}`;
    const raw = { url: `http://127.0.0.1:${await listen(server)}`, token: 't', webhookSecret: 'secret', poll: '1h' };
    const host = await startInstallation(parking, { id, raw }, database, { intervals: NO_PERIODIC_CHECKS });
    return {
      ...{ kind, installation: id },
      produce: () => records.push(record(demo)),
      ingest: () => host.runJob(id, `poll ${list}`),
      progress: () => sql(`SELECT value FROM state WHERE installation = '${id}' AND name = '${list}'`),
      close: async () => {
        await host.close();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  };
const LOTS =
  'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Park { lots { id name capacity occupied free } } } }';
const park = { r: [{ __typename: 'Park', id: 'lakeside' }] };

conformance({
  connector: parking,
  simulator,
  folder: import.meta.dirname,
  settings,
  settingsAt: ({ host, port }, running) => ({ ...settings(running), url: `http://${host}:${port}` }),
  prepare: ['poll contracts', 'poll observations'],
  sampleQuery: () => ({
    query: LOTS,
    variables: park,
    check: (data) => {
      const lots =
        (data['_entities'] as { lots: { capacity: number; occupied: number; free: number }[] }[])[0]?.lots ?? [];
      expect(lots).toHaveLength(3);
      for (const lot of lots) expect(lot.free).toBe(Math.max(lot.capacity - lot.occupied, 0));
    },
  }),
  batch: (demo) => ({
    representations: [demo.companies[0]?.uscc, '91350100M000100Y43', demo.companies[1]?.uscc].map((uscc) => ({
      __typename: 'Company',
      uscc,
    })),
    selection: '... on Company { uscc vehicles(first: 2) { nodes { id } } }',
    unknown: 1,
    isUnknown: (entity) => (entity?.['vehicles'] as { nodes: unknown[] } | undefined)?.nodes.length === 0,
    calls: 1,
  }),
  live: { query: LOTS, variables: () => park },
  malformed: {
    serve: (socket) =>
      socket.on('data', () => socket.end(http(200, '{"meta":{"total":1,"referenceInstant":1},"data":[{"id":"a"}]}'))),
    field: /data\[0\]\.name/,
  },
  rejection: {
    serve: (socket, refused) =>
      socket.on('data', () => {
        refused();
        socket.end(http(403, '{}'));
      }),
  },
  webhook: ({ env }, demo) => ({
    genuine: webhook(env['LAKESIDE_PARKING_SECRET'] as string, entry(demo, 'c9')),
    forged: webhook('another secret', entry(demo, 'c9')),
    events: 1,
  }),
  ingest: {
    webhook: ({ running: { env }, world: demo, host }) => {
      const answers: number[] = [];
      let body: unknown = { ...entry(demo, 'c14'), data: [] };
      return {
        kind: 'VEHICLE_ENTERED',
        produce: () => {
          body = entry(demo, 'c14');
        },
        ingest: async () => {
          const answer = await host.handleWebhook('test', webhook(env['LAKESIDE_PARKING_SECRET'] as string, body));
          answers.push(answer?.status ?? 0);
        },
        progress: () => [...answers],
      };
    },
    'poll sessions': listed('sessions', 'VEHICLE_ENTERED', (demo) => entry(demo, 'c14-listed').data[0] as object),
    'poll observations': listed('observations', 'OCCUPANCY_CHANGED', () => ({
      ...{ id: 'O-c14', version: 1, observationStartTime: new Date().toISOString() },
      hierarchyElement: {
        elementId: reference('lot-1', 'Place'),
        demandTable: [{ demandType: [{ count: 7, recordDateTime: new Date().toISOString() }] }],
      },
    })),
  },
  jobsWithoutEvents: ['poll contracts', 'poll past sessions'],
  idempotentJob: { job: 'poll observations', state: 'SELECT vendor_id, occupied FROM occupancy ORDER BY 1' },
  fixture: (name, bytes) => {
    const raw = JSON.parse(bytes.toString('utf8'));
    if (name === 'sessions') return mapping.page(raw, mapping.session);
    if (name === 'observations') return mapping.pageSkippingInvalid(raw, mapping.observation);
    if (name.startsWith('event')) return mapping.gateEvents(raw);
    return name.startsWith('place') ? mapping.lot(raw) : mapping.permit(raw);
  },
});

describe('parking', () => {
  const demo = createWorld();
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-parking-'));
  let running: RunningSimulator;
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let host: Host;
  const principal = (...scopes: string[]): Principal => ({
    ...hubCall(0, new AbortController().signal).principal,
    scopes: new Set(scopes),
  });
  const ask = (query: string, variables: Record<string, unknown> = {}, who = principal()): Promise<SubgraphResponse> =>
    host.subgraph.execute({
      query,
      variables,
      call: { ...hubCall(5_000, new AbortController().signal), principal: who },
    });
  // biome-ignore lint/suspicious/noExplicitAny: responses are read by path
  const data = async (query: string, variables: Record<string, unknown> = {}, who = principal()): Promise<any> => {
    const answer = await ask(query, variables, who);
    expect(answer.errors).toBeUndefined();
    return JSON.parse(JSON.stringify(answer.data));
  };
  const company = demo.companies[0]?.uscc as string;

  beforeAll(async () => {
    database = await createTestDatabase();
    running = await simulator.start({
      directory,
      world: demo,
      now: () => new Date(),
      history: 86_400_000,
      live: false,
    });
    host = await startInstallation(parking, { id: 'p', raw: settings(running) }, database, { cacheReads: false });
    await host.runJob('p', 'poll contracts');
  });
  afterAll(async () => {
    await host?.close();
    await running?.close();
    await database?.drop();
    rmSync(directory, { recursive: true, force: true });
  });

  test('claims: complete once the contracts and all past sessions were read, each of which claims its vehicles', async () => {
    const services = host.services('p') as Services;
    const opened = await parking.open(installationConfig(parking, 'p', settings(running)).settings as never, services);
    const run = (job: string) =>
      opened.jobs
        ?.find(({ name }) => name === job)
        ?.run(hubCall(60_000, new AbortController().signal), () => undefined);
    const isComplete = async (): Promise<boolean> =>
      (await database.plain.query("SELECT 1 FROM state WHERE name = 'claims complete'")).length > 0;
    const claimed = async (): Promise<number> =>
      (await database.plain.query("SELECT DISTINCT key FROM identity WHERE entity = 'VEHICLE'")).length;
    await host.runJob('p', 'poll sessions');
    const forget = (names: readonly string[]) =>
      database.transaction(async (tx) => {
        await tx.query('DELETE FROM state WHERE name = ANY($1)', [['claims complete', ...names]]);
        await tx.query("DELETE FROM identity WHERE entity = 'VEHICLE'");
      });
    try {
      await forget(['session history', 'contracts read']);
      await run('poll contracts');
      expect([await isComplete(), (await claimed()) > 0]).toEqual([false, true]);
      await forget([]);
      await run('poll past sessions');
      expect([await isComplete(), (await claimed()) > 0]).toEqual([true, true]);
      await forget([]);
      await run('poll contracts');
      expect(await isComplete()).toBe(true);
    } finally {
      await opened.close();
    }
  });

  test('pages vehicles forward only, and masks plates without the scope parking:plates', async () => {
    const query =
      'query ($r: [_Any!]!, $a: Cursor) { _entities(representations: $r) { ... on Company { vehicles(first: 3, after: $a) { nodes { id plate plateMasked company { uscc } provenance { masked } } totalCount pageInfo { endCursor hasNextPage } } } } }';
    const r = [{ __typename: 'Company', uscc: company }];
    const first = (await data(query, { r }))._entities[0].vehicles;
    expect(first.nodes[0]).toMatchObject({
      plate: null,
      plateMasked: expect.stringMatching(/^渝.·\*+.{3}$/),
      company: { uscc: company },
      provenance: { masked: ['plate'] },
    });
    const second = (await data(query, { r, a: first.pageInfo.endCursor }, principal('parking:plates')))._entities[0]
      .vehicles;
    expect(second.nodes[0].plate).toMatch(/^渝/);
    const ids = [...first.nodes, ...second.nodes].map((item: { id: string }) => item.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(first.totalCount).toBe(demo.vehicles.filter((item) => item.company === company).length);
    const back = await ask(
      'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { vehicles(last: 3) { nodes { id } } } } }',
      { r },
    );
    expect(back.errors?.[0]?.extensions?.['code']).toBe('BAD_USER_INPUT');
  });

  test('finds a vehicle by id and by plate, with its open session', async () => {
    const parked = (
      await data(
        'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { vehicles(first: 1) { nodes { id plate colour session { enteredAt lot { id name free } } permits { id state lot { id } } } } } } }',
        { r: [{ __typename: 'Company', uscc: company }] },
        principal('parking:plates'),
      )
    )._entities[0].vehicles.nodes[0];
    expect(parked.session.lot.free).toBeGreaterThanOrEqual(0);
    expect(parked.permits[0].state).toBe('ACTIVE');
    const byPlate = 'query ($p: Plate) { vehicle(plate: $p) { id } }';
    const { vehicle } = await data(byPlate, { p: parked.plate }, principal('parking:plates'));
    expect((await ask(byPlate, { p: parked.plate })).errors?.[0]?.extensions?.['code']).toBe('FORBIDDEN');
    expect(vehicle.id).toBe(parked.id);
    expect(
      (await data('query ($id: ID) { vehicle(id: $id) { plateMasked } }', { id: parked.id })).vehicle.plateMasked,
    ).toContain('*');
  });

  test('pages of the vendor: contain each vehicle of a company once, and the number of all', async () => {
    const query =
      'query ($r: [_Any!]!, $a: Cursor) { _entities(representations: $r) { ... on Company { vehicles(first: 4, after: $a) { nodes { id } totalCount pageInfo { endCursor hasNextPage } } } } }';
    const wanted = demo.vehicles.filter((item) => item.company === company).length;
    const ids: string[] = [];
    for (let a: string | null = null, more = true; more; ) {
      const answer = await data(query, { r: [{ __typename: 'Company', uscc: company }], a });
      const { vehicles } = answer._entities[0];
      expect(vehicles.totalCount).toBe(wanted);
      ids.push(...vehicles.nodes.map((item: { id: string }) => item.id));
      a = vehicles.pageInfo.endCursor;
      more = vehicles.pageInfo.hasNextPage;
    }
    expect(new Set(ids).size).toBe(wanted);
    expect(ids).toHaveLength(wanted);
  });

  test('reads the sessions of several companies in one call, one page each', async () => {
    const some = demo.companies.slice(0, 4).map((item) => ({ __typename: 'Company', uscc: item.uscc }));
    const sessionRequests = () =>
      readJournal(directory, 'GET /sessions').filter((line) => String(line['query']).includes('CustomerCredential'));
    const before = sessionRequests().length;
    const { _entities } = await data(
      'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { uscc parkingSessions(first: 2) { nodes { id enteredAt vehicle { company { uscc } } lot { id } } totalCount pageInfo { hasNextPage } } } } }',
      { r: some },
    );
    expect(sessionRequests().length - before).toBe(1);
    for (const entity of _entities) {
      expect(entity.parkingSessions.nodes).toHaveLength(2);
      expect(entity.parkingSessions.totalCount).toBeGreaterThan(2);
      for (const session of entity.parkingSessions.nodes) {
        expect(session.vehicle.company.uscc).toBe(entity.uscc);
        expect(session.lot.id).toMatch(/^p:lot-/);
      }
    }
  });

  test('grants and revokes a permit once; rejects another payload for the same id and an unknown lot', async () => {
    const grant =
      'mutation ($i: GrantParkingPermitInput!) { grantParkingPermit(input: $i) { clientMutationId permit { id state validFrom validTo company { uscc } vehicle { id plate } lot { id } } } }';
    const input = {
      clientMutationId: 'g1',
      lot: 'p:lot-1',
      plate: '渝AD12345',
      colour: 'GREEN',
      uscc: company,
      validFrom: '2026-01-01T00:00:00Z',
    };
    const who = principal('parking:plates');
    const granted = (await data(grant, { i: input }, who)).grantParkingPermit;
    const repeated = (await data(grant, { i: input }, who)).grantParkingPermit;
    expect(granted.permit).toMatchObject({
      state: 'ACTIVE',
      validTo: null,
      company: { uscc: company },
      vehicle: { plate: '渝AD12345' },
      lot: { id: 'p:lot-1' },
    });
    expect(repeated).toEqual(granted);
    expect(readJournal(directory, 'POST /rights/assigned')).toHaveLength(1);
    const known = await data('query ($id: ID) { vehicle(id: $id) { colour company { uscc } permits { id } } }', {
      id: granted.permit.vehicle.id,
    });
    expect(known.vehicle).toEqual({
      colour: 'GREEN',
      company: { uscc: company },
      permits: [{ id: granted.permit.id }],
    });
    const other = await ask(grant, { i: { ...input, plate: '渝A54321', colour: 'BLUE' } });
    expect(other.errors?.[0]?.extensions?.['code']).toBe('BAD_USER_INPUT');
    const nowhere = await ask(grant, { i: { ...input, clientMutationId: 'g2', lot: 'p:none' } });
    expect(nowhere.errors?.[0]?.extensions?.['code']).toBe('BAD_USER_INPUT');
    const revoke = async (clientMutationId: string) =>
      (
        await data(
          'mutation ($i: RevokeParkingPermitInput!) { revokeParkingPermit(input: $i) { permit { id state } } }',
          { i: { clientMutationId, permit: granted.permit.id, reason: 'sold' } },
        )
      ).revokeParkingPermit.permit;
    expect(await revoke('r1')).toEqual({ id: granted.permit.id, state: 'REVOKED' });
    // Another clientMutationId: the permit is revoked already, so nothing is sent.
    expect(await revoke('r2')).toEqual({ id: granted.permit.id, state: 'REVOKED' });
    expect(readJournal(directory).filter((line) => line.operation.startsWith('PUT '))).toHaveLength(1);
    await host.runJob('p', 'poll contracts');
    const left = await data('query ($id: ID) { vehicle(id: $id) { company { uscc } } }', {
      id: granted.permit.vehicle.id,
    });
    expect(left.vehicle.company).toBeNull();
  });

  test('accepts late events and unknown topics, deduplicates repeated webhooks, rejects signatures older than five minutes', async () => {
    const secret = running.env['LAKESIDE_PARKING_SECRET'] as string;
    const count = async (kind: string) =>
      Number((await database.plain.query('SELECT count(*) FROM event WHERE kind = $1', [kind]))[0].count);
    const deliver = async (body: unknown, age = 0) =>
      (await host.handleWebhook('p', webhook(secret, body, age)))?.status;
    expect(await deliver(entry(demo, 'w1'), 3_600)).toBe(401);
    expect(await count('VEHICLE_ENTERED')).toBe(0);
    for (const _ of [1, 2]) expect(await deliver(entry(demo, 'w1'))).toBe(200);
    expect([await count('VEHICLE_ENTERED'), await count('VEHICLE_EXITED')]).toEqual([1, 0]);
    // A session reported after the car has left.
    const then = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
    expect(await deliver(entry(demo, 'w2', { actualStart: then(2.1), actualEnd: then(2) }))).toBe(200);
    expect([await count('VEHICLE_ENTERED'), await count('VEHICLE_EXITED')]).toEqual([2, 1]);
    expect(await deliver({ ...entry(demo, 'w3'), topic: 'RateTableUpdated' })).toBe(200);
    expect(await deliver({ ...entry(demo, 'w4'), data: [{}] })).toBe(422);
    expect((await host.handleWebhook('p', { ...webhook(secret, {}), method: 'GET' }))?.status).toBe(405);
    expect(await count('VEHICLE_ENTERED')).toBe(2);
    const rows = await database.plain.query('SELECT data FROM event UNION ALL SELECT to_jsonb(i) FROM identity i');
    expect(JSON.stringify(rows)).not.toContain(demo.vehicles[0]?.plate);
  });

  test('stores a repeated delivery once, across replicas and after a restart', async () => {
    const secret = running.env['LAKESIDE_PARKING_SECRET'] as string;
    const rows = async () => (await database.plain.query("SELECT 1 FROM event WHERE kind = 'VEHICLE_ENTERED'")).length;
    const before = await rows();
    const delivery = webhook(secret, entry(demo, 'again'));
    const replica = () =>
      startInstallation(parking, { id: 'p', raw: settings(running) }, database, { cacheReads: false, runJobs: false });
    const other = await replica();
    try {
      const answers = await Promise.all([host, other, host, other].map((item) => item.handleWebhook('p', delivery)));
      expect(answers.map((item) => item?.status)).toEqual([200, 200, 200, 200]);
      // Signed with another secret, or too old or too new.
      for (const forged of [webhook('another secret', {}), webhook(secret, {}, 301), webhook(secret, {}, -310)])
        expect((await other.handleWebhook('p', forged))?.status).toBe(401);
    } finally {
      await other.close();
    }
    const restarted = await replica();
    try {
      expect((await restarted.handleWebhook('p', delivery))?.status).toBe(200);
    } finally {
      await restarted.close();
    }
    expect(await rows()).toBe(before + 1);
  });

  test('commit queue: a webhook gets 503 with Retry-After when it is full, and nothing is stored', async () => {
    const raw = settings(running);
    const host = await startInstallation(parking, { id: 'full', raw }, database, {
      runJobs: false,
      intervals: NO_PERIODIC_CHECKS,
    });
    const delivery = webhook(raw.webhookSecret as string, entry(demo, 'full'));
    setCommitLimits({ commits: 0, commitBytes: 0 });
    try {
      expect(await host.handleWebhook('full', delivery)).toMatchObject({
        status: 503,
        headers: { 'retry-after': '2' },
      });
    } finally {
      setCommitLimits(DEFAULT_LIMITS);
    }
    const count = "SELECT count(*)::int AS count FROM event WHERE installation = 'full'";
    expect((await database.plain.query(count))[0].count).toBe(0);
    expect((await host.handleWebhook('full', delivery))?.status).toBe(200);
    expect((await database.plain.query(count))[0].count).toBe(1);
    await host.close();
  });

  test('registers the webhook, and again after the vendor has lost the registration', async () => {
    const raw = { ...settings(running), callback: 'http://127.0.0.1:9/webhooks/q', poll: '1h' };
    const second = await startInstallation(parking, { id: 'q', raw }, database);
    const subscriptions = () => readJournal(directory, 'POST /webhooks').length;
    const vendor = (method: string, path: string) =>
      fetch(`${running.env['LAKESIDE_PARKING_URL']}${path}`, {
        method,
        headers: { 'x-mcc-access-token': running.env['LAKESIDE_PARKING_TOKEN'] as string },
      });
    try {
      // The job's scheduled first run may overlap with ours; once registered, nothing more is sent.
      for (const _ of [1, 2]) await second.runJob('q', 'poll webhook registration');
      const made = subscriptions();
      expect(made).toBeGreaterThan(0);
      await second.runJob('q', 'poll webhook registration');
      expect(subscriptions()).toBe(made);
      const [{ value: id }] = await database.plain.query(
        "SELECT value FROM state WHERE installation = 'q' AND name = 'subscription'",
      );
      expect(await (await vendor('GET', `/webhooks/${id}`)).json()).toMatchObject({
        endpoint: 'http://127.0.0.1:9/webhooks/q',
      });
      expect((await vendor('DELETE', `/webhooks/${id}`)).status).toBe(200);
      await second.runJob('q', 'poll webhook registration');
      expect(subscriptions()).toBe(made + 1);
    } finally {
      await second.close();
    }
  });

  test('history has one bucket per hour, null without measurements, and drops deleted observations', async () => {
    await host.runJob('p', 'poll observations');
    const hour = 3_600_000;
    const now = Math.floor(Date.now() / hour) * hour;
    const history = async (from: number, to: number, bucket = 'HOUR') => {
      const answer = await ask(
        'query ($from: DateTime!, $to: DateTime!, $b: BucketSize!) { parkingLot(id: "p:lot-1") { history(from: $from, to: $to, bucket: $b) { buckets { start mean min max flagged } provenance { stale source } } } }',
        { from: new Date(from).toISOString(), to: new Date(to).toISOString(), b: bucket },
      );
      // biome-ignore lint/suspicious/noExplicitAny: responses are read by path
      const read = JSON.parse(JSON.stringify(answer.data)) as any;
      return { series: read?.parkingLot?.history, code: answer.errors?.[0]?.extensions?.['code'] };
    };
    const { series } = await history(now - 6 * hour, now + 2 * hour);
    expect(series.provenance).toEqual({ stale: false, source: 'p' });
    expect(series.buckets).toHaveLength(8);
    for (const hourly of series.buckets.slice(0, 6)) {
      expect(hourly.mean).toMatch(/^\d+(\.\d+)?$/);
      expect(hourly.min).toBeLessThanOrEqual(Number(hourly.mean));
      expect(hourly.max).toBeGreaterThanOrEqual(Number(hourly.mean));
    }
    expect(series.buckets[7]).toMatchObject({ mean: null, min: null, max: null, flagged: 0 });

    // After the vendor deletes two of the hour's four readings, the mean is that of the other two.
    const quarter = (n: number) => (now - 6 * hour) / 900_000 + n;
    for (const n of [0, 1]) {
      const answer = await fetch(
        `${running.env['LAKESIDE_PARKING_URL']}/observations/q-lot-1-${quarter(n)}?version=1`,
        { method: 'DELETE', headers: { 'x-mcc-access-token': running.env['LAKESIDE_PARKING_TOKEN'] as string } },
      );
      expect(answer.status).toBe(200);
    }
    await host.runJob('p', 'poll observations');
    const left: { occupied: number }[] = await database.plain.query(
      "SELECT occupied FROM occupancy WHERE installation = 'p' AND lot = 'lot-1' AND time >= $1 AND time < $2",
      [new Date(now - 6 * hour), new Date(now - 5 * hour)],
    );
    expect(left).toHaveLength(2);
    const after = (await history(now - 6 * hour, now - 5 * hour)).series.buckets;
    expect(Number(after[0].mean)).toBeCloseTo(left.reduce((sum, item) => sum + item.occupied, 0) / 2, 4);

    expect((await history(now, now - hour)).code).toBe('BAD_USER_INPUT');
    expect((await history(0, now, 'QUARTER_HOUR')).code).toBe('BAD_USER_INPUT');
    // Days are in the park's time zone: in Shanghai they begin at 16:00 UTC.
    const days = (await history(Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 3), 'DAY')).series.buckets;
    expect(days.map((item: { start: string }) => Date.parse(item.start))).toEqual([
      Date.UTC(2025, 11, 31, 16),
      Date.UTC(2026, 0, 1, 16),
      Date.UTC(2026, 0, 2, 16),
    ]);
  });

  test('verifies the signature over every byte', () => {
    const { headers, body } = webhook('s', { a: 1 });
    const header = headers['x-signature'];
    expect(verifySignature(header, body, 's', new Date())).toBe(true);
    expect(verifySignature(header, Buffer.concat([body, Buffer.from(' ')]), 's', new Date())).toBe(false);
    expect(verifySignature(undefined, body, 's', new Date())).toBe(false);
  });
});
