/**
 * Row permissions: no query generated from the schema returns rows of another park or company, for each role, two parks and two companies.
 * The forbidden values are known from the data of the simulators. Prints how much was checked.
 */
import { isObjectType, isUnionType } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROLES } from '../connectors/kit/auth/roles.ts';
import { readSupergraph } from '../gateway/federation/supergraph.ts';
import { GeneratedQueries } from './generated-queries.ts';
import { type Caller, LIMITED_CALLERS, principalOf, UNLIMITED_PRINCIPAL } from './row-rights/callers.ts';
import {
  argumentsOf,
  EVENT_RIGHTS,
  HISTORY,
  keyedRoots,
  keyOf,
  LIVE,
  MUTATIONS,
  mutationType,
  PARK_ONLY_FIELDS,
  type ReceivedEvent,
} from './row-rights/inputs.ts';
import { isEmpty, leaves } from './row-rights/owned-values.ts';
import { PARKS, type Sample, startTwoParks, type TwoParks } from './row-rights/two-parks.ts';
import { waitFor } from './test-hub.ts';

describe('rows of another park or company', () => {
  let twoParks: TwoParks;
  const tokens = new Map<string, string>();
  const checked = { queries: 0, values: 0, entities: 0, events: 0, mutations: 0 };

  beforeAll(async () => {
    twoParks = await startTwoParks();
    for (const { name, role, park, company } of LIMITED_CALLERS) {
      const token = await twoParks.issuer.sign({
        role,
        subject: name,
        seconds: 1_200,
        ...(park ? { parks: [park] } : {}),
        ...(company ? { companies: [twoParks.samples[company].uscc] } : {}),
      });
      tokens.set(name, token);
    }
  }, 180_000);
  afterAll(async () => {
    await twoParks?.testHub.close();
    const { queries, values, entities, events, mutations } = checked;
    console.log(
      `Row permissions: checked ${LIMITED_CALLERS.length} callers, ${queries} queries, ${values} values, ${entities} entities, ${events} events, ${mutations} mutations.`,
    );
  }, 60_000);

  const schema = () => readSupergraph(twoParks.testHub.hub.registry.graph.supergraph).publicSchema;
  const own = ({ park, company }: Caller): Sample => twoParks.samples[park ?? company ?? 'lakeside'];
  const other = (caller: Caller): Sample =>
    twoParks.samples[own(caller).park === 'lakeside' ? 'riverside' : 'lakeside'];

  /** Values in `data` that the caller may not see, with their paths. */
  const leaks = (data: unknown, { park, company }: Caller): string[] =>
    [...leaves(data)].flatMap(({ path, value }) => {
      checked.values += 1;
      if (typeof value !== 'string') return [];
      const why = twoParks.ownedValues.foreignOwner(value, park, company && twoParks.samples[company].uscc);
      return why ? [`${path.join('.')} = ${value} (${why})`] : [];
    });
  const send = (document: string, caller: Caller | null) =>
    twoParks.testHub.query(document, {}, caller ? { token: tokens.get(caller.name) as string } : {});
  /** Fields that were queried on an existing row, by any caller. */
  const tried = new Set<string>();
  const internal = (errors: { message: string; extensions: Record<string, unknown> }[] | undefined): string[] =>
    (errors ?? []).flatMap(({ message, extensions }) =>
      /INTERNAL|BAD_USER_INPUT|VALIDATION|LIMIT|MALFORMED|UNAVAILABLE|TIMEOUT/.test(String(extensions['code']))
        ? [message]
        : [],
    );
  const questionsFor = (sample: Sample) => new GeneratedQueries(schema(), argumentsOf(sample)).forTypes(1);

  test('an unrestricted caller gets a response to every query', async () => {
    for (const park of PARKS)
      for (const { type, path, document } of questionsFor(twoParks.samples[park])) {
        const answer = await send(document, null);
        expect(internal(answer.errors), document).toEqual([]);
        note(type, at(answer.data, path), tried);
      }
  }, 240_000);

  test.each(LIMITED_CALLERS)(
    '$name sees no foreign rows',
    async (caller) => {
      const found: string[] = [];
      for (const { type, path, document } of questionsFor(own(caller))) {
        const answer = await send(document, caller);
        checked.queries += 1;
        note(type, at(answer.data, path), tried);
        for (const one of [...leaks(answer.data, caller), ...internal(answer.errors)])
          found.push(`${document}: ${one}`);
      }
      expect(found.slice(0, 10)).toEqual([]);
    },
    240_000,
  );

  test.each(LIMITED_CALLERS)(
    '$name gets nothing by the keys of foreign rows',
    async (caller) => {
      const found: string[] = [];
      const generated = new GeneratedQueries(schema(), argumentsOf(other(caller)));
      for (const field of keyedRoots(schema())) {
        if (caller.park === null && PARK_ONLY_FIELDS.has(field)) continue;
        const document = generated.forRootField(field);
        const answer = await send(document, caller);
        checked.queries += 1;
        if (!isEmpty(answer.data)) found.push(`${document}: ${JSON.stringify(answer.data).slice(0, 300)}`);
        found.push(...internal(answer.errors));
      }
      expect(found).toEqual([]);
    },
    60_000,
  );

  test.each(LIMITED_CALLERS)(
    '$name sees only its own park’s records of a company known in both parks',
    async (caller) => {
      const samples = { ...argumentsOf(own(caller)), 'Query.company': `uscc: "${twoParks.shared}"` };
      const document = new GeneratedQueries(schema(), samples).forRootField('company');
      const [all, answer] = await Promise.all([send(document, null), send(document, caller)]);
      checked.queries += 1;
      for (const park of PARKS)
        for (const field of ['identifiers', 'conflicts', 'cases'])
          expect(JSON.stringify(all.data.company[field]), field).toContain(park);
      expect([...leaks(answer.data, caller), ...internal(answer.errors)]).toEqual([]);
      expect(answer.data.company === null).toBe(caller.company !== null);
    },
  );

  test.each(LIMITED_CALLERS)(
    '$name gets no foreign rows directly from the subgraphs',
    async (caller) => {
      const found: string[] = [];
      const principal = principalOf(caller, twoParks);
      for (const host of twoParks.testHub.hub.registry.hosts()) {
        const { schema: subgraph } = host.subgraph;
        const union = subgraph?.getType('_Entity');
        if (!subgraph || !isUnionType(union)) continue;
        for (const type of union.getTypes()) {
          const representations = [own(caller), other(caller)].map((of) => ({
            __typename: type.name,
            ...keyOf(type.name, of),
          }));
          const generated = new GeneratedQueries(subgraph, argumentsOf(own(caller)));
          const query = `query ($representations: [_Any!]!) { _entities(representations: $representations) { ... on ${type.name} ${generated.selection(type, 1)} } }`;
          const all = await twoParks.entities(host, query, representations, UNLIMITED_PRINCIPAL);
          if (all.data?._entities.includes(null))
            found.push(`${host.name} does not know ${type.name}: ${JSON.stringify(representations)}`);
          const answer = await twoParks.entities(host, query, representations, principal);
          checked.entities += 2;
          const where = `${host.name} ${type.name}`;
          for (const one of leaks(answer.data, caller)) found.push(`${where}: ${one}`);
          const foreign = answer.data?._entities[1] ?? null;
          if (foreign !== null && !(caller.park === null && PARK_ONLY_FIELDS.has(lower(type.name))))
            found.push(`${where}: ${JSON.stringify(foreign).slice(0, 200)}`);
          for (const { extensions, message } of answer.errors ?? [])
            if (extensions['code'] === 'INTERNAL') found.push(`${where}: ${message}`);
        }
      }
      expect(found).toEqual([]);
    },
    60_000,
  );

  /** Events since the start of the hub that this token may see, oldest first. */
  async function eventsOf(token: string | null): Promise<ReceivedEvent[]> {
    const { data, errors } = await twoParks.testHub.query(HISTORY, { from: twoParks.began }, token ? { token } : {});
    expect(errors).toBeUndefined();
    // biome-ignore lint/suspicious/noExplicitAny: answers are read by path
    return data.events.nodes.map((node: any) => ({
      id: node.id,
      kind: node.kind,
      cursor: node.cursor,
      of: { park: node.park?.id ?? null, company: node.company?.uscc ?? null },
    }));
  }

  test.each(LIMITED_CALLERS)(
    '$name receives exactly the events of its own rows',
    async (caller) => {
      const token = tokens.get(caller.name) as string;
      const [all, mine] = await Promise.all([eventsOf(null), eventsOf(token)]);
      const uscc = caller.company && twoParks.samples[caller.company].uscc;
      const expected = all.filter(
        ({ kind, of }) =>
          (caller.park === null || of.park === caller.park) &&
          (uscc === null || of.company === uscc) &&
          (!(kind in EVENT_RIGHTS) ||
            (ROLES[caller.role].scopes as readonly string[]).includes(EVENT_RIGHTS[kind] ?? '')),
      );
      expect(mine.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
      const { deliveries, stop } = twoParks.testHub.subscribe(
        LIVE,
        { after: all[0]?.cursor, from: twoParks.began },
        token,
      );
      const delivered = () => deliveries.flatMap((delivery) => delivery.data?.events?.events ?? []);
      const later = mine.filter(({ id }) => id !== all[0]?.id).map(({ id }) => id);
      await waitFor(
        `the events of ${caller.name}`,
        20,
        () => delivered().length >= later.length || deliveries.some((delivery) => delivery.error),
      );
      stop();
      expect(delivered().map(({ id }: { id: string }) => id)).toEqual(later);
      checked.events += mine.length + delivered().length;
      expect(deliveries.flatMap((delivery) => leaks(delivery.data, caller))).toEqual([]);
      for (const delivery of deliveries) note('EventsBatch', at(delivery.data, ['events']), tried);
    },
    60_000,
  );
  test.each(LIMITED_CALLERS)(
    '$name can neither change nor see foreign rows by mutations',
    async (caller) => {
      const found: string[] = [];
      const generated = new GeneratedQueries(schema(), argumentsOf(own(caller)));
      // Cases that the caller filed are still open; the sample's case may be completed.
      const filed = new Map<Sample, string>();
      for (const [name, { uses, input }] of Object.entries(MUTATIONS)) {
        for (const place of [own(caller), other(caller)])
          for (const company of [own(caller), other(caller)]) {
            const id = `${caller.name} ${name} ${place.park} ${company.park}`;
            const plate = `京B${10_000 + checked.mutations}`;
            const of = { ...place, case: filed.get(place) ?? place.case };
            const answer = await send(generated.forMutation(name, input(of, company, id, plate)), caller);
            checked.mutations += 1;
            for (const one of leaks(answer.data, caller)) found.push(`${id}: ${one}`);
            for (const { extensions, message } of answer.errors ?? [])
              if (extensions['code'] === 'INTERNAL') found.push(`${id}: ${message}`);
            const done = answer.data?.[name] ?? null;
            const acts = (one: Sample) => caller.company === null || one === twoParks.samples[caller.company];
            const may =
              (!uses.includes('place') || caller.park === null || place.park === caller.park) &&
              (!uses.includes('record') || acts(place)) &&
              (!uses.includes('company') || acts(company));
            if (done !== null && !may) found.push(`${id}: done`);
            if (done?.case?.id) filed.set(place, done.case.id);
            note(mutationType(name), at(answer.data, [name]), tried);
          }
      }
      expect(found).toEqual([]);
    },
    120_000,
  );

  test('granting a permit reveals no vehicle to a token that may not read plates', async () => {
    const { uscc, lot, park } = twoParks.samples.lakeside;
    const plate = twoParks.testHub.world.vehicles.find((vehicle) => vehicle.company === uscc)?.plate;
    const grant = (token: string, id: string) =>
      twoParks.testHub.query(
        `mutation { grantParkingPermit(input: { clientMutationId: "${id}", lot: "${lot}", plate: "${plate}", colour: BLUE, uscc: "${uscc}", validFrom: "2026-01-01T00:00:00Z" }) { permit { id state vehicle { id plateMasked } } } }`,
        {},
        { token },
      );
    const shut = await grant(await twoParks.issuer.sign({ role: 'developer', parks: [park], seconds: 60 }), 'oracle 1');
    expect(shut.data.grantParkingPermit.permit).toMatchObject({ state: 'ACTIVE', vehicle: null });
    expect(shut.errors?.map(({ path, extensions }) => [path?.join('.'), extensions['code']])).toEqual([
      ['grantParkingPermit.permit.vehicle', 'FORBIDDEN'],
    ]);
    const open = await grant(await twoParks.issuer.sign({ role: 'operator', parks: [park], seconds: 60 }), 'oracle 2');
    expect(open.data.grantParkingPermit.permit.vehicle.plateMasked).toContain('*');
  });

  test('an analyst cannot learn whose access event or parking session it was', async () => {
    const { door, badge, vehicle, uscc } = twoParks.samples.lakeside;
    const token = tokens.get('analyst of lakeside') as string;
    const refused = async (document: string, path: string) => {
      const { data, errors } = await twoParks.testHub.query(document, {}, { token });
      expect(errors?.map((error) => error.extensions['code'])).toContain('FORBIDDEN');
      expect(JSON.stringify(data)).not.toContain(badge);
      expect(JSON.stringify(data)).not.toContain(vehicle);
      expect(errors?.some((error) => error.path?.join('.').startsWith(path))).toBe(true);
    };
    await refused(
      `{ door(id: "${door}") { events(last: 3) { totalCount nodes { time badge { id company { uscc } } } } } }`,
      'door.events.nodes',
    );
    await refused(`{ badge(id: "${badge}") { id } }`, 'badge');
    await refused(
      `{ company(uscc: "${uscc}") { badges(first: 3) { totalCount nodes { id } } } }`,
      'company.badges.nodes',
    );
    await refused(
      `{ company(uscc: "${uscc}") { parkingSessions(first: 3) { totalCount nodes { enteredAt } } } }`,
      'company.parkingSessions.nodes',
    );
    await refused(
      `{ company(uscc: "${uscc}") { vehicles(first: 3) { nodes { colour session { enteredAt } } } } }`,
      'company.vehicles.nodes',
    );
    await refused(
      '{ events(last: 30) { nodes { ... on VehicleEntered { vehicle { id } } ... on AccessGranted { badge { id } } } } }',
      'events.nodes',
    );
    // They can be counted by kind, but not by company or vehicle.
    const { data } = await twoParks.testHub.query(
      `{ all: events(first: 100, filter: { kind: { in: [ACCESS_GRANTED, VEHICLE_ENTERED] } }) { totalCount nodes { company { uscc } } }
        of: events(first: 1, filter: { company: { eq: "${uscc}" }, kind: { in: [ACCESS_GRANTED, VEHICLE_ENTERED] } }) { totalCount }
        by: events(first: 1, filter: { vehicle: { eq: "${vehicle}" } }) { totalCount } }`,
      {},
      { token },
    );
    expect(data.all.totalCount).toBeGreaterThan(0);
    expect(data.all.nodes.filter((node: { company: unknown }) => node.company !== null)).toEqual([]);
    expect([data.of.totalCount, data.by.totalCount]).toEqual([0, 0]);
  });

  test('Gap and Lagged of a subscription contain no row data', async () => {
    const began = Date.parse(twoParks.began);
    const tokens = [
      { type: 'gap', position: '1', from: began, to: began + 1, reason: 'RETENTION' },
      { type: 'lagged', position: '1', behind: 3 },
    ];
    for (const [i, type] of ['Gap', 'Lagged'].entries()) {
      const generated = new GeneratedQueries(schema(), {});
      const kind = schema().getType(type);
      if (!isObjectType(kind)) throw new Error(`There is no type ${type}.`);
      const token = JSON.stringify(JSON.stringify(tokens[i]));
      const query = `{ _delivery(token: ${token}) { ... on ${type} ${generated.selection(kind, 0)} } }`;
      const { data, errors } = await twoParks.entities(
        twoParks.host('hub'),
        query,
        [],
        principalOf(LIMITED_CALLERS[0] as Caller, twoParks),
      );
      expect(errors).toBeUndefined();
      note(type, [data._delivery], tried);
    }
  });

  test('every field of the graph was queried', () => {
    const all = Object.values(schema().getTypeMap()).flatMap((type) =>
      isObjectType(type) && !/^(__|Query$|Mutation$|Subscription$)/.test(type.name)
        ? Object.keys(type.getFields()).map((name) => `${type.name}.${name}`)
        : [],
    );
    expect(all.filter((one) => !tried.has(one))).toEqual([]);
    console.log(`All ${all.length} fields were queried.`);
  });
});

/** Objects of a response at this path; lists are flattened. */
function at(value: unknown, path: readonly string[]): object[] {
  if (Array.isArray(value)) return value.flatMap((one) => at(one, path));
  if (typeof value !== 'object' || value === null) return [];
  const [first, ...rest] = path;
  return first === undefined ? [value] : at((value as Record<string, unknown>)[first], rest);
}

function note(type: string, objects: readonly object[], tried: Set<string>): void {
  for (const object of objects) for (const name of Object.keys(object)) tried.add(`${type}.${name}`);
}

const lower = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1);
