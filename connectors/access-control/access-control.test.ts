import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HUB_PRINCIPAL, type Principal } from '../kit/auth/principal.ts';
import { readSettings } from '../kit/config/settings.ts';
import { Host } from '../kit/host/host.ts';
import { hubCall, loadKeys } from '../kit/host/services.ts';
import { createLog } from '../kit/log.ts';
import { conformance } from '../kit/testing/conformance/conformance.ts';
import { type Client, openClient } from '../kit/testing/embedded-postgres.ts';
import { fakePostgres } from '../kit/testing/fake-postgres.ts';
import { createWorld, peopleInside, scenario } from '../kit/testing/park/index.ts';
import type { RunningSimulator } from '../kit/testing/simulator.ts';
import { createTestDatabase } from '../kit/testing/test-database.ts';
import { demoParkConfig, installationConfig } from '../kit/testing/test-installation.ts';
import accessControl from './index.ts';
import {
  foreignId,
  instantToLocal,
  localToInstant,
  type MappingContext,
  mapBadge,
  mapDoor,
  mapLogLine,
  type Row,
} from './mapping.ts';
import { simulator } from './simulator/index.ts';

const context: MappingContext = {
  globalId: (local) => `lakeside-access:${local}`,
  personId: (pin) => `person of ${pin}`,
  building: (code) => (code === 'B03' ? 'lakeside-b03' : null),
  zone: (device) => (device === 7 ? 'Asia/Urumqi' : 'Asia/Shanghai'),
};

const at = (url: string, host: string, port: number) => {
  const address = new URL(url);
  address.hostname = host;
  address.port = String(port);
  return address.toString();
};

/** The URL with the vendor's own account, which may write. */
const ownerUrl = (reading: string, directory: string) => {
  const address = new URL(reading);
  address.username = 'zk';
  address.password = (JSON.parse(readFileSync(join(directory, 'passwords.json'), 'utf8')) as { owner: string }).owner;
  return address.toString();
};

conformance({
  connector: accessControl,
  simulator,
  folder: import.meta.dirname,
  settings: ({ env }) => ({ url: env['LAKESIDE_ACCESS_URL'], timeout: '1s' }),
  settingsAt: ({ host, port }, { env }) => ({ url: at(env['LAKESIDE_ACCESS_URL'] ?? '', host, port), timeout: '1s' }),
  sampleQuery: (demo) => ({
    query:
      '{ door(id: "test:door-12") { id name building { id } state events(first: 3) { totalCount nodes { id outcome } } } }',
    check: (data) => {
      const door = data['door'] as { name: string; building: { id: string }; events: { totalCount: number } };
      expect(door.name).toBe(demo.doors[11]?.name);
      expect(door.building.id).toBe(demo.doors[11]?.building);
      expect(door.events.totalCount).toBeGreaterThan(0);
    },
  }),
  batch: (demo) => ({
    representations: [
      ...demo.people.slice(0, 20).map((one) => ({ __typename: 'Badge', id: `test:badge-${one.index + 1}` })),
      { __typename: 'Badge', id: 'test:badge-999999' },
      ...demo.people.slice(20, 30).map((one) => ({ __typename: 'Badge', id: `test:badge-${one.index + 1}` })),
    ],
    selection: '... on Badge { id active company { uscc } holder { nameMasked } }',
    unknown: 20,
    isUnknown: (entity) => entity === null,
    calls: 1,
  }),
  live: { query: '{ door(id: "test:door-12") { name } }' },
  malformed: { serve: (socket) => fakePostgres(socket, { door_name: 'lobby', id: 'twelve' }), field: /id/ },
  rejection: { serve: (socket, onRejected) => fakePostgres(socket, null, onRejected) },
  idempotentJob: {
    job: 'log',
    state: 'SELECT kind, count(*)::int AS n, max(time) AS last FROM event GROUP BY kind ORDER BY kind',
  },
  ingest: {
    log: ({ running: { env }, directory, host, sql }) => ({
      kind: 'ACCESS_GRANTED',
      produce: async () => {
        const owner = await openClient(ownerUrl(env['LAKESIDE_ACCESS_URL'] ?? '', directory));
        try {
          await owner.query(
            `INSERT INTO "acc_monitor_log" ("time", "pin", "card_no", "device_id", "verified", "state", "event_type", "description", "event_point_type", "event_point_id")
           VALUES ($1, '', '', 1, 4, 0, 0, 'c14', 0, 1)`,
            [instantToLocal(new Date(), 'Asia/Shanghai').slice(0, 19)],
          );
        } finally {
          await owner.end();
        }
      },
      ingest: () => host.runJob('test', 'log'),
      progress: async () =>
        (await sql("SELECT value->'last' AS last FROM state WHERE installation = 'test' AND name = 'log'"))[0],
    }),
  },
  jobsWithoutEvents: ['directory'],
  fixture: (name, bytes) => {
    const row = JSON.parse(bytes.toString('utf8')) as Row;
    if (name.startsWith('event')) return mapLogLine(row, context);
    return name.startsWith('badge') ? mapBadge(row, context) : mapDoor(row, context);
  },
});

