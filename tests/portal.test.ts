/** A government e-service portal end to end: with a company's consent it files, subscribes and reads; the company sees every step. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifyResponse } from '../gateway/trust/signing/response-signature.ts';
import { openDemoIssuer } from '../gateway/trust/tokens/demo-issuer.ts';
import { isthmusArgs } from './run-isthmus.ts';
import { DEPLOYMENTS, type GraphqlResponse, startTestHub, type TestHub, waitFor } from './test-hub.ts';

const GRANT = `mutation ($uscc: USCC!, $id: ID!) {
  grantConsent(input: { clientMutationId: $id, uscc: $uscc, client: "city-portal", purpose: "tax" }) { consent { id } }
}`;
const TAX = 'query ($uscc: USCC!) { company(uscc: $uscc) { tax { standing provenance { source recordedAt } } } }';
const SUBMIT = `mutation ($input: SubmitRegistrationInput!) {
  submitRegistration(input: $input) { receipt case { id state kind } }
}`;
const CLEARANCE = `mutation ($input: RequestTaxClearanceInput!) {
  requestTaxClearance(input: $input) { case { id state kind } }
}`;
const FOLLOW = `subscription ($uscc: USCC!) {
  events(filter: { company: { eq: $uscc }, kind: { in: [CASE_CHANGED] } }) {
    ... on EventsBatch { events { kind company { uscc tax { standing } } ... on CaseChanged { state case { id kind } } } }
  }
}`;
const LOG = `query ($uscc: USCC!) {
  company(uscc: $uscc) { accessLog(last: 100) { nodes { time subject client purpose legalBasis fields count outcome hash } } }
}`;

interface Entry {
  readonly subject: string;
  readonly client: string;
  readonly purpose: string | null;
  readonly legalBasis: string;
  readonly fields: readonly string[];
  readonly outcome: string;
}

// `npm run test:portal` also runs it with seven processes.
const forms = process.env['ISTHMUS_FORMS'] === 'all' ? DEPLOYMENTS : DEPLOYMENTS.slice(0, 1);

describe.each(forms)('the portal, %s', (form) => {
  let testHub: TestHub;
  let uscc = '';
  let portal = '';
  let company = '';
  const code = (answer: GraphqlResponse) => answer.errors?.[0]?.extensions['code'];
  const isthmus = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, isthmusArgs(...args), {
      env: { ...process.env, DATABASE_URL: testHub.databaseUrl, ISTHMUS_DATA: testHub.data },
      encoding: 'utf8',
    });
    return { status, output: stdout + stderr };
  };
  const entries = async (): Promise<Entry[]> =>
    (await testHub.query(LOG, { uscc }, { token: company })).data.company.accessLog.nodes;

  beforeAll(async () => {
    testHub = await startTestHub(form);
    uscc = testHub.world.companies[0]?.uscc ?? '';
    const issuer = await openDemoIssuer(testHub.data);
    const token = (role: string, client: string, subject: string) =>
      issuer.sign({ role, client, subject, companies: [uscc], seconds: 600 });
    portal = await token('portal', 'city-portal', 'clerk-12');
    company = await token('company', 'company-app', 'ms-lin');
    await waitFor('the company has tax data', 90, async () => {
      const { data } = await testHub.query(TAX, { uscc });
      return data?.company?.tax?.standing;
    });
  }, 180_000);
  afterAll(async () => {
    await testHub?.close();
  }, 60_000);

  test('may read tax data only with consent, which only the company can grant', async () => {
    const before = await testHub.query(TAX, { uscc }, { token: portal });
    expect([before.data.company.tax, code(before)]).toEqual([null, 'CONSENT_REQUIRED']);
    expect(code(await testHub.query(GRANT, { uscc, id: 'g0' }, { token: portal }))).toBe('FORBIDDEN');
    expect(code(await testHub.query(GRANT, { uscc, id: 'g0' }))).toBe('FORBIDDEN');
    const granted = await testHub.query(GRANT, { uscc, id: 'g1' }, { token: company });
    expect(granted.errors).toBeUndefined();
    const after = await testHub.query(TAX, { uscc }, { token: portal });
    expect(after.errors).toBeUndefined();
    expect(after.data.company.tax.standing).toMatch(/^[A-Z_]+$/);
  });

  test('files a change, requests a clearance and follows both; a revoked consent applies from the next event', async () => {
    const live = testHub.subscribe(FOLLOW, { uscc }, portal);
    const events = () =>
      live.deliveries.flatMap((delivery) =>
        (delivery.data?.events?.events ?? []).map(
          (event: { case: { kind: string }; state: string; company: { tax: unknown } }) => ({
            kind: event.case?.kind,
            state: event.state,
            tax: event.company?.tax,
            code: delivery.errors?.[0]?.extensions?.code,
          }),
        ),
      );
    const one = testHub.world.companies[0];
    await new Promise((resolve) => setTimeout(resolve, 500));
    const filed = await testHub.query(
      SUBMIT,
      {
        input: {
          clientMutationId: 'filing-1',
          installation: 'lakeside-register',
          uscc,
          legalName: one?.name ?? '',
          legalRepresentative: '林样',
          capital: { value: '5000000', currency: 'CNY' },
          scope: '软件开发',
          address: '样例路 1 号',
        },
      },
      { token: portal },
    );
    expect(filed.errors).toBeUndefined();
    expect(filed.data.submitRegistration.receipt).toBeTruthy();
    const first = await waitFor('the filing is reported', 30, () =>
      events().find((event) => event.kind === 'REGISTRATION'),
    );
    expect(first).toMatchObject({ tax: { standing: expect.any(String) }, code: undefined });

    const { data } = await testHub.query(
      'query ($uscc: USCC!) { company(uscc: $uscc) { consents(active: true) { id client purpose } } }',
      { uscc },
      { token: company },
    );
    expect(data.company.consents).toMatchObject([{ client: 'city-portal', purpose: 'tax' }]);
    const ended = await testHub.query(
      'mutation ($id: ID!) { revokeConsent(input: { clientMutationId: "r1", consent: $id }) { consent { revokedAt } } }',
      { id: data.company.consents[0].id },
      { token: company },
    );
    expect(ended.errors).toBeUndefined();

    const requested = await testHub.query(
      CLEARANCE,
      { input: { clientMutationId: 'clearance-1', installation: 'lakeside-tax', uscc, until: '2026-01' } },
      { token: portal },
    );
    expect(requested.errors).toBeUndefined();
    expect(requested.data.requestTaxClearance.case).toMatchObject({ kind: 'TAX_CLEARANCE', state: 'SENT' });
    const sent = await waitFor('the request is reported', 30, () =>
      events().find((event) => event.kind === 'TAX_CLEARANCE'),
    );
    expect(sent).toMatchObject({ state: 'SENT', tax: null, code: 'CONSENT_REQUIRED' });
    await waitFor('the reply file moves the case', 60, () =>
      events().some((event) => event.kind === 'TAX_CLEARANCE' && event.state !== 'SENT'),
    );
    live.stop();
  }, 120_000);

  test("records every step in the company's access log, also reading the log", async () => {
    await entries();
    const log = await entries();
    const has = (wanted: Partial<Entry>, field: string) =>
      log.some(
        (one) =>
          one.fields.includes(field) &&
          Object.entries(wanted).every(([name, value]) => one[name as keyof Entry] === value),
      );
    const clerk = { subject: 'clerk-12', client: 'city-portal' };
    expect(has({ ...clerk, outcome: 'REFUSED', legalBasis: 'none' }, 'Company.tax')).toBe(true);
    expect(has({ ...clerk, outcome: 'ALLOWED', legalBasis: 'consent:tax' }, 'TaxAccount.standing')).toBe(true);
    expect(has({ ...clerk, outcome: 'ALLOWED' }, 'Mutation.submitRegistration')).toBe(true);
    expect(has({ ...clerk, outcome: 'ALLOWED' }, 'Mutation.requestTaxClearance')).toBe(true);
    expect(has({ ...clerk, outcome: 'ALLOWED' }, 'CaseChanged.state')).toBe(true);
    const lin = { subject: 'ms-lin', client: 'company-app', outcome: 'ALLOWED', legalBasis: 'own' };
    expect(has(lin, 'Mutation.grantConsent')).toBe(true);
    expect(has(lin, 'Mutation.revokeConsent')).toBe(true);
    expect(has(lin, 'AccessLogEntry.hash')).toBe(true);
    const foreign = await testHub.query(LOG, { uscc: testHub.world.companies[1]?.uscc ?? '' }, { token: company });
    expect(foreign.data.company?.accessLog ?? null).toBeNull();
  });

  test('the audit export and a signed response verify without the hub, and fail when a byte changes', async () => {
    const log = join(testHub.data, 'audit.jsonl');
    const exported = isthmus('export', 'audit', log);
    expect(exported).toMatchObject({ status: 0, output: expect.stringMatching(/^Compared with \d+ head files?\.$/m) });
    const keys = join(testHub.data, 'keys.json');
    writeFileSync(keys, await (await fetch(`${testHub.url}/.well-known/isthmus-keys.json`)).text());
    const verified = isthmus('audit', 'verify', log, '--keys', keys, '--heads', join(testHub.data, 'audit-heads'));
    expect(verified.output).toContain('Valid: ');
    expect(verified.status).toBe(0);

    const answer = await testHub.query(TAX, { uscc }, { token: company, extensions: { sign: true } });
    const file = join(testHub.data, 'answer.json');
    writeFileSync(file, JSON.stringify(answer, null, 2));
    expect(isthmus('verify', file, '--keys', keys).output).toContain('Signature valid: signed at');
    const [proof] = answer.extensions.provenance;
    expect(proof).toMatchObject({ source: 'lakeside-tax', path: expect.arrayContaining(['company']) });
    const changed = (from: string, to: string) => verifyResponse(JSON.parse(JSON.stringify(answer).replace(from, to)));
    expect((await changed('"nothing there"', '')).error).toBeNull();
    expect((await changed('"source":"lakeside-tax"', '"source":"another"')).error).toContain(
      'were changed after signing',
    );
    const { standing } = answer.data.company.tax;
    expect((await changed(`"standing":"${standing}"`, '"standing":"UNKNOWN_"')).error).not.toBeNull();
    writeFileSync(file, JSON.stringify(answer).replace(uscc, '91500112000060409Q'));
    expect(isthmus('verify', file)).toMatchObject({ status: 1, output: expect.stringContaining('Signature invalid') });
  }, 60_000);

  test('the export names a row inserted directly into the database, and the hub continues in a new chain', async () => {
    const forged = `replace(body, '"number":' || number, '"number":' || number + 1)`;
    const [row] = await testHub.hub.database.plain.query(`
      INSERT INTO audit_entry SELECT chain, number + 1, time, ${forged}, sha256(hash || convert_to(${forged}, 'UTF8'))
      FROM audit_entry ORDER BY time DESC, number DESC LIMIT 1 RETURNING chain, number`);
    const log = join(testHub.data, 'forged.jsonl');
    const { status, output } = isthmus('export', 'audit', log);
    expect(output).toContain(`First invalid entry: number ${row.number} of chain ${row.chain}`);
    expect(status).toBe(1);
    await waitFor(
      'the hub writes again',
      10,
      async () => !(await testHub.query(TAX, { uscc }, { token: company })).errors,
    );
    const again = isthmus('export', 'audit', log);
    expect(again.output).toContain(`chain ${row.chain} was ended by its process`);
    expect(again.output).toMatch(/^Invalid: \d+ entries in 2 chains/m);
  }, 60_000);
});
