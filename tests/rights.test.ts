/** The table of docs/security.md, asked cell by cell of a whole hub, with every call to an island counted. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSchema } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROLE_NAMES, type RoleName } from '../connectors/kit/auth/roles.ts';
import { readJournal } from '../connectors/kit/testing/simulator.ts';
import { readRightsTable } from '../gateway/trust/rights/rights-table.ts';
import { openDemoIssuer } from '../gateway/trust/tokens/demo-issuer.ts';
import { type Answer, until, type WholeHub, wholeHub } from './hub.ts';
import { Questions } from './questions.ts';

const ROOT = join(import.meta.dirname, '..');
const table = readRightsTable(readFileSync(join(ROOT, 'docs', 'security.md'), 'utf8'));
const schema = buildSchema(readFileSync(join(ROOT, 'schema', 'api.graphql'), 'utf8'));
const REASON: Readonly<Record<string, string>> = { no: 'FORBIDDEN', consent: 'CONSENT_REQUIRED' };
const REFUSED = new Set(['FORBIDDEN', 'CONSENT_REQUIRED', 'UNAUTHENTICATED']);

/** Longer than any island's answer counts as fresh, in milliseconds. */
const LONGEST_FRESH = 31_000;

describe('what each role gets', () => {
  let whole: WholeHub;
  let questions: Questions;
  let uscc = '';
  const tokens = {} as Record<RoleName, string>;
  let toIslands = 0;
  const count = (message: unknown) => {
    const { operation, system } = message as { operation: string; system: string };
    // What the hub does by itself says so in its name.
    if (system !== 'hub' && !/^(check|poll)\b/.test(operation)) toIslands += 1;
  };
  /** What the vendors' own journals say they were asked. */
  const served = () =>
    readJournal(join(whole.directory, 'parking')).length + readJournal(join(whole.directory, 'registration')).length;

  const ask = (document: string, role: RoleName): Promise<Answer> => whole.ask(document, {}, { token: tokens[role] });
  /** The answer, and how many calls it made to islands, by the guards and by the vendors' journals. */
  async function counted(document: string, role: RoleName) {
    const before = { toIslands, served: served() };
    const answer = await ask(document, role);
    return {
      answer,
      toIslands: toIslands - before.toIslands,
      served: served() - before.served,
    };
  }

  beforeAll(async () => {
    whole = await wholeHub('embedded', { quiet: true });
    const issuer = await openDemoIssuer(whole.data);
    const sign = (role: RoleName, companies: string[]) =>
      issuer.sign({ role, parks: ['lakeside'], companies, seconds: 600 });
    const sample = await until('a company with everything', 90, async () => {
      const { data } = await whole.ask(
        '{ companies(first: 50) { nodes { uscc vehicles(first: 1) { nodes { id } } badges(first: 1, active: true) { nodes { id holder { name } } } meters(first: 1) { nodes { id } } tax { standing } presence { people(first: 1) { nodes { id } } } } } }',
      );
      return data?.companies.nodes.find(
        (one: Record<string, { nodes?: { holder?: unknown }[] }>) =>
          ['vehicles', 'badges', 'meters'].every((name) => one[name]?.nodes?.length) &&
          one['tax'] &&
          one['badges']?.nodes?.[0]?.holder,
      );
    });
    uscc = sample.uscc;
    for (const role of ROLE_NAMES) {
      const named = role === 'portal' || role === 'company';
      tokens[role] = await (named
        ? sign(role, [uscc])
        : issuer.sign({ role, seconds: 600, ...(role === 'operator' ? { parks: ['lakeside'] } : {}) }));
    }
    const doors = await whole.ask('{ building(id: "lakeside-b01") { doors { id } } }');
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
    // Walked from the root fields that have a sample, so that every row on the way is there.
    questions = new Questions(schema, samples, (root) => `Query.${root}` in samples);
    subscribe('isthmus:source:call', count);
  }, 120_000);

  afterAll(async () => {
    unsubscribe('isthmus:source:call', count);
    await whole?.close();
  }, 60_000);

  test('every protected field, every role: as the table says, and what is refused is not fetched', async () => {
    const wrong: string[] = [];
    let asked = 0;
    for (const [coordinate, cells] of table) {
      const [type = '', name = ''] = coordinate.split('.');
      if (type === 'Subscription') continue;
      const owner = schema.getType(type);
      const told = name === '*' && owner && 'getFields' in owner ? Object.keys(owner.getFields()) : [name];
      const fields = told.filter((field) => name !== '*' || !table.has(`${type}.${field}`));
      for (const field of fields) {
        const question = questions.ask(type, field);
        if (!question) {
          wrong.push(`${type}.${field} cannot be reached`);
          continue;
        }
        for (const role of ROLE_NAMES) {
          asked += 1;
          const cell = cells[role] ?? '';
          const refusedAt = question.coordinates.findIndex((one) => isRefused(one, role));
          // What lies before the first refused field may be fetched, and nothing more: it goes first and is kept fresh for the whole.
          let free = await counted(question.document(refusedAt), role);
          let full = await counted(question.document(), role);
          if (refusedAt >= 0 && full.toIslands > free.toIslands) {
            // Its freshness may have ended between the two; once all of it has ended, they are asked again.
            await new Promise((resolve) => setTimeout(resolve, LONGEST_FRESH));
            free = await counted(question.document(refusedAt), role);
            full = await counted(question.document(), role);
          }
          const codes = (full.answer.errors ?? [])
            .map((one) => String(one.extensions['code']))
            .filter((one) => REFUSED.has(one));
          const where = `${type}.${field} as ${role}: ${cell}, got ${codes.join(' ') || 'an answer'}`;
          if (cell === 'yes' || cell === 'masked') {
            if (codes.length > 0 && !question.coordinates.some((one) => isRefused(one, role))) wrong.push(where);
            continue;
          }
          // Events of a kind that it may not read are not in the list at all: then there is no place for an error.
          const absent = question.coordinates[0] === 'Query.events' && codes.length === 0;
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
    expect(asked).toBeGreaterThan(300);
  }, 300_000);

  function isRefused(coordinate: string, role: RoleName): boolean {
    const row = table.get(coordinate) ?? table.get(`${coordinate.split('.')[0]}.*`);
    return row !== undefined && (row[role] === 'no' || row[role] === 'consent');
  }

  /** What is read live, of a company that nobody asked about before, and what the register or the car park journals of it. */
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
    '%s: nobody is asked for who may not, the island is for who may, and what is kept stays masked',
    async (name) => {
      const all = await whole.ask('{ companies(first: 50) { nodes { uscc } } }');
      const of = all.data.companies.nodes.filter((one: { uscc: string }) => one.uscc !== uscc)[
        Object.keys(LIVE).indexOf(name)
      ].uscc as string;
      const document = LIVE[name]?.(of) ?? '';
      // A portal and a company that act for another company, first: not one call.
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
        // Answered from what was read for the operator.
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

  test('one query, five truthful answers; what one may read never reaches another by way of a cache', async () => {
    const document = `{ company(uscc: "${uscc}") {
      registration { legalRepresentative legalRepresentativeMasked provenance { masked } }
      vehicles(first: 1) { nodes { plate plateMasked provenance { masked } } }
      presence { people(first: 1) { nodes { name nameMasked provenance { masked } } } }
      tax { standing } } }`;
    // All at once and in both orders, so that equal readings are shared below the rights.
    const order = [...ROLE_NAMES, ...[...ROLE_NAMES].reverse()];
    const before = { served: served() };
    const answers = await Promise.all(order.map(async (role) => ({ role, answer: await ask(document, role) })));
    // Each vendor was asked less often than callers came: one reading served several of them.
    expect(served() - before.served).toBeLessThan(2 * order.length - 3);
    const seen = (role: RoleName) => {
      const own = answers.filter((one) => one.role === role).map(({ answer }) => answer.data.company);
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

  test('a company sees itself and nobody else, an operator its own park', async () => {
    const all = await whole.ask('{ companies(first: 2, filter: {}) { nodes { uscc } } }');
    const other = all.data.companies.nodes.find((one: { uscc: string }) => one.uscc !== uscc).uscc as string;
    const document = `{ company(uscc: "${other}") { uscc } registeredCompany(uscc: "${other}") { uscc } companies { nodes { uscc } } events(first: 50) { nodes { company { uscc } } } }`;
    const { answer, toIslands } = await counted(document, 'company');
    expect(answer.errors).toBeUndefined();
    expect(answer.data).toMatchObject({
      company: null,
      registeredCompany: null,
      companies: { nodes: [{ uscc }] },
    });
    expect(
      answer.data.events.nodes.filter((one: { company: { uscc: string } | null }) => one.company?.uscc !== uscc),
    ).toEqual([]);
    expect(toIslands).toBe(0);
    const issuer = await openDemoIssuer(whole.data);
    const elsewhere = await issuer.sign({ role: 'operator', parks: ['riverside'], seconds: 60 });
    const seen = await whole.ask(
      '{ parks { id } park(id: "lakeside") { id } companies { nodes { uscc } } sources { id } building(id: "lakeside-b01") { id } }',
      {},
      { token: elsewhere },
    );
    expect(seen.data).toEqual({ parks: [], park: null, companies: { nodes: [] }, sources: [], building: null });
  });
});