describe('access control mapping', () => {
  test('local time of a controller: converts it to an instant and back, by zone', () => {
    expect(localToInstant('2026-03-01 08:05:00', 'Asia/Shanghai').toISOString()).toBe('2026-03-01T00:05:00.000Z');
    expect(localToInstant('2026-03-01 08:05:00', 'Asia/Urumqi').toISOString()).toBe('2026-03-01T02:05:00.000Z');
    expect(instantToLocal(new Date('2026-03-01T00:05:00Z'), 'Asia/Shanghai')).toBe('2026-03-01 08:05:00');
    expect(instantToLocal(new Date('2026-03-01T00:05:00.250Z'), 'Pacific/Auckland')).toBe('2026-03-01 13:05:00.250');
  });

  test('local time of a controller: an hour that occurs twice is its first occurrence, one that is skipped is moved forward', () => {
    const zone = 'America/Los_Angeles';
    expect(localToInstant('2005-10-30 01:30:00', zone).toISOString()).toBe('2005-10-30T08:30:00.000Z');
    expect(localToInstant('2005-10-30 02:30:00', zone).toISOString()).toBe('2005-10-30T10:30:00.000Z');
    expect(localToInstant('2005-04-03 02:30:00', zone).toISOString()).toBe('2005-04-03T10:30:00.000Z');
    expect(localToInstant('2005-04-03 03:30:00', zone).toISOString()).toBe('2005-04-03T10:30:00.000Z');
  });

  test('local time of a controller: every hour of a year survives a round trip', () => {
    for (const zone of ['Asia/Shanghai', 'Europe/Berlin', 'Australia/Lord_Howe', 'Asia/Kathmandu']) {
      for (let hour = 0; hour < 366 * 24; hour += 5) {
        const local = instantToLocal(new Date(Date.UTC(2026, 0, 1, hour)), zone);
        expect(instantToLocal(localToInstant(local, zone), zone)).toBe(local);
      }
    }
  });

  test('the natural key does not depend on how the driver represents the row', () => {
    const row = {
      time: '2026-03-02 08:05:00',
      pin: '1',
      card_no: '0042',
      device_id: 3,
      verified: 4,
      state: 0,
      event_type: 0,
    };
    expect(foreignId(row)).toBe(
      foreignId({ ...row, time: '2026-03-02T08:05:00.000', device_id: '3', description: null, id: 9 }),
    );
    expect(foreignId(row)).not.toBe(foreignId({ ...row, card_no: '42' }));
  });
});

