/** A government e-service portal end to end: with a company's consent it files, follows and reads; the company sees every step. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifyAnswer } from '../gateway/trust/signing/response-signature.ts';
import { openDemoIssuer } from '../gateway/trust/tokens/demo-issuer.ts';
import { type Answer, FORMS, until, type WholeHub, wholeHub } from './hub.ts';

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

// In seven processes too by `npm run test:portal`.
const forms = process.env['ISTHMUS_FORMS'] === 'all' ? FORMS : FORMS.slice(0, 1);

describe.each(forms)('the portal, %s', (form) => {
  let whole: WholeHub;
  let uscc = '';
  let portal = '';
  let company = '';
  const code = (answer: Answer) => answer.errors?.[0]?.extensions['code'];
  const isthmus = (...args: string[]) => {
    const cli = join(import.meta.dirname, '..', 'gateway', 'cli.ts');
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', cli, ...args], {
      env: { ...process.env, DATABASE_URL: whole.databaseUrl, ISTHMUS_DATA: whole.data },
      encoding: 'utf8',
    });
    return { status, said: stdout + stderr };
  };
  const entries = async (): Promise<Entry[]> =>
    (await whole.ask(LOG, { uscc }, { token: company })).data.company.accessLog.nodes;

  beforeAll(async () => {
    whole = await wholeHub(form);
    uscc = whole.world.companies[0]?.uscc ?? '';
    const issuer = await openDemoIssuer(whole.data);
    const token = (role: string, client: string, subject: string) =>
      issuer.sign({ role, client, subject, companies: [uscc], seconds: 600 });
    portal = await token('portal', 'city-portal', 'clerk-12');
    company = await token('company', 'company-app', 'ms-lin');
    await until('the tax office has told of the company', 90, async () => {
      const { data } = await whole.ask(TAX, { uscc });
      return data?.company?.tax?.standing;
    });
  }, 180_000);
  afterAll(async () => {
    await whole?.close();
  }, 60_000);

  test('without consent the tax data stay closed; with it they open; the company gives it, nobody else', async () => {
    const before = await whole.ask(TAX, { uscc }, { token: portal });
    expect([before.data.company.tax, code(before)]).toEqual([null, 'CONSENT_REQUIRED']);
    expect(code(await whole.ask(GRANT, { uscc, id: 'g0' }, { token: portal }))).toBe('FORBIDDEN');
    expect(code(await whole.ask(GRANT, { uscc, id: 'g0' }))).toBe('FORBIDDEN');
    const granted = await whole.ask(GRANT, { uscc, id: 'g1' }, { token: company });
    expect(granted.errors).toBeUndefined();
    const after = await whole.ask(TAX, { uscc }, { token: portal });
    expect(after.errors).toBeUndefined();
    expect(after.data.company.tax.standing).toMatch(/^[A-Z_]+$/);
  });

  test('it files a change, asks for a clearance, follows both; a revoked consent is gone from the next event', async () => {
    const live = whole.listen(FOLLOW, { uscc }, portal);
    const events = () =>
      live.deliveries.flatMap((one) =>
        (one.data?.events?.events ?? []).map(
          (event: { case: { kind: string }; state: string; company: { tax: unknown } }) => ({
            kind: event.case?.kind,
            state: event.state,
            tax: event.company?.tax,
            code: one.errors?.[0]?.extensions?.code,
          }),
        ),
      );
    const one = whole.world.companies[0];
    await new Promise((resolve) => setTimeout(resolve, 500));
    const filed = await whole.ask(
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
    const first = await until('the filing is told', 30, () => events().find((event) => event.kind === 'REGISTRATION'));
    expect(first).toMatchObject({ tax: { standing: expect.any(String) }, code: undefined });

    const { data } = await whole.ask(
      'query ($uscc: USCC!) { company(uscc: $uscc) { consents(active: true) { id client purpose } } }',
      { uscc },
      { token: company },
    );
    expect(data.company.consents).toMatchObject([{ client: 'city-portal', purpose: 'tax' }]);
    const ended = await whole.ask(
      'mutation ($id: ID!) { revokeConsent(input: { clientMutationId: "r1", consent: $id }) { consent { revokedAt } } }',
      { id: data.company.consents[0].id },
      { token: company },
    );
    expect(ended.errors).toBeUndefined();

    const asked = await whole.ask(
      CLEARANCE,
      { input: { clientMutationId: 'clearance-1', installation: 'lakeside-tax', uscc, until: '2026-01' } },
      { token: portal },
    );
    expect(asked.errors).toBeUndefined();
    expect(asked.data.requestTaxClearance.case).toMatchObject({ kind: 'TAX_CLEARANCE', state: 'SENT' });
    const sent = await until('the request is told', 30, () => events().find((event) => event.kind === 'TAX_CLEARANCE'));
    expect(sent).toMatchObject({ state: 'SENT', tax: null, code: 'CONSENT_REQUIRED' });
    await until('the reply file moves the case', 60, () =>
      events().some((event) => event.kind === 'TAX_CLEARANCE' && event.state !== 'SENT'),
    );
    live.stop();
  }, 120_000);

  test("every step is in the company's access log, and reading the log is too", async () => {
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
    const foreign = await whole.ask(LOG, { uscc: whole.world.companies[1]?.uscc ?? '' }, { token: company });
    expect(foreign.data.company?.accessLog ?? null).toBeNull();
  });

  test('the log and a signed answer verify without the hub, and not when a byte is changed', async () => {
    const log = join(whole.data, 'audit.jsonl');
    const exported = isthmus('export', 'audit', log);
    expect(exported).toMatchObject({ status: 0, said: expect.stringMatching(/^Compared with \d+ head files?\.$/m) });
    const keys = join(whole.data, 'keys.json');
    writeFileSync(keys, await (await fetch(`${whole.url}/.well-known/isthmus-keys.json`)).text());
    const verified = isthmus('audit', 'verify', log, '--keys', keys, '--heads', join(whole.data, 'audit-heads'));
    expect(verified.said).toContain('Whole: ');
    expect(verified.status).toBe(0);

    const answer = await whole.ask(TAX, { uscc }, { token: company, extensions: { sign: true } });
    const file = join(whole.data, 'answer.json');
    writeFileSync(file, JSON.stringify(answer, null, 2));
    expect(isthmus('verify', file, '--keys', keys).said).toContain('As signed at');
    const [proof] = answer.extensions.provenance;
    expect(proof).toMatchObject({ source: 'lakeside-tax', path: expect.arrayContaining(['company']) });
    const changed = (from: string, to: string) => verifyAnswer(JSON.parse(JSON.stringify(answer).replace(from, to)));
    expect((await changed('"nothing there"', '')).fault).toBeNull();
    expect((await changed('"source":"lakeside-tax"', '"source":"another"')).fault).toContain(
      'not those that were signed',
    );
    const { standing } = answer.data.company.tax;
    expect((await changed(`"standing":"${standing}"`, '"standing":"UNKNOWN_"')).fault).not.toBeNull();
    writeFileSync(file, JSON.stringify(answer).replace(uscc, '91500112000060409Q'));
    expect(isthmus('verify', file)).toMatchObject({ status: 1, said: expect.stringContaining('Not as signed') });
  }, 60_000);

  test('a row that the database alone was given is named by the export, and the hub goes on in a chain of its own', async () => {
    const forged = `replace(body, '"number":' || number, '"number":' || number + 1)`;
    const [row] = await whole.hub.database.plain.query(`
      INSERT INTO audit_entry SELECT chain, number + 1, time, ${forged}, sha256(hash || convert_to(${forged}, 'UTF8'))
      FROM audit_entry ORDER BY time DESC, number DESC LIMIT 1 RETURNING chain, number`);
    const log = join(whole.data, 'forged.jsonl');
    const { status, said } = isthmus('export', 'audit', log);
    expect(said).toContain(`First broken entry: number ${row.number} of chain ${row.chain}`);
    expect(status).toBe(1);
    await until('the hub writes again', 10, async () => !(await whole.ask(TAX, { uscc }, { token: company })).errors);
    const again = isthmus('export', 'audit', log);
    expect(again.said).toContain(`the chain ${row.chain} was ended by its process`);
    expect(again.said).toMatch(/^Broken: \d+ entries in 2 chains/m);
  }, 60_000);
});
