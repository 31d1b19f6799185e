import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { appendEntries, saltedIds } from '../../schema/database/audit/audit-log.ts';
import { HUB_PRINCIPAL, type Principal } from '../kit/auth/principal.ts';
import { Host } from '../kit/host/host.ts';
import { hubCall, loadKeys } from '../kit/host/services.ts';
import { silentLog } from '../kit/log.ts';
import { createTestDatabase } from '../kit/testing/test-database.ts';
import hub, { HUB_INSTALLATION } from './index.ts';

const USCC = '91350100M000100Y43';
const OTHER = '91110000MA00000077';

describe('consents and the access log', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let host: Host;
  const company: Principal = { ...HUB_PRINCIPAL, subject: 'ms-lin', client: 'company-app', companies: [USCC] };
  const ask = async (query: string, variables: Record<string, unknown> = {}, principal: Principal = company) => {
    const call = { ...hubCall(5_000, new AbortController().signal), principal };
    const answer = await host.subgraph.execute({ query, variables, call });
    // biome-ignore lint/suspicious/noExplicitAny: responses are read by path
    return { data: JSON.parse(JSON.stringify(answer.data ?? null)) as any, errors: answer.errors };
  };
  const entities = (uscc: string, selection: string, principal?: Principal) =>
    ask(
      `query ($of: [_Any!]!) { _entities(representations: $of) { ... on Company { ${selection} } } }`,
      { of: [{ __typename: 'Company', uscc }] },
      principal,
    );
  const grant = (input: Record<string, unknown>, principal?: Principal) =>
    ask(
      'mutation ($input: GrantConsentInput!) { grantConsent(input: $input) { clientMutationId consent { id client purpose revokedAt } } }',
      { input: { clientMutationId: 'g1', uscc: USCC, client: 'city-portal', purpose: 'tax', ...input } },
      principal,
    );

  beforeAll(async () => {
    database = await createTestDatabase();
    host = await Host.open({
      connector: hub,
      installations: [HUB_INSTALLATION],
      parks: [],
      database,
      keys: await loadKeys(database),
      log: silentLog,
    });
  });
  afterAll(async () => {
    await host?.close();
    await database?.drop();
  });

  test('a company grants, lists and revokes a consent; a repeated clientMutationId returns the same one', async () => {
    const { data, errors } = await grant({});
    expect(errors).toBeUndefined();
    const { consent } = data.grantConsent;
    expect(consent).toMatchObject({ client: 'city-portal', purpose: 'tax', revokedAt: null });
    expect((await grant({})).data.grantConsent.consent.id).toBe(consent.id);
    expect((await grant({ purpose: 'loan' })).errors?.[0]?.extensions?.['code']).toBe('BAD_USER_INPUT');
    const listed = await entities(USCC, 'consents(active: true) { id company { uscc } grantedAt expiresAt }');
    expect(listed.data._entities[0].consents).toMatchObject([{ id: consent.id, company: { uscc: USCC } }]);
    const revoke =
      'mutation ($id: ID!) { revokeConsent(input: { clientMutationId: "r1", consent: $id }) { consent { revokedAt } } }';
    const ended = await ask(revoke, { id: consent.id });
    expect(ended.data.revokeConsent.consent.revokedAt).toMatch(/^20/);
    expect((await entities(USCC, 'consents(active: true) { id }')).data._entities[0].consents).toEqual([]);
    expect((await entities(USCC, 'consents(active: false) { id }')).data._entities[0].consents).toHaveLength(1);
  });

  test('rejects granting, revoking or reading the consents of another company', async () => {
    const codeOf = (answer: {
      errors?: readonly { extensions?: Readonly<Record<string, unknown>> | undefined }[] | undefined;
    }) => answer.errors?.[0]?.extensions?.['code'];
    const foreign: Principal = { ...company, companies: [OTHER] };
    const all: Principal = { ...company, companies: null };
    expect(codeOf(await grant({ clientMutationId: 'g2' }, foreign))).toBe('FORBIDDEN');
    expect(codeOf(await grant({ clientMutationId: 'g2' }, all))).toBe('FORBIDDEN');
    // Another company is null, as if it did not exist.
    expect((await entities(USCC, 'consents { id }', foreign)).data._entities).toEqual([null]);
    expect((await entities(USCC, 'accessLog { nodes { id } }', foreign)).data._entities).toEqual([null]);
    const { data } = await grant({ clientMutationId: 'g3' });
    const revoke = `mutation { revokeConsent(input: { clientMutationId: "r2", consent: "${data.grantConsent.consent.id}" }) { clientMutationId } }`;
    expect(codeOf(await ask(revoke, {}, foreign))).toBe('FORBIDDEN');
    for (const wrong of [{ purpose: 'Tax!' }, { client: '' }, { expiresAt: '2020-01-01T00:00:00Z' }]) {
      expect(codeOf(await grant({ clientMutationId: 'g4', ...wrong }))).toBe('BAD_USER_INPUT');
    }
  });

  test('pages the access log in both directions, oldest first, with entries of this company only', async () => {
    const salted = await saltedIds(database.plain, 'Company', [USCC, OTHER], (_, id) => `salted-${id}`);
    const rows = Array.from({ length: 7 }, (_, i) => ({
      number: i + 1,
      time: new Date(Date.UTC(2026, 2, 1, 8, i)),
      body: JSON.stringify({
        who: [
          { subject: `reader-${i}`, client: 'portal' },
          { subject: 'reader-x', client: 'portal' },
        ],
        purpose: 'tax',
        basis: 'consent:tax',
        fields: ['TaxAccount.standing'],
        count: 2,
        outcome: 'ALLOWED',
      }),
      hash: Buffer.alloc(32, i),
      companies: [salted.get(i === 3 ? OTHER : USCC) as string],
    }));
    await appendEntries(database.plain, 'c1', rows);
    const page = async (args: string) =>
      (
        await entities(
          USCC,
          `accessLog(${args}) { totalCount nodes { id time subject client legalBasis purpose fields count outcome hash } pageInfo { endCursor startCursor hasNextPage hasPreviousPage } }`,
        )
      ).data._entities[0].accessLog;
    const first = await page('first: 4');
    expect(first.totalCount).toBe(6);
    expect(first.nodes.map((item: { id: string }) => item.id)).toEqual(['c1:1', 'c1:2', 'c1:3', 'c1:5']);
    expect(first.nodes[0]).toMatchObject({
      subject: 'reader-0, reader-x',
      client: 'portal',
      outcome: 'ALLOWED',
      count: 2,
    });
    const next = await page(`first: 4, after: "${first.pageInfo.endCursor}"`);
    expect([next.nodes.length, next.pageInfo.hasNextPage]).toEqual([2, false]);
    const back = await page(`last: 2, before: "${next.pageInfo.startCursor}"`);
    expect(back.nodes.map((item: { id: string }) => item.id)).toEqual(['c1:3', 'c1:5']);
    expect((await page('first: 9, time: { from: "2026-03-01T08:05:00Z" }')).nodes).toHaveLength(2);
  });
});