describe('access control settings', () => {
  test('reports a missing driver, an invalid zone and an invalid duration together', () => {
    const read = readSettings(accessControl.settings, {
      url: 'mssql://sa:very-secret@10.0.0.5/zkaccess',
      zones: { 7: 'Mars/Olympus' },
      poll: 'often',
    });
    expect(read.errors.map((fault) => fault.name)).toEqual(['url', 'zones', 'poll']);
    expect(read.errors[0]?.problem).toContain('the package mssql');
    expect(JSON.stringify(read.errors)).not.toContain('very-secret');
  });
});

describe('with the simulated door system', () => {
  const demo = createWorld();
  const lines: string[] = [];
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-doors-'));
  /** Uses the port that the simulator had before. */
  let other: Server;
  let running: RunningSimulator;
  let owner: Client;
  let reader: Client;
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let host: Host;
  let now: Date;
  /** Milliseconds by which the hub's wall clock is shifted. */
  let wall = 0;

  const scoped = (...scopes: string[]): Principal => ({ ...HUB_PRINCIPAL, subject: 'test', scopes: new Set(scopes) });
  const all = scoped('access:read', 'access:persons', 'access:names');
  async function ask<T>(
    query: string,
    principal: Principal = all,
    variables: Record<string, unknown> = {},
  ): Promise<T> {
    const call = { ...hubCall(10_000, AbortSignal.timeout(10_000)), principal };
    const response = await host.subgraph.execute({ query, variables, call });
    expect(response.errors).toBeUndefined();
    return response.data as T;
  }
  const entity = async <T>(
    reference: Record<string, unknown>,
    selection: string,
    principal?: Principal,
  ): Promise<T> => {
    const query = 'query ($r: [_Any!]!) { _entities(representations: $r) { SELECTION } }'.replace(
      'SELECTION',
      selection,
    );
    return (await ask<{ _entities: T[] }>(query, principal, { r: [reference] }))._entities[0] as T;
  };

  /** Starts a host with these installations, by id and URL. */
  async function raise(addresses: Record<string, string>): Promise<Host> {
    const installations = Object.entries(addresses).map(([id, url]) =>
      installationConfig(accessControl, id, { url, overlap: '10m', history: 'PT6H' }),
    );
    return Host.open({
      cacheReads: false,
      connector: accessControl,
      installations,
      parks: [demoParkConfig(demo)],
      database,
      keys: await loadKeys(database),
      log: createLog((line) => lines.push(line)),
      clock: { now: () => new Date(now.getTime() + wall), monotonic: () => now.getTime() },
      intervals: { checkUp: 60_000, checkDown: 60_000 },
    });
  }

  beforeAll(async () => {
    now = new Date();
    other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const ports = { sql: (other.address() as AddressInfo).port };
    const options = { directory, world: demo, now: () => now, history: 2 * 86_400_000, live: false, ports };
    running = await simulator.start(options);
    const reading = running.env['LAKESIDE_ACCESS_URL'] ?? '';
    owner = await openClient(ownerUrl(reading, directory));
    reader = await openClient(reading);
    database = await createTestDatabase();
    host = await raise({ doors: reading });
    await host.runJob('doors', 'log');
  }, 60_000);
  afterAll(async () => {
    await host?.close();
    await owner?.end();
    await reader?.end();
    await running?.close();
    other?.close();
    await database?.drop();
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  const granted = async () =>
    (
      await database.plain.query(
        `SELECT count(*)::int AS n FROM event WHERE kind = 'ACCESS_GRANTED' AND installation = 'doors'`,
      )
    )[0].n as number;

  test('the simulator takes another port when its previous one is in use by another program', () => {
    expect(running.ports['sql']).toBeGreaterThan(0);
    expect(running.ports['sql']).not.toBe((other.address() as AddressInfo).port);
  });

  test('reports a column that the vendor renames with the fields affected, until it is restored', async () => {
    const rename = (from: string, to: string) =>
      owner.query(`ALTER TABLE "personnel_issuecard" RENAME COLUMN "${from}" TO "${to}"`);
    const settled = async (id: string) => {
      const at = await raise({ [id]: running.env['LAKESIDE_ACCESS_URL'] ?? '' });
      try {
        const { state, reason } = (await at.check(id)) ?? {};
        return { state, reason };
      } finally {
        await at.close();
      }
    };
    await rename('isvalid', 'is_valid');
    try {
      expect(await settled('drifting')).toEqual({
        state: 'DEGRADED',
        reason: 'has drifted: the column isvalid of personnel_issuecard is gone (affects Badge.active)',
      });
    } finally {
      await rename('is_valid', 'isvalid');
    }
    expect(lines.some((line) => line.includes('Source drifting has drifted: '))).toBe(true);
    expect(await settled('restored')).toEqual({ state: 'UP', reason: null });
  });

  test('the first poll starts `history` ago and stores the company of each badge', async () => {
    const from = new Date(now.getTime() - 6 * 3_600_000);
    const swipes = [...scenario(demo, from, now)].filter((moment) => moment.kind === 'swipe');
    const grantedSwipes = swipes.filter((swipe) => swipe.granted);
    // The controllers have a resolution of one second, so one line at the edge may be in or out.
    expect(Math.abs((await granted()) - grantedSwipes.length)).toBeLessThanOrEqual(1);
    const [row] = await database.plain.query(
      `SELECT company, count(*)::int AS n FROM event WHERE kind = 'ACCESS_GRANTED' AND installation = 'doors' GROUP BY company ORDER BY n DESC, company LIMIT 1`,
    );
    const expected = grantedSwipes.filter((swipe) => swipe.person.company === row.company).length;
    expect(Math.abs(row.n - expected)).toBeLessThanOrEqual(1);
  });

  test('presence equals the scenario, by building and by company', async () => {
    const { _entities: buildings } = await ask<{
      _entities: { id: string; peopleInside: number; presence: { peopleInside: number } }[];
    }>(
      'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Building { id peopleInside presence { peopleInside } } } }',
      all,
      { r: demo.buildings.map(({ id }) => ({ __typename: 'Building', id })) },
    );
    const truth = peopleInside(demo, now);
    for (const one of buildings) {
      expect(one.peopleInside).toBe(truth.get(one.id)?.length ?? 0);
      expect(one.presence.peopleInside).toBe(one.peopleInside);
    }
    const company = demo.companies[0]!;
    const there = [...truth.values()].flat().filter((person) => person.company === company.uscc);
    const found = await entity<{
      presence: { peopleInside: number; people: { totalCount: number; nodes: { name: string }[] } };
    }>(
      { __typename: 'Company', uscc: company.uscc },
      '... on Company { presence { peopleInside people(first: 100) { totalCount nodes { name nameMasked } } } }',
    );
    expect(found.presence.peopleInside).toBe(there.length);
    expect(found.presence.people.nodes.map((one) => one.name).sort()).toEqual(there.map((one) => one.name).sort());
  });

  test('without the scopes, names are masked and small counts are withheld', async () => {
    const company = demo.companies[0]!;
    const selection =
      '... on Company { badges(first: 1) { nodes { holder { name nameMasked provenance { masked } } } } }';
    type Badges = {
      badges: { nodes: { holder: { name: string | null; nameMasked: string; provenance: { masked: string[] } } }[] };
    };
    const reference = { __typename: 'Company', uscc: company.uscc };
    const open = await entity<Badges>(reference, selection, all);
    const shut = await entity<Badges>(reference, selection, scoped('access:read', 'access:persons'));
    const holder = demo.people.find((one) => one.company === company.uscc)!;
    expect(open.badges.nodes[0]?.holder.name).toBe(holder.name);
    expect(shut.badges.nodes[0]?.holder.name).toBeNull();
    expect(shut.badges.nodes[0]?.holder.nameMasked).toMatch(new RegExp(`^${holder.name[0]}\\*+$`));
    expect(shut.badges.nodes[0]?.holder.provenance.masked).toEqual(['name']);

    const few = demo.companies
      .map(({ uscc }) => ({
        uscc,
        n: [...peopleInside(demo, now).values()].flat().filter((one) => one.company === uscc).length,
      }))
      .find(({ n }) => n < 5);
    const unknown = { __typename: 'Company', uscc: few?.uscc ?? company.uscc };
    const presence = '... on Company { presence { peopleInside provenance { masked } } }';
    type Few = { presence: { peopleInside: number | null; provenance: { masked: string[] } } };
    const seen = await entity<Few>(unknown, presence, scoped('access:read'));
    if (few) {
      expect(seen.presence).toEqual({ peopleInside: null, provenance: { masked: ['peopleInside'] } });
      expect((await entity<Few>(unknown, presence, all)).presence.peopleInside).toBe(few.n);
    } else expect(seen.presence.peopleInside).toBeGreaterThanOrEqual(5);
  });

  test('a withheld count cannot be computed from the counts of other buildings', async () => {
    const ask = async (principal: Principal) => {
      const call = { ...hubCall(10_000, AbortSignal.timeout(10_000)), principal };
      const { data } = await host.subgraph.execute({
        query:
          'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Building { id presence { peopleInside people { totalCount nodes { id company { uscc } } } } } } }',
        variables: { r: demo.buildings.map(({ id }) => ({ __typename: 'Building', id })) },
        call,
      });
      type Seen = { id: string; presence: { peopleInside: number | null; people: { totalCount: number } } };
      return (data as { _entities: Seen[] })._entities;
    };
    // Leaves a single person in one building: the last swipes of all others there become swipes out.
    const inBuilding = await owner.query(
      `SELECT x.id, x.pin FROM (SELECT DISTINCT ON (pin) * FROM acc_monitor_log WHERE state IN (0, 1) AND event_type IN (0, 3) AND pin <> ''
         ORDER BY pin, time DESC, id DESC) x
       JOIN acc_door o ON o.id = x.event_point_id JOIN acc_device v ON v.id = o.device_id JOIN personnel_area a ON a.id = v.area_id
       WHERE x.state = 0 AND a.areaid = 'B01' ORDER BY x.pin`,
    );
    const stays = inBuilding[0]?.['pin'];
    const out = inBuilding.filter((one) => one['pin'] !== stays).map((one) => one['id']);
    await owner.query('UPDATE acc_monitor_log SET state = 1 WHERE id = ANY($1)', [out]);
    try {
      const open = await ask(all);
      const shut = new Map((await ask(scoped('access:read'))).map((one) => [one.id, one.presence.peopleInside]));
      expect(open.find(({ id }) => id === 'lakeside-b01')?.presence.peopleInside).toBe(1);
      expect(shut.get('lakeside-b01')).toBeNull();
      const hidden = open.filter(({ id }) => shut.get(id) === null);
      const rest = hidden.reduce((sum, { presence }) => sum + (presence.peopleInside ?? 0), 0);
      expect(rest).toBeGreaterThanOrEqual(5);
      // Counts that are not withheld are correct.
      for (const { id, presence } of open) if (shut.get(id) !== null) expect(shut.get(id)).toBe(presence.peopleInside);
    } finally {
      await owner.query('UPDATE acc_monitor_log SET state = 0 WHERE id = ANY($1)', [out]);
    }
  });

  test('pages through badges forwards and backwards, and filters active ones', async () => {
    const company = demo.companies[1]!;
    const reference = { __typename: 'Company', uscc: company.uscc };
    type Page = {
      badges: {
        totalCount: number;
        nodes: { id: string; active: boolean }[];
        pageInfo: { endCursor: string; hasNextPage: boolean; startCursor: string };
      };
    };
    const page = (args: string) =>
      entity<Page>(
        reference,
        `... on Company { badges(${args}) { totalCount nodes { id active } pageInfo { startCursor endCursor hasNextPage } } }`,
      );
    const whole = (await page('first: 200')).badges;
    const cards = demo.people.filter((one) => one.company === company.uscc);
    const lost = cards.filter((one) => one.index % 40 === 0).length;
    expect(whole.totalCount).toBe(cards.length + lost);
    const first = (await page('first: 4')).badges;
    const second = (await page(`first: 4, after: "${first.pageInfo.endCursor}"`)).badges;
    expect([...first.nodes, ...second.nodes]).toEqual(whole.nodes.slice(0, 8));
    expect((await page(`last: 3, before: "${second.pageInfo.startCursor}"`)).badges.nodes).toEqual(
      whole.nodes.slice(1, 4),
    );
    expect((await page('active: true')).badges.totalCount).toBe(cards.length);
    expect((await page('active: false')).badges.totalCount).toBe(lost);
  });

  test.each([
    [0, 0],
    [1, 900_000],
    [2, -900_000],
  ])('lines committed out of order between polls are read once (%d: wall clock shifted by %d ms)', async (n, by) => {
    const before = await granted();
    const insert = (second: number) =>
      `INSERT INTO "acc_monitor_log" ("time", "pin", "card_no", "device_id", "verified", "state", "event_type", "description", "event_point_type", "event_point_id")
       VALUES ('2031-01-01 00:0${n}:${String(second).padStart(2, '0')}', '', '', 1, 4, 0, 0, 'late', 0, 1)`;
    const slow = await openClient(ownerUrl(running.env['LAKESIDE_ACCESS_URL'] ?? '', directory));
    try {
      await slow.query('BEGIN');
      await slow.query(insert(1));
      await owner.query(insert(2));
      await host.runJob('doors', 'log');
      expect(await granted()).toBe(before + 1);
      now = new Date(now.getTime() + 4 * 60_000);
      await owner.query(insert(3));
      await host.runJob('doors', 'log');
      expect(await granted()).toBe(before + 2);
      await slow.query('COMMIT');
      wall = by;
      await host.runJob('doors', 'log');
      expect(await granted()).toBe(before + 3);
      await host.runJob('doors', 'log');
      expect(await granted()).toBe(before + 3);
    } finally {
      wall = 0;
      await slow.end();
    }
  });

  test('logs a malformed line by its number and stores the others', async () => {
    const before = await granted();
    const [bad] = await owner.query<{ id: number }>(
      `INSERT INTO "acc_monitor_log" ("time", "pin", "device_id", "state", "event_type", "event_point_type", "event_point_id") VALUES (NULL, '', 1, 0, 0, 0, 1) RETURNING "id"`,
    );
    await owner.query(
      `INSERT INTO "acc_monitor_log" ("time", "pin", "device_id", "state", "event_type", "event_point_type", "event_point_id") VALUES ('2031-02-01 00:00:00', '', 1, 0, 0, 0, 1)`,
    );
    await host.runJob('doors', 'log');
    expect(await granted()).toBe(before + 1);
    const warnings = lines
      .map((line) => JSON.parse(line) as { msg: string; line?: number })
      .filter((one) => /^Skipped a malformed line/.test(one.msg));
    expect(warnings.map((one) => one.line)).toContain(bad?.id);
  });

  test('the state of a door is the last one in the log', async () => {
    const state = async () =>
      (await ask<{ door: { state: string } }>('{ door(id: "doors:door-1") { state } }')).door.state;
    const local = instantToLocal(now, 'Asia/Shanghai').slice(0, 19);
    const report = (code: number) =>
      owner.query(
        `INSERT INTO "acc_monitor_log" ("time", "pin", "device_id", "state", "event_type", "event_point_type", "event_point_id") VALUES ('${local}', '', 1, 2, ${code}, 0, 1)`,
      );
    await owner.query(
      `DELETE FROM "acc_monitor_log" WHERE "event_point_id" = 1 AND "event_type" IN (28, 37, 102, 200, 201)`,
    );
    expect(await state()).toBe('UNKNOWN');
    await report(102);
    expect(await state()).toBe('FORCED');
    await report(201);
    expect(await state()).toBe('CLOSED');
  });

  test('a restarted process reads the overlap again and stores each line once', async () => {
    const before = await granted();
    await host.close();
    host = await raise({ doors: running.env['LAKESIDE_ACCESS_URL'] ?? '' });
    await host.runJob('doors', 'log');
    expect(await granted()).toBe(before);
    await owner.query(
      `INSERT INTO "acc_monitor_log" ("time", "pin", "device_id", "state", "event_type", "event_point_type", "event_point_id") VALUES ('2031-03-01 00:00:00', '', 1, 0, 0, 0, 1)`,
    );
    await host.runJob('doors', 'log');
    expect(await granted()).toBe(before + 1);
  });

  test('merges two door systems into one list; while one is down the list is stale and has no total', async () => {
    const url = running.env['LAKESIDE_ACCESS_URL'] ?? '';
    const company = demo.companies[2]!;
    const cards = demo.people.filter((one) => one.company === company.uscc);
    const total = cards.length + cards.filter((one) => one.index % 40 === 0).length;
    type Page = {
      badges: {
        totalCount: number | null;
        nodes: { id: string }[];
        pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string; endCursor: string };
        provenance: { stale: boolean; parts: { source: string }[] | null };
      };
    };
    const single = host;
    const badges = (args: string) =>
      entity<Page>(
        { __typename: 'Company', uscc: company.uscc },
        `... on Company { badges(${args}) { totalCount nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } provenance { stale parts { source } } } }`,
      );
    try {
      host = await raise({ annex: url, main: url });
      const there: string[] = [];
      for (let args = 'first: 7'; ; ) {
        const page = (await badges(args)).badges;
        expect(page.totalCount).toBe(2 * total);
        expect(page.provenance.parts?.map((one) => one.source).sort()).toEqual(['annex', 'main']);
        there.push(...page.nodes.map((one) => one.id));
        if (!page.pageInfo.hasNextPage) break;
        args = `first: 7, after: "${page.pageInfo.endCursor}"`;
      }
      expect(there).toHaveLength(2 * total);
      expect(new Set(there).size).toBe(2 * total);
      const back: string[] = [];
      for (let args = 'last: 5'; ; ) {
        const page = (await badges(args)).badges;
        back.unshift(...page.nodes.map((one) => one.id));
        if (!page.pageInfo.hasPreviousPage) break;
        args = `last: 5, before: "${page.pageInfo.startCursor}"`;
      }
      expect(back).toEqual(there);
      await host.close();
      host = await raise({ annex: at(url, '127.0.0.1', 9), main: url });
      const partial = (await badges('first: 200')).badges;
      expect(partial.nodes).toHaveLength(total);
      expect(partial.totalCount).toBeNull();
      expect(partial.provenance.stale).toBe(true);
    } finally {
      await host.close();
      host = single;
    }
  });

  test("the hub's account cannot write", async () => {
    await expect(reader.query('DELETE FROM "acc_monitor_log"')).rejects.toThrow(/read-only|permission denied/);
    await reader.query('SET default_transaction_read_only = off');
    await expect(reader.query('DELETE FROM "acc_monitor_log"')).rejects.toThrow(/permission denied/);
  });

  test('the directory job registers the identifiers of companies and persons', async () => {
    await host.runJob('doors', 'directory');
    const rows = (await database.plain.query(
      `SELECT entity, system, count(*)::int AS n FROM identity WHERE installation = 'doors' GROUP BY entity, system ORDER BY entity, system`,
    )) as unknown[];
    expect(rows).toEqual([
      { entity: 'COMPANY', system: 'tenant-no', n: 40 },
      { entity: 'COMPANY', system: 'uscc', n: 40 },
      { entity: 'PERSON', system: 'pin', n: 800 },
    ]);
  });
});
