/** Checks the permission table of docs/security.md cell by cell against a hub, counting every call to a source. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSchema } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROLE_NAMES, type RoleName } from '../connectors/kit/auth/roles.ts';
import { readJournal } from '../connectors/kit/testing/simulator.ts';
import { readRightsTable } from '../gateway/trust/rights/rights-table.ts';
import { openDemoIssuer } from '../gateway/trust/tokens/demo-issuer.ts';
import { GeneratedQueries } from './generated-queries.ts';
import { type GraphqlResponse, startTestHub, type TestHub, waitFor } from './test-hub.ts';

const ROOT = join(import.meta.dirname, '..');
const table = readRightsTable(readFileSync(join(ROOT, 'docs', 'security.md'), 'utf8'));
const schema = buildSchema(readFileSync(join(ROOT, 'schema', 'api.graphql'), 'utf8'));
const REASON: Readonly<Record<string, string>> = { no: 'FORBIDDEN', consent: 'CONSENT_REQUIRED' };
const FORBIDDEN_CODES = new Set(['FORBIDDEN', 'CONSENT_REQUIRED', 'UNAUTHENTICATED']);

/** Longer than the longest freshness of any reading, in milliseconds. */
const LONGEST_FRESH = 31_000;

describe('permissions of each role', () => {
  let testHub: TestHub;
  let generated: GeneratedQueries;
  let uscc = '';
  const tokens = {} as Record<RoleName, string>;
  let toIslands = 0;
  const count = (message: unknown) => {
    const { operation, system } = message as { operation: string; system: string };
    // Operations of jobs and checks are named accordingly.
    if (system !== 'hub' && !/^(check|poll)\b/.test(operation)) toIslands += 1;
  };
  /** Number of calls in the vendors' own journals. */
  const served = () =>
    readJournal(join(testHub.directory, 'parking')).length +
    readJournal(join(testHub.directory, 'registration')).length;

  const query = (document: string, role: RoleName): Promise<GraphqlResponse> =>
    testHub.query(document, {}, { token: tokens[role] });
  /** The response, and its number of calls to sources, by the guards and by the vendors' journals. */
  async function counted(document: string, role: RoleName) {
    const before = { toIslands, served: served() };
    const answer = await query(document, role);
    return {
      answer,
      toIslands: toIslands - before.toIslands,
      served: served() - before.served,
    };
  }

  beforeAll(async () => {
    testHub = await startTestHub('embedded', { quiet: true });
    const issuer = await openDemoIssuer(testHub.data);
    const sign = (role: RoleName, companies: string[]) =>
      issuer.sign({ role, parks: ['lakeside'], companies, seconds: 600 });
    const sample = await waitFor('a company with everything', 90, async () => {
      const { data } = await testHub.query(
        '{ companies(first: 50) { nodes { uscc vehicles(first: 1) { nodes { id } } badges(first: 1, active: true) { nodes { id holder { name } } } meters(first: 1) { nodes { id } } tax { standing } presence { people(first: 1) { nodes { id } } } } } }',
      );
      return data?.companies.nodes.find(
        (node: Record<string, { nodes?: { holder?: unknown }[] }>) =>
          ['vehicles', 'badges', 'meters'].every((name) => node[name]?.nodes?.length) &&
          node['tax'] &&
          node['badges']?.nodes?.[0]?.holder,
      );
    });
    uscc = sample.uscc;
    for (const role of ROLE_NAMES) {
      const named = role === 'portal' || role === 'company';
      tokens[role] = await (named
        ? sign(role, [uscc])
        : issuer.sign({ role, seconds: 600, ...(role === 'operator' ? { parks: ['lakeside'] } : {}) }));
    }
    const doors = await testHub.query('{ building(id: "lakeside-b01") { doors { id } } }');
    const samples = {
      USCC: JSON.stringify(uscc),
      'from: DateTime': '"2026-01-01T00:00:00Z"',
      'to: DateTime': '"2026-01-02T00:00:00Z"',
      'Query.company': `uscc: "${uscc}"`,
      'Query.registeredCompany': `uscc: "${uscc}"`,
      'Query.building': 'id: "lakeside-b01"',
      'Query.vehicle': `id: "${sample.vehicles.nodes[0].id}"`,
      'Query.badge': `id: "${sample.badges.nodes[0].id}"`,
      'Query.door': `id: "${doors.data.building.doors[0].id}"`,
      'Query.meter': `id: "${sample.meters.nodes[0].id}"`,
      'Query.case': 'id: "lakeside-register:nowhere"',
      'Query.events': 'first: 5',
      'Mutation.grantConsent': `input: { clientMutationId: "m", uscc: "${uscc}", client: "c", purpose: "tax" }`,
    };
    // Starts from root fields that have a sample, so that every row on the path exists.
    generated = new GeneratedQueries(schema, samples, (root) => `Query.${root}` in samples);
    subscribe('isthmus:source:call', count);
  }, 120_000);

  afterAll(async () => {
    unsubscribe('isthmus:source:call', count);
    await testHub?.close();
  }, 60_000);

  test('every protected field and role behaves as documented, and forbidden fields are not fetched', async () => {
    const wrong: string[] = [];
    let checked = 0;
    for (const [coordinate, cells] of table) {
      const [type = '', name = ''] = coordinate.split('.');
      if (type === 'Subscription') continue;
      const owner = schema.getType(type);
      const names = name === '*' && owner && 'getFields' in owner ? Object.keys(owner.getFields()) : [name];
      const fields = names.filter((field) => name !== '*' || !table.has(`${type}.${field}`));
      for (const field of fields) {
        const generatedQuery = generated.forField(type, field);
        if (!generatedQuery) {
          wrong.push(`${type}.${field} cannot be reached`);
          continue;
        }
        for (const role of ROLE_NAMES) {
          checked += 1;
          const cell = cells[role] ?? '';
          const refusedAt = generatedQuery.coordinates.findIndex((coordinate) => isRefused(coordinate, role));
          // Only fields before the first forbidden one may be fetched. They are queried first, so they are cached for the full query.
          let free = await counted(generatedQuery.document(refusedAt), role);
          let full = await counted(generatedQuery.document(), role);
          if (refusedAt >= 0 && full.toIslands > free.toIslands) {
            // Cached readings may have expired between the two queries; retry once all have expired.
            await new Promise((resolve) => setTimeout(resolve, LONGEST_FRESH));
            free = await counted(generatedQuery.document(refusedAt), role);
            full = await counted(generatedQuery.document(), role);
          }
          const codes = (full.answer.errors ?? [])
            .map((error) => String(error.extensions['code']))
            .filter((one) => FORBIDDEN_CODES.has(one));
          const where = `${type}.${field} as ${role}: ${cell}, got ${codes.join(' ') || 'an answer'}`;
          if (cell === 'yes' || cell === 'masked') {
            if (codes.length > 0 && !generatedQuery.coordinates.some((coordinate) => isRefused(coordinate, role)))
              wrong.push(where);
            continue;
          }
          // Events of a kind the caller may not read are absent, so there is no path for an error.
          const absent = generatedQuery.coordinates[0] === 'Query.events' && codes.length === 0;
          const value = new RegExp(`"${field}":(?!null)`);
          if (absent ? value.test(JSON.stringify(full.answer)) : !codes.includes(REASON[cell] ?? '')) wrong.push(where);
          if (full.toIslands > free.toIslands) {
            wrong.push(`${where}: ${full.toIslands} calls, ${free.toIslands} without it`);
          }
          if (refusedAt === 0 && full.toIslands + full.served > 0) wrong.push(`${where}: fetched`);
        }
      }
    }
    expect(wrong).toEqual([]);
    expect(checked).toBeGreaterThan(300);
  }, 300_000);

  function isRefused(coordinate: string, role: RoleName): boolean {
    const row = table.get(coordinate) ?? table.get(`${coordinate.split('.')[0]}.*`);
    return row !== undefined && (row[role] === 'no' || row[role] === 'consent');
  }

  /** Queries for live data of a company that was not queried before. */
  const LIVE: Readonly<Record<string, (uscc: string) => string>> = {
    parking: (of) => `{ company(uscc: "${of}") { vehicles(first: 1) { nodes { id plate plateMasked } } } }`,
    'parking sessions': (of) =>
      `{ company(uscc: "${of}") { parkingSessions(first: 1) { nodes { id vehicle { plate plateMasked } } } } }`,
    'the register': (of) =>
      `{ registeredCompany(uscc: "${of}") { registration { legalRepresentative legalRepresentativeMasked } } }`,
    'the door system': (of) =>
      `{ company(uscc: "${of}") { badges(first: 1) { nodes { holder { name nameMasked } } } } }`,
  };
  test.each(Object.keys(LIVE))(
    '%s: not called for callers without permission, called for permitted ones; cached values stay masked for others',
    async (name) => {
      const all = await testHub.query('{ companies(first: 50) { nodes { uscc } } }');
      const of = all.data.companies.nodes.filter((node: { uscc: string }) => node.uscc !== uscc)[
        Object.keys(LIVE).indexOf(name)
      ].uscc as string;
      const document = LIVE[name]?.(of) ?? '';
      // First a portal and a company that may not see this company: no call at all.
      for (const role of ['portal', 'company'] as const) {
        const none = await counted(document, role);
        expect([none.toIslands, none.served], role).toEqual([0, 0]);
      }
      const entitled = await counted(document, 'operator');
      expect(entitled.answer.errors).toBeUndefined();
      expect(entitled.toIslands).toBeGreaterThan(0);
      if (name !== 'the door system') expect(entitled.served).toBeGreaterThan(0);
      const open = JSON.stringify(entitled.answer.data);
      const secret = /"(?:plate|name)":"([^"]+)"/.exec(open)?.[1];
      const masked = await counted(document, 'developer');
      expect(masked.toIslands).toBeLessThanOrEqual(entitled.toIslands);
      if (secret) expect(JSON.stringify(masked.answer.data)).not.toContain(secret);
      if (name !== 'the door system') {
        // Answered from the reading of the operator.
        expect(masked.served).toBe(0);
        expect(JSON.stringify(masked.answer.data)).toMatch(/Masked":"[^"]*\*/);
      }
      for (const role of ['portal', 'company'] as const) {
        const again = await counted(document, role);
        expect([again.toIslands, again.served], role).toEqual([0, 0]);
        expect(JSON.stringify(again.answer.data), role).not.toMatch(/Masked":"/);
      }
    },
  );

  test('answers one query according to each of five roles, and caches leak nothing between them', async () => {
    const document = `{ company(uscc: "${uscc}") {
      registration { legalRepresentative legalRepresentativeMasked provenance { masked } }
      vehicles(first: 1) { nodes { plate plateMasked provenance { masked } } }
      presence { people(first: 1) { nodes { name nameMasked provenance { masked } } } }
      tax { standing } } }`;
    // All at once and in both orders, so that readings are shared between roles.
    const order = [...ROLE_NAMES, ...[...ROLE_NAMES].reverse()];
    const before = { served: served() };
    const answers = await Promise.all(order.map(async (role) => ({ role, answer: await query(document, role) })));
    // Fewer calls than callers: several callers shared a reading.
    expect(served() - before.served).toBeLessThan(2 * order.length - 3);
    const seen = (role: RoleName) => {
      const own = answers.filter((answer) => answer.role === role).map(({ answer }) => answer.data.company);
      expect(own[0]).toEqual(own[1]);
      return own[0];
    };
    const company = seen('company');
    expect(company.registration.legalRepresentative).toBeTruthy();
    expect(company.registration.provenance.masked).toEqual([]);
    const { plate } = company.vehicles.nodes[0];
    expect(plate).toMatch(/^\p{Script=Han}/u);
    const operator = seen('operator');
    expect(operator.vehicles.nodes[0].plate).toBe(plate);
    expect([operator.registration.legalRepresentative, operator.tax]).toEqual([null, null]);
    for (const role of ['analyst', 'developer'] as const) {
      const { vehicles, registration, presence } = seen(role);
      expect(vehicles.nodes[0].plate).toBeNull();
      expect(vehicles.nodes[0].plateMasked).toContain('*');
      expect(vehicles.nodes[0].provenance.masked).toEqual(['plate']);
      expect(registration.legalRepresentative).toBeNull();
      expect(registration.legalRepresentativeMasked).toContain('*');
      expect(JSON.stringify(seen(role))).not.toContain(plate);
      expect(presence?.people ?? null).toEqual(role === 'analyst' ? null : expect.anything());
    }
    const portal = seen('portal');
    expect([portal.vehicles, portal.presence, portal.tax]).toEqual([null, null, null]);
    expect(portal.registration.legalRepresentativeMasked).toContain('*');
  });

  test('a company sees only itself, an operator only its own park', async () => {
    const all = await testHub.query('{ companies(first: 2, filter: {}) { nodes { uscc } } }');
    const other = all.data.companies.nodes.find((node: { uscc: string }) => node.uscc !== uscc).uscc as string;
    const document = `{ company(uscc: "${other}") { uscc } registeredCompany(uscc: "${other}") { uscc } companies { nodes { uscc } } events(first: 50) { nodes { company { uscc } } } }`;
    const { answer, toIslands } = await counted(document, 'company');
    expect(answer.errors).toBeUndefined();
    expect(answer.data).toMatchObject({
      company: null,
      registeredCompany: null,
      companies: { nodes: [{ uscc }] },
    });
    expect(
      answer.data.events.nodes.filter((node: { company: { uscc: string } | null }) => node.company?.uscc !== uscc),
    ).toEqual([]);
    expect(toIslands).toBe(0);
    const issuer = await openDemoIssuer(testHub.data);
    const elsewhere = await issuer.sign({ role: 'operator', parks: ['riverside'], seconds: 60 });
    const seen = await testHub.query(
      '{ parks { id } park(id: "lakeside") { id } companies { nodes { uscc } } sources { id } building(id: "lakeside-b01") { id } }',
      {},
      { token: elsewhere },
    );
    expect(seen.data).toEqual({ parks: [], park: null, companies: { nodes: [] }, sources: [], building: null });
  });
});
