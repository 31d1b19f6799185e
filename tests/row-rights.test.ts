/**
 * Rows of another park or company do not come out, by whichever way: made from the schema, for each role, two parks and two companies.
 * What may not come out is known from what the simulators hold. It prints how much was checked.
 */
import { isObjectType, isUnionType } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROLES } from '../connectors/kit/auth/roles.ts';
import { readSupergraph } from '../gateway/federation/supergraph.ts';
import { until } from './hub.ts';
import { Questions } from './questions.ts';
import { ALL_ROWS, type Caller, NARROWED, principalOf } from './row-rights/callers.ts';
import {
  argumentsOf,
  EVENT_RIGHTS,
  HISTORY,
  keyedRoots,
  keyOf,
  LIVE,
  MUTATIONS,
  mutationType,
  OF_A_PARK,
  type Told,
} from './row-rights/inputs.ts';
import { isEmpty, leaves } from './row-rights/marks.ts';
import { PARKS, raiseTwoParks, type Sample, type TwoParks } from './row-rights/parks.ts';

describe('rows of another park or company', () => {
  let two: TwoParks;
  const tokens = new Map<string, string>();
  const checked = { questions: 0, values: 0, entities: 0, events: 0, mutations: 0 };

  beforeAll(async () => {
    two = await raiseTwoParks();
    for (const { name, role, park, company } of NARROWED) {
      const token = await two.issuer.sign({
        role,
        subject: name,
        seconds: 1_200,
        ...(park ? { parks: [park] } : {}),
        ...(company ? { companies: [two.samples[company].uscc] } : {}),
      });
      tokens.set(name, token);
    }
  }, 180_000);
  afterAll(async () => {
    await two?.whole.close();
    const { questions, values, entities, events, mutations } = checked;
    console.log(
      `Row rights: ${NARROWED.length} callers, ${questions} questions, ${values} values, ${entities} entities, ${events} events, ${mutations} mutations checked.`,
    );
  }, 60_000);

  const schema = () => readSupergraph(two.whole.hub.islands.graph.supergraph).open;
  const own = ({ park, company }: Caller): Sample => two.samples[park ?? company ?? 'lakeside'];
  const other = (caller: Caller): Sample => two.samples[own(caller).park === 'lakeside' ? 'riverside' : 'lakeside'];

  /** Values in `data` that the caller may not be shown, with where they stand. */
  const leaks = (data: unknown, { park, company }: Caller): string[] =>
    [...leaves(data)].flatMap(({ path, value }) => {
      checked.values += 1;
      if (typeof value !== 'string') return [];
      const why = two.marks.foreign(value, park, company && two.samples[company].uscc);
      return why ? [`${path.join('.')} = ${value} (${why})`] : [];
    });
  const ask = (document: string, caller: Caller | null) =>
    two.whole.ask(document, {}, caller ? { token: tokens.get(caller.name) as string } : {});
  /** Fields that were asked of a row that is there, by whichever caller. */
  const tried = new Set<string>();
  const internal = (errors: { message: string; extensions: Record<string, unknown> }[] | undefined): string[] =>
    (errors ?? []).flatMap(({ message, extensions }) =>
      /INTERNAL|BAD_USER_INPUT|VALIDATION|LIMIT|MALFORMED|UNAVAILABLE|TIMEOUT/.test(String(extensions['code']))
        ? [message]
        : [],
    );
  const questionsFor = (sample: Sample) => new Questions(schema(), argumentsOf(sample)).all(1);

  test('who is not narrowed gets an answer to every question', async () => {
    for (const park of PARKS)
      for (const { type, path, document } of questionsFor(two.samples[park])) {
        const answer = await ask(document, null);
        expect(internal(answer.errors), document).toEqual([]);
        note(type, at(answer.data, path), tried);
      }
  }, 240_000);

  test.each(NARROWED)(
    '$name sees no other row',
    async (caller) => {
      const found: string[] = [];
      for (const { type, path, document } of questionsFor(own(caller))) {
        const answer = await ask(document, caller);
        checked.questions += 1;
        note(type, at(answer.data, path), tried);
        for (const one of [...leaks(answer.data, caller), ...internal(answer.errors)])
          found.push(`${document}: ${one}`);
      }
      expect(found.slice(0, 10)).toEqual([]);
    },
    240_000,
  );

  test.each(NARROWED)(
    '$name gets nothing by the keys of other rows',
    async (caller) => {
      const found: string[] = [];
      const questions = new Questions(schema(), argumentsOf(other(caller)));
      for (const field of keyedRoots(schema())) {
        if (caller.park === null && OF_A_PARK.has(field)) continue;
        const document = questions.root(field);
        const answer = await ask(document, caller);
        checked.questions += 1;
        if (!isEmpty(answer.data)) found.push(`${document}: ${JSON.stringify(answer.data).slice(0, 300)}`);
        found.push(...internal(answer.errors));
      }
      expect(found).toEqual([]);
    },
    60_000,
  );

  test.each(NARROWED)('$name sees of a company that both parks know what its own park says', async (caller) => {
    const samples = { ...argumentsOf(own(caller)), 'Query.company': `uscc: "${two.shared}"` };
    const document = new Questions(schema(), samples).root('company');
    const [all, answer] = await Promise.all([ask(document, null), ask(document, caller)]);
    checked.questions += 1;
    for (const park of PARKS)
      for (const field of ['identifiers', 'conflicts', 'cases'])
        expect(JSON.stringify(all.data.company[field]), field).toContain(park);
    expect([...leaks(answer.data, caller), ...internal(answer.errors)]).toEqual([]);
    expect(answer.data.company === null).toBe(caller.company !== null);
  });

  test.each(NARROWED)(
    '$name gets nothing of other rows from the subgraphs themselves',
    async (caller) => {
      const found: string[] = [];
      const principal = principalOf(caller, two);
      for (const host of two.whole.hub.islands.hosts()) {
        const { schema: subgraph } = host.subgraph;
        const union = subgraph?.getType('_Entity');
        if (!subgraph || !isUnionType(union)) continue;
        for (const type of union.getTypes()) {
          const representations = [own(caller), other(caller)].map((of) => ({
            __typename: type.name,
            ...keyOf(type.name, of),
          }));
          const questions = new Questions(subgraph, argumentsOf(own(caller)));
          const query = `query ($representations: [_Any!]!) { _entities(representations: $representations) { ... on ${type.name} ${questions.selection(type, 1)} } }`;
          const all = await two.entities(host, query, representations, ALL_ROWS);
          if (all.data?._entities.includes(null))
            found.push(`${host.name} does not know ${type.name}: ${JSON.stringify(representations)}`);
          const answer = await two.entities(host, query, representations, principal);
          checked.entities += 2;
          const where = `${host.name} ${type.name}`;
          for (const one of leaks(answer.data, caller)) found.push(`${where}: ${one}`);
          const foreign = answer.data?._entities[1] ?? null;
          if (foreign !== null && !(caller.park === null && OF_A_PARK.has(lower(type.name))))
            found.push(`${where}: ${JSON.stringify(foreign).slice(0, 200)}`);
          for (const { extensions, message } of answer.errors ?? [])
            if (extensions['code'] === 'INTERNAL') found.push(`${where}: ${message}`);
        }
      }
      expect(found).toEqual([]);
    },
    60_000,
  );

  /** Events since the hub began, oldest first, as this token sees them. */
  async function eventsOf(token: string | null): Promise<Told[]> {
    const { data, errors } = await two.whole.ask(HISTORY, { from: two.began }, token ? { token } : {});
    expect(errors).toBeUndefined();
    // biome-ignore lint/suspicious/noExplicitAny: answers are read by path
    return data.events.nodes.map((one: any) => ({
      id: one.id,
      kind: one.kind,
      cursor: one.cursor,
      of: { park: one.park?.id ?? null, company: one.company?.uscc ?? null },
    }));
  }

  test.each(NARROWED)(
    '$name is told the events of its own rows, and of no other',
    async (caller) => {
      const token = tokens.get(caller.name) as string;
      const [all, mine] = await Promise.all([eventsOf(null), eventsOf(token)]);
      const uscc = caller.company && two.samples[caller.company].uscc;
      const expected = all.filter(
        ({ kind, of }) =>
          (caller.park === null || of.park === caller.park) &&
          (uscc === null || of.company === uscc) &&
          (!(kind in EVENT_RIGHTS) ||
            (ROLES[caller.role].scopes as readonly string[]).includes(EVENT_RIGHTS[kind] ?? '')),
      );
      expect(mine.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
      const { deliveries, stop } = two.whole.listen(LIVE, { after: all[0]?.cursor, from: two.began }, token);
      const delivered = () => deliveries.flatMap((one) => one.data?.events?.events ?? []);
      const later = mine.filter(({ id }) => id !== all[0]?.id).map(({ id }) => id);
      await until(
        `the events of ${caller.name}`,
        20,
        () => delivered().length >= later.length || deliveries.some((one) => one.error),
      );
      stop();
      expect(delivered().map(({ id }: { id: string }) => id)).toEqual(later);
      checked.events += mine.length + delivered().length;
      expect(deliveries.flatMap((one) => leaks(one.data, caller))).toEqual([]);
      for (const one of deliveries) note('EventsBatch', at(one.data, ['events']), tried);
    },
    60_000,
  );
  test.each(NARROWED)(
    '$name changes nothing of other rows, and is shown none',
    async (caller) => {
      const found: string[] = [];
      const questions = new Questions(schema(), argumentsOf(own(caller)));
      // What the caller has filed itself is still open; the sample's case may be done already.
      const filed = new Map<Sample, string>();
      for (const [name, { uses, input }] of Object.entries(MUTATIONS)) {
        for (const place of [own(caller), other(caller)])
          for (const company of [own(caller), other(caller)]) {
            const id = `${caller.name} ${name} ${place.park} ${company.park}`;
            const plate = `京B${10_000 + checked.mutations}`;
            const of = { ...place, case: filed.get(place) ?? place.case };
            const answer = await ask(questions.mutation(name, input(of, company, id, plate)), caller);
            checked.mutations += 1;
            for (const one of leaks(answer.data, caller)) found.push(`${id}: ${one}`);
            for (const { extensions, message } of answer.errors ?? [])
              if (extensions['code'] === 'INTERNAL') found.push(`${id}: ${message}`);
            const done = answer.data?.[name] ?? null;
            const acts = (one: Sample) => caller.company === null || one === two.samples[caller.company];
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

  test('a token that may not read plates learns of none by granting a permit', async () => {
    const { uscc, lot, park } = two.samples.lakeside;
    const plate = two.whole.world.vehicles.find((one) => one.company === uscc)?.plate;
    const grant = (token: string, id: string) =>
      two.whole.ask(
        `mutation { grantParkingPermit(input: { clientMutationId: "${id}", lot: "${lot}", plate: "${plate}", colour: BLUE, uscc: "${uscc}", validFrom: "2026-01-01T00:00:00Z" }) { permit { id state vehicle { id plateMasked } } } }`,
        {},
        { token },
      );
    const shut = await grant(await two.issuer.sign({ role: 'developer', parks: [park], seconds: 60 }), 'oracle 1');
    expect(shut.data.grantParkingPermit.permit).toMatchObject({ state: 'ACTIVE', vehicle: null });
    expect(shut.errors?.map(({ path, extensions }) => [path?.join('.'), extensions['code']])).toEqual([
      ['grantParkingPermit.permit.vehicle', 'FORBIDDEN'],
    ]);
    const open = await grant(await two.issuer.sign({ role: 'operator', parks: [park], seconds: 60 }), 'oracle 2');
    expect(open.data.grantParkingPermit.permit.vehicle.plateMasked).toContain('*');
  });

  test('an analyst learns of no passage and no drive whose it was', async () => {
    const { door, badge, vehicle, uscc } = two.samples.lakeside;
    const token = tokens.get('analyst of lakeside') as string;
    const refused = async (document: string, path: string) => {
      const { data, errors } = await two.whole.ask(document, {}, { token });
      expect(errors?.map((one) => one.extensions['code'])).toContain('FORBIDDEN');
      expect(JSON.stringify(data)).not.toContain(badge);
      expect(JSON.stringify(data)).not.toContain(vehicle);
      expect(errors?.some((one) => one.path?.join('.').startsWith(path))).toBe(true);
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
    // Counted they are, by kind; not by company or vehicle.
    const { data } = await two.whole.ask(
      `{ all: events(first: 100, filter: { kind: { in: [ACCESS_GRANTED, VEHICLE_ENTERED] } }) { totalCount nodes { company { uscc } } }
        of: events(first: 1, filter: { company: { eq: "${uscc}" }, kind: { in: [ACCESS_GRANTED, VEHICLE_ENTERED] } }) { totalCount }
        by: events(first: 1, filter: { vehicle: { eq: "${vehicle}" } }) { totalCount } }`,
      {},
      { token },
    );
    expect(data.all.totalCount).toBeGreaterThan(0);
    expect(data.all.nodes.filter((one: { company: unknown }) => one.company !== null)).toEqual([]);
    expect([data.of.totalCount, data.by.totalCount]).toEqual([0, 0]);
  });

  test('what a subscription says of gaps and delays names no row', async () => {
    const began = Date.parse(two.began);
    const tokens = [
      { type: 'gap', position: '1', from: began, to: began + 1, reason: 'RETENTION' },
      { type: 'lagged', position: '1', behind: 3 },
    ];
    for (const [i, type] of ['Gap', 'Lagged'].entries()) {
      const questions = new Questions(schema(), {});
      const kind = schema().getType(type);
      if (!isObjectType(kind)) throw new Error(`There is no type ${type}.`);
      const token = JSON.stringify(JSON.stringify(tokens[i]));
      const query = `{ _delivery(token: ${token}) { ... on ${type} ${questions.selection(kind, 0)} } }`;
      const { data, errors } = await two.entities(two.host('hub'), query, [], principalOf(NARROWED[0] as Caller, two));
      expect(errors).toBeUndefined();
      note(type, [data._delivery], tried);
    }
  });

  test('every field was tried', () => {
    const all = Object.values(schema().getTypeMap()).flatMap((type) =>
      isObjectType(type) && !/^(__|Query$|Mutation$|Subscription$)/.test(type.name)
        ? Object.keys(type.getFields()).map((name) => `${type.name}.${name}`)
        : [],
    );
    expect(all.filter((one) => !tried.has(one))).toEqual([]);
    console.log(`${all.length} fields, all of them tried.`);
  });
});

/** Objects of an answer at these fields; lists are walked. */
function at(value: unknown, path: readonly string[]): object[] {
  if (Array.isArray(value)) return value.flatMap((one) => at(one, path));
  if (typeof value !== 'object' || value === null) return [];
  const [first, ...rest] = path;
  return first === undefined ? [value] : at((value as Record<string, unknown>)[first], rest);
}

function note(type: string, objects: readonly object[], tried: Set<string>): void {
  for (const one of objects) for (const name of Object.keys(one)) tried.add(`${type}.${name}`);
}

const lower = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1);
