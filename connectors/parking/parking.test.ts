import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SubgraphResponse } from '../kit/connector.ts';
import { Host } from '../kit/host/host.ts';
import { hubCall, loadKeys } from '../kit/host/services.ts';
import { silentLog } from '../kit/log.ts';
import type { Principal } from '../kit/principal.ts';
import { readSettings } from '../kit/settings.ts';
import { conformance, demoPark } from '../kit/testing/conformance.ts';
import { freshDatabase } from '../kit/testing/database.ts';
import { type World, world } from '../kit/testing/park.ts';
import type { Running } from '../kit/testing/simulator.ts';
import parking from './index.ts';
import * as mapping from './mapping.ts';
import { simulator } from './simulator.ts';
import { isSigned } from './source/signature.ts';

const http = (status: number, body: string) =>
  `HTTP/1.1 ${status} X\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`;
const settings = ({ env }: Running) => ({
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
const entry = (demo: World, id: string) => ({
  eventId: id,
  eventType: 'session.started',
  eventDateTime: '2026-03-01T00:00:00Z',
  object: {
    id: `S-${id}`,
    version: 1,
    actualStart: new Date().toISOString(),
    actualEnd: null,
    hierarchyElement: { id: 'lot-1', version: 1, className: 'Place' },
    identifiedCredentials: [
      { type: 'licensePlate', identifier: demo.vehicles[0]?.plate, plateColour: demo.vehicles[0]?.colour },
    ],
    rightHolder: { creditCode: demo.vehicles[0]?.company, contractNumber: 'PK-1' },
    amountPaid: null,
  },
});
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
  question: () => ({
    query: LOTS,
    variables: park,
    check: (data) => {
      const lots =
        (data['_entities'] as { lots: { capacity: number; occupied: number; free: number }[] }[])[0]?.lots ?? [];
      expect(lots).toHaveLength(3);
      for (const one of lots) expect(one.free).toBe(Math.max(one.capacity - one.occupied, 0));
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
  live: { question: LOTS, variables: () => park },
  nonsense: {
    serve: (socket) => socket.on('data', () => socket.end(http(200, '{"meta":{"total":1},"data":[{"id":"a"}]}'))),
    field: /data\[0\]\.name/,
  },
  refusal: { serve: (socket) => socket.on('data', () => socket.end(http(403, '{}'))) },
  webhook: ({ env }, demo) => ({
    genuine: webhook(env['LAKESIDE_PARKING_SECRET'] as string, entry(demo, 'c9')),
    forged: webhook('another secret', entry(demo, 'c9')),
    events: 1,
  }),
  twice: { job: 'poll observations', state: 'SELECT vendor_id, occupied FROM occupancy ORDER BY 1' },
  fixture: (name, bytes) => {
    const raw = JSON.parse(bytes.toString('utf8'));
    if (name === 'session') return mapping.page(raw, mapping.session);
    return name === 'place' ? mapping.lot(raw) : mapping.permit(raw);
  },
});

describe('parking', () => {
  const demo = world();
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-parking-'));
  let running: Running;
  let database: Awaited<ReturnType<typeof freshDatabase>>;
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
  // biome-ignore lint/suspicious/noExplicitAny: answers are read by path
  const data = async (query: string, variables: Record<string, unknown> = {}, who = principal()): Promise<any> => {
    const answer = await ask(query, variables, who);
    expect(answer.errors).toBeUndefined();
    return JSON.parse(JSON.stringify(answer.data));
  };
  const company = demo.companies[0]?.uscc as string;

  beforeAll(async () => {
    database = await freshDatabase();
    running = await simulator.start({
      directory,
      world: demo,
      now: () => new Date(),
      history: 86_400_000,
      live: false,
    });
    const { values } = readSettings(parking.settings, settings(running));
    host = await Host.raise({
      connector: parking,
      installations: [{ id: 'p', park: 'lakeside', connector: 'parking', settings: values, protocol: 'apds' }],
      parks: [demoPark(demo)],
      database,
      keys: await loadKeys(database),
      log: silentLog,
    });
    await host.runJob('p', 'poll contracts');
  });
  afterAll(async () => {
    await host?.close();
    await running?.close();
    await database?.drop();
    rmSync(directory, { recursive: true, force: true });
  });

  test('pages of vehicles follow the vendor, forward only; plates are masked for who may not see them', async () => {
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
    const ids = [...first.nodes, ...second.nodes].map((one: { id: string }) => one.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(first.totalCount).toBe(demo.vehicles.filter((one) => one.company === company).length);
    const back = await ask(
      'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { vehicles(last: 3) { nodes { id } } } } }',
      { r },
    );
    expect(back.errors?.[0]?.extensions?.['code']).toBe('BAD_USER_INPUT');
  });

  test('a vehicle is found by id, by plate, and knows where it is parked', async () => {
    const parked = (
      await data(
        'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { vehicles(first: 1) { nodes { id plate colour session { enteredAt lot { id name free } } permits { id state lot { id } } } } } } }',
        { r: [{ __typename: 'Company', uscc: company }] },
        principal('parking:plates'),
      )
    )._entities[0].vehicles.nodes[0];
    expect(parked.session.lot.free).toBeGreaterThanOrEqual(0);
    expect(parked.permits[0].state).toBe('ACTIVE');
    const { vehicle } = await data('query ($p: Plate) { vehicle(plate: $p) { id } }', { p: parked.plate });
    expect(vehicle.id).toBe(parked.id);
    expect(
      (await data('query ($id: ID) { vehicle(id: $id) { plateMasked } }', { id: parked.id })).vehicle.plateMasked,
    ).toContain('*');
  });

  test('permits: granted once, revoked once, another payload refused, an unknown lot refused', async () => {
    const grant =
      'mutation ($i: GrantParkingPermitInput!) { grantParkingPermit(input: $i) { clientMutationId permit { id state vehicle { plate } lot { id } } } }';
    const input = {
      clientMutationId: 'g1',
      lot: 'p:lot-1',
      plate: '渝AD12345',
      colour: 'GREEN',
      uscc: company,
      validFrom: '2026-01-01T00:00:00Z',
    };
    const who = principal('parking:plates');
    const one = (await data(grant, { i: input }, who)).grantParkingPermit;
    const two = (await data(grant, { i: input }, who)).grantParkingPermit;
    expect(one.permit).toMatchObject({ state: 'ACTIVE', vehicle: { plate: '渝AD12345' }, lot: { id: 'p:lot-1' } });
    expect(two).toEqual(one);
    const other = await ask(grant, { i: { ...input, plate: '渝A54321', colour: 'BLUE' } });
    expect(other.errors?.[0]?.extensions?.['code']).toBe('BAD_USER_INPUT');
    const nowhere = await ask(grant, { i: { ...input, clientMutationId: 'g2', lot: 'p:none' } });
    expect(nowhere.errors?.[0]?.extensions?.['code']).toBe('BAD_USER_INPUT');
    const revoked = await data(
      'mutation ($i: RevokeParkingPermitInput!) { revokeParkingPermit(input: $i) { permit { id state } } }',
      { i: { clientMutationId: 'r1', permit: one.permit.id } },
    );
    expect(revoked.revokeParkingPermit.permit).toEqual({ id: one.permit.id, state: 'REVOKED' });
  });

  test('webhooks: late ones count, old signatures do not, delivered twice is one event, unknown kinds are taken', async () => {
    const secret = running.env['LAKESIDE_PARKING_SECRET'] as string;
    const events = async () =>
      Number((await database.plain.query("SELECT count(*) FROM event WHERE kind = 'VEHICLE_ENTERED'"))[0].count);
    expect((await host.webhook('p', webhook(secret, entry(demo, 'w1'), 3_600)))?.status).toBe(401);
    for (const _ of [1, 2]) expect((await host.webhook('p', webhook(secret, entry(demo, 'w1'))))?.status).toBe(200);
    expect(await events()).toBe(1);
    expect((await host.webhook('p', webhook(secret, { eventId: 'x', eventType: 'tariff.changed' })))?.status).toBe(200);
    expect(
      (await host.webhook('p', webhook(secret, { eventId: 'y', eventType: 'session.started', object: {} })))?.status,
    ).toBe(422);
    const rows = await database.plain.query('SELECT data FROM event UNION ALL SELECT to_jsonb(i) FROM identity i');
    expect(JSON.stringify(rows)).not.toContain(demo.vehicles[0]?.plate);
  });

  test('history: buckets of the mirrored observations, the impossible left out and counted', async () => {
    await host.runJob('p', 'poll observations');
    const query =
      'query ($from: DateTime!, $to: DateTime!) { parkingLot(id: "p:lot-1") { history(from: $from, to: $to) { buckets { start mean min max flagged } provenance { stale } } } }';
    const { parkingLot } = await data(query, {
      from: new Date(Date.now() - 6 * 3_600_000).toISOString(),
      to: new Date().toISOString(),
    });
    expect(parkingLot.history.buckets.length).toBeGreaterThanOrEqual(5);
    expect(parkingLot.history.buckets[0]).toMatchObject({ mean: expect.stringMatching(/^\d+(\.\d+)?$/), flagged: 0 });
  });

  test('a signature covers every byte', () => {
    const { headers, body } = webhook('s', { a: 1 });
    const header = headers['x-signature'];
    expect(isSigned(header, body, 's', new Date())).toBe(true);
    expect(isSigned(header, Buffer.concat([body, Buffer.from(' ')]), 's', new Date())).toBe(false);
    expect(isSigned(undefined, body, 's', new Date())).toBe(false);
  });
});
