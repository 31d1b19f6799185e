import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dropEventsBefore } from '../../schema/database/events/event-retention.ts';
import { saveClaims } from '../../schema/database/hub/identities.ts';
import { replaceParks } from '../../schema/database/hub/parks.ts';
import type { SubgraphResponse } from '../kit/call.ts';
import type { ParkConfig } from '../kit/config/config.ts';
import { Host } from '../kit/host/host.ts';
import { hubCall, loadKeys } from '../kit/host/services.ts';
import { silentLog } from '../kit/log.ts';
import type { Claim, Services } from '../kit/services.ts';
import { createTestDatabase } from '../kit/testing/test-database.ts';
import hub, { HUB_INSTALLATION } from './index.ts';
import { eventQuery, matchingKeys } from './mapping/index.ts';

const PARK: ParkConfig = {
  id: 'lakeside',
  name: 'Lakeside',
  region: '500112',
  kind: 'SOFTWARE',
  function: null,
  ledBy: null,
  level: null,
  zone: 'Asia/Shanghai',
  buildings: [{ id: 'lakeside-b01', name: 'One', floorArea: '1200.5', known: ['B01'] }],
};
const USCC = '91350100M000100Y43';

describe('hub', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let host: Host;
  let services: Services;
  const ask = async (query: string, variables: Record<string, unknown> = {}): Promise<SubgraphResponse> =>
    host.subgraph.execute({ query, variables, call: hubCall(5_000, new AbortController().signal) });
  const data = async (query: string, variables: Record<string, unknown> = {}) => {
    const answer = await ask(query, variables);
    expect(answer.errors).toBeUndefined();
    // biome-ignore lint/suspicious/noExplicitAny: responses are read by path
    return JSON.parse(JSON.stringify(answer.data)) as any;
  };
  const emit = (events: Parameters<Services['emit']>[1]) => services.transaction((tx) => services.emit(tx, events));
  const entered = (id: string) =>
    ({ foreignId: id, kind: 'VEHICLE_ENTERED', time: new Date(), vehicle: `v${id}`, company: USCC }) as const;

  beforeAll(async () => {
    database = await createTestDatabase();
    await database.transaction((tx) =>
      replaceParks(
        tx,
        [{ ...PARK, position: 0 }],
        PARK.buildings.map((item, position) => ({ ...item, known: [...item.known], park: PARK.id, position })),
      ),
    );
    host = await Host.open({
      connector: hub,
      installations: [{ ...HUB_INSTALLATION, park: 'lakeside' }],
      parks: [PARK],
      database,
      keys: await loadKeys(database),
      log: silentLog,
    });
    services = host.services('hub') as Services;
    await services.transaction((tx) =>
      services.identify(tx, [
        { entity: 'COMPANY', key: USCC, system: 'uscc', value: USCC, name: '样例科技有限公司' },
        { entity: 'COMPANY', key: USCC, system: 'tenant-no', value: 'T-0001' },
        { entity: 'COMPANY', key: '91110000MA00000077', system: 'tenant-no', value: 'T-0002' },
      ]),
    );
  });
  afterAll(async () => {
    await host?.close();
    await database?.drop();
  });

  test('entities: resolves a park with its buildings', async () => {
    const { park } = await data(
      '{ park(id: "lakeside") { name region kind buildings { id name floorArea park { id } } provenance { source system } } }',
    );
    expect(park).toMatchObject({
      name: 'Lakeside',
      buildings: [{ floorArea: '1200.5', park: { id: 'lakeside' } }],
      provenance: { source: 'hub' },
    });
  });

  test('pages companies in both directions by signed cursors, with their ids in the sources', async () => {
    const first = await data(
      '{ companies(first: 1) { nodes { uscc name } totalCount pageInfo { endCursor hasNextPage } } }',
    );
    expect(first.companies).toMatchObject({ totalCount: 2, pageInfo: { hasNextPage: true } });
    const next = await data(
      'query ($after: Cursor) { companies(first: 1, after: $after) { nodes { uscc name identifiers { system value } } pageInfo { startCursor hasNextPage hasPreviousPage } } }',
      { after: first.companies.pageInfo.endCursor },
    );
    expect(next.companies.nodes[0].identifiers).toEqual([
      { system: 'tenant-no', value: 'T-0001' },
      { system: 'uscc', value: USCC },
    ]);
    expect(next.companies.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
    const back = await data('query ($b: Cursor) { companies(last: 1, before: $b) { nodes { uscc } } }', {
      b: next.companies.pageInfo.startCursor,
    });
    expect(back.companies.nodes).toEqual(first.companies.nodes.map(({ uscc }: { uscc: string }) => ({ uscc })));
    const forged = await ask(
      'query ($after: Cursor) { companies(after: $after, filter: { uscc: { eq: "91350100M000100Y43" } }) { nodes { uscc } } }',
      { after: first.companies.pageInfo.endCursor },
    );
    expect(forged.errors?.[0]?.extensions?.['code']).toBe('CURSOR_INVALID');
    const both = await ask('query ($after: Cursor) { companies(first: 1, last: 1, after: $after) { nodes { uscc } } }');
    expect(both.errors?.[0]?.extensions?.['code']).toBe('BAD_USER_INPUT');
  });

  test('company conflicts: lists facts that sources report differently, ignoring differences in spelling', async () => {
    const tell = (installation: string, at: string, claim: Partial<Claim>) =>
      services.transaction((tx) =>
        saveClaims(tx, { installation, connector: installation, park: 'lakeside', at: new Date(at) }, [
          { entity: 'COMPANY', key: USCC, system: 'taxpayer-no', value: USCC, ...claim },
        ]),
      );
    const conflicts = async () =>
      (
        await data(
          `{ company(uscc: "${USCC}") { conflicts { field values { value provenance { source authority recordedAt fetchedAt } } } } }`,
        )
      ).company.conflicts;
    await tell('tax', '2026-03-01T00:00:00Z', { facts: { name: '样例 科技有限公司 ', address: null } });
    expect(await conflicts()).toEqual([]);
    await tell('tax', '2026-03-03T00:00:00Z', {
      facts: { name: '旧名科技有限公司' },
      recordedAt: new Date('2026-03-02T18:00:00Z'),
    });
    // A file older than the stored fact changes nothing.
    await tell('tax', '2026-03-04T00:00:00Z', {
      facts: { name: '更旧有限公司' },
      recordedAt: new Date('2026-01-02T18:00:00Z'),
    });
    expect(await conflicts()).toMatchObject([
      {
        field: 'name',
        values: [
          { value: '样例科技有限公司', provenance: { source: 'hub', authority: true } },
          {
            value: '旧名科技有限公司',
            provenance: {
              source: 'tax',
              authority: false,
              recordedAt: '2026-03-02T18:00:00.000Z',
              fetchedAt: '2026-03-03T00:00:00.000Z',
            },
          },
        ],
      },
    ]);
    const { company } = await data(`{ company(uscc: "${USCC}") { name } }`);
    expect(company.name).toBe('样例科技有限公司');
    await tell('tax', '2026-03-05T00:00:00Z', {
      facts: { name: '样例科技有限公司' },
      recordedAt: new Date('2026-03-04T18:00:00Z'),
    });
    expect(await conflicts()).toEqual([]);
  });

  test('company conflicts: ignore a missing city in an address; tax addresses require the right to read the tax account', async () => {
    const tell = (installation: string, at: string, claim: Partial<Claim>) =>
      services.transaction((tx) =>
        saveClaims(tx, { installation, connector: installation, park: 'lakeside', at: new Date(at) }, [
          { entity: 'COMPANY', key: USCC, system: 'uscc', value: USCC, ...claim },
        ]),
      );
    const conflicts = async (...scopes: string[]) => {
      const call = hubCall(5_000, new AbortController().signal);
      const principal = { ...call.principal, scopes: new Set(scopes), consents: new Set(['tax']) };
      const query = `{ company(uscc: "${USCC}") { conflicts { field values { value provenance { source authority } } } } }`;
      const { data: found } = await host.subgraph.execute({ query, variables: {}, call: { ...call, principal } });
      return JSON.parse(JSON.stringify(found)).company.conflicts;
    };
    await tell('registration', '2026-03-06T00:00:00Z', { facts: { address: '示例市湖滨路1号' }, authority: true });
    await tell('tax', '2026-03-06T00:00:00Z', { facts: { address: '湖滨路 1号' } });
    expect(await conflicts('tax:read')).toEqual([]);
    await tell('tax', '2026-03-07T00:00:00Z', { facts: { address: '山前路9号' } });
    expect(await conflicts('tax:read')).toEqual([
      {
        field: 'address',
        values: [
          { value: '示例市湖滨路1号', provenance: { source: 'registration', authority: true } },
          { value: '山前路9号', provenance: { source: 'tax', authority: false } },
        ],
      },
    ]);
    expect(await conflicts()).toEqual([]);
  });

  test('companies of the hub: filters them by name and park; an unknown company is null', async () => {
    const found = await data(
      '{ companies(filter: { name: { contains: "样例" }, park: { eq: "lakeside" } }) { nodes { uscc } } none: companies(filter: { park: { eq: "x" } }) { nodes { uscc } } company(uscc: "91440300MA5EYUJT4D") { uscc } }',
    );
    expect(found.companies.nodes).toEqual([{ uscc: USCC }]);
    expect(found.none.nodes).toEqual([]);
  });

  test('stored event log: contains each foreign id once, in order, without gaps', async () => {
    expect(await emit([entered('1'), entered('2')])).toBe(2);
    expect(await emit([entered('2'), entered('3')])).toBe(1);
    await Promise.all(Array.from({ length: 20 }, (_, i) => emit([entered(`c${i}`), entered(`d${i % 5}`)])));
    const rows: { position: string }[] = await database.plain.query('SELECT position FROM event ORDER BY position');
    expect(rows.map((row) => Number(row.position))).toEqual(rows.map((_, i) => i + 1));
    expect(rows).toHaveLength(3 + 20 + 5);
  });

  test('stored event log: a failed transaction leaves neither event nor key', async () => {
    await expect(
      services.transaction(async (tx) => {
        await services.emit(tx, [entered('lost')]);
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(await emit([entered('lost')])).toBe(1);
  });

  test('pages the event log with a filter; its cursor starts a subscription', async () => {
    const page = await data(
      '{ events(first: 2, filter: { kind: { in: [VEHICLE_ENTERED] }, company: { eq: "91350100M000100Y43" } }) { nodes { __typename id cursor kind time company { uscc name } ... on VehicleEntered { vehicle { id } } } totalCount pageInfo { endCursor hasNextPage } } }',
    );
    expect(page.events.nodes[0]).toMatchObject({
      __typename: 'VehicleEntered',
      vehicle: { id: 'v1' },
      company: { name: '样例科技有限公司' },
    });
    expect(page.events.totalCount).toBe(29);
    const begin = await data(
      'query ($a: Cursor) { _eventStart(after: $a, head: "99", filter: { company: { eq: "91350100M000100Y43" }, kind: { in: [VEHICLE_ENTERED] } }) { position gapFrom } }',
      { a: page.events.pageInfo.endCursor },
    );
    expect(begin._eventStart).toEqual({ position: '2', gapFrom: null });
    const batch = await data(
      'query ($t: String!) { _delivery(token: $t) { __typename ... on EventsBatch { cursor events { id } } } }',
      {
        t: JSON.stringify({ type: 'batch', after: '2', upTo: '5', limit: 100 }),
      },
    );
    expect(batch._delivery.events).toHaveLength(3);
  });

  test('runs a mutation once per clientMutationId', async () => {
    const call = hubCall(5_000, new AbortController().signal);
    let done = 0;
    const act = async () => ({ at: new Date(1_000), n: ++done });
    const request = { mutation: 'grant', clientMutationId: 'a', payload: { plate: 'x' } };
    const both = await Promise.all([services.runOnce(call, request, act), services.runOnce(call, request, act)]);
    expect(both[0]).toEqual(both[1]);
    expect(both[1]?.at).toBeInstanceOf(Date);
    expect(done).toBe(1);
    await expect(services.runOnce(call, { ...request, payload: { plate: 'y' } }, act)).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
    });
  });

  test('updates a case from its events', async () => {
    await emit([
      {
        foreignId: 'case1 sent',
        kind: 'CASE_CHANGED',
        time: new Date(),
        company: USCC,
        case: 'reg:1',
        data: { state: 'SENT', kind: 'REGISTRATION' },
      },
    ]);
    await emit([
      {
        foreignId: 'case1 accepted',
        kind: 'CASE_CHANGED',
        time: new Date(),
        company: USCC,
        case: 'reg:1',
        data: { state: 'ACCEPTED', kind: 'REGISTRATION', receipt: 'R1' },
      },
    ]);
    const found = await data(
      '{ case(id: "reg:1") { state receipt company { uscc } } company(uscc: "91350100M000100Y43") { cases { nodes { id state } totalCount } } }',
    );
    expect(found.case).toEqual({ state: 'ACCEPTED', receipt: 'R1', company: { uscc: USCC } });
    expect(found.company.cases).toEqual({ nodes: [{ id: 'reg:1', state: 'ACCEPTED' }], totalCount: 1 });
  });

  test('resolves entities by key; an unknown company has null fields', async () => {
    const { _entities } = await data(
      'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { uscc name } ... on Park { id name } } }',
      {
        r: [
          { __typename: 'Company', uscc: '91440300MA5EYUJT4D' },
          { __typename: 'Park', id: 'lakeside' },
          { __typename: 'Park', id: 'x' },
        ],
      },
    );
    expect(_entities).toEqual([{ uscc: '91440300MA5EYUJT4D', name: null }, { id: 'lakeside', name: 'Lakeside' }, null]);
  });

  test('hub mapping: converts graph filters to queries of the event log', () => {
    expect(matchingKeys({ eq: 'a', in: ['a', 'b'] })).toEqual(['a']);
    expect(matchingKeys({ eq: 'c', in: ['a', 'b'] })).toEqual([]);
    expect(matchingKeys(null)).toBeUndefined();
    expect(eventQuery({ lot: { eq: 'l' } })).toEqual({ lot: ['l'] });
  });

  test('event log of the graph: an expired cursor is rejected in a query and gives a gap in a subscription; a forged one is CURSOR_INVALID', async () => {
    const page = await data('{ events(first: 2) { pageInfo { endCursor } } }');
    const after = page.events.pageInfo.endCursor as string;
    const today = Math.floor(Date.now() / 86_400_000) * 86_400_000;
    const tomorrow = new Date(today + 86_400_000);
    await database.transaction((tx) => dropEventsBefore(tx, tomorrow));
    const query = 'query ($a: Cursor) { events(first: 2, after: $a) { nodes { id } } }';
    expect((await ask(query, { a: after })).errors?.[0]?.extensions?.['code']).toBe('CURSOR_EXPIRED');
    const start = 'query ($a: Cursor) { _eventStart(after: $a, head: "99") { position gapFrom gapTo gapReason } }';
    const { _eventStart: gap } = await data(start, { a: after });
    expect([new Date(gap.gapFrom).getTime(), new Date(gap.gapTo).getTime()]).toEqual([today, tomorrow.getTime()]);
    const delivery = await data(
      'query ($t: String!) { _delivery(token: $t) { ... on Gap { fromTime toTime reason cursor } } }',
      {
        t: JSON.stringify({
          type: 'gap',
          position: gap.position,
          from: gap.gapFrom,
          to: gap.gapTo,
          reason: gap.gapReason,
        }),
      },
    );
    expect(delivery._delivery).toMatchObject({ fromTime: gap.gapFrom, toTime: gap.gapTo, reason: 'RETENTION' });
    // The cursor of the gap can be used to continue, even if no events are left.
    expect((await data(query, { a: delivery._delivery.cursor })).events.nodes).toEqual([]);
    expect((await data(start, { a: delivery._delivery.cursor }))._eventStart.gapFrom).toBeNull();
    const forged = `${after.slice(0, -2)}${after.endsWith('AA') ? 'BB' : 'AA'}`;
    for (const bad of [forged, 'nonsense']) {
      expect((await ask(start, { a: bad })).errors?.[0]?.extensions?.['code']).toBe('CURSOR_INVALID');
      expect((await ask(query, { a: bad })).errors?.[0]?.extensions?.['code']).toBe('CURSOR_INVALID');
    }
    const other =
      'query ($a: Cursor) { _eventStart(after: $a, head: "9", filter: { kind: { eq: CASE_CHANGED } }) { position } }';
    expect((await ask(other, { a: after })).errors?.[0]?.extensions?.['code']).toBe('CURSOR_INVALID');
  });
});
