/** The SFTP folder: growing files, interrupted imports, rejected files, repeated deliveries, and the graph on top. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HUB_PRINCIPAL, type Principal } from '../kit/auth/principal.ts';
import type { Host } from '../kit/host/host.ts';
import { hubCall } from '../kit/host/services.ts';
import { createLog } from '../kit/log.ts';
import { openClient } from '../kit/testing/embedded-postgres.ts';
import { createWorld } from '../kit/testing/park/index.ts';
import { type RunningSimulator, readJournal } from '../kit/testing/simulator.ts';
import { clockFrom } from '../kit/testing/test-clock.ts';
import { createTestDatabase } from '../kit/testing/test-database.ts';
import { startInstallation } from '../kit/testing/test-installation.ts';
import tax from './index.ts';
import { generateInvoices } from './simulator/generated-data.ts';
import { simulator } from './simulator/index.ts';

const FIXTURES = join(import.meta.dirname, 'fixtures');
/** The two companies of the fixtures. */
const [A, B] = ['91500112000060409P', '91350100M000100Y43'];

describe('with the simulated tax office', () => {
  const demo = createWorld();
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-tax-'));
  const park = join(directory, 'drop', 'park');
  const lines: string[] = [];
  let running: RunningSimulator;
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let host: Host;
  let now: Date;

  const raw = (): Record<string, unknown> => ({
    url: running.env['LAKESIDE_TAX_URL'],
    password: running.env['LAKESIDE_TAX_PASSWORD'],
    hostKey: running.env['LAKESIDE_TAX_HOST_KEY'],
    companies: { '599999993': B },
    poll: '1h',
  });
  async function raise(id: string, extra: Record<string, unknown> = {}): Promise<Host> {
    return startInstallation(tax, { id, raw: { ...raw(), ...extra } }, database, {
      log: createLog((line) => lines.push(line)),
      clock: clockFrom(() => now),
      intervals: { checkUp: 60_000, checkDown: 60_000 },
    });
  }
  const everything: Principal = {
    ...HUB_PRINCIPAL,
    subject: 'test',
    consents: new Set(['tax']),
    scopes: new Set(['tax:read', 'tax:file']),
  };
  async function execute(query: string, variables: Record<string, unknown> = {}, principal = everything) {
    const call = { ...hubCall(10_000, AbortSignal.timeout(10_000)), principal };
    return host.subgraph.execute({ query, variables, call });
  }
  async function company<T>(uscc: string, selection: string, principal = everything): Promise<T> {
    const query = `query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { ${selection} } } }`;
    const answer = await execute(query, { r: [{ __typename: 'Company', uscc }] }, principal);
    expect(answer.errors).toBeUndefined();
    return (answer.data as { _entities: T[] })._entities[0] as T;
  }
  const fixture = (name: string): Buffer => readFileSync(join(FIXTURES, name));
  const upload = (name: string, bytes: Buffer, marker = true): void => {
    writeFileSync(join(park, name), bytes);
    if (marker) writeFileSync(join(park, `${name}.ok`), '');
  };
  const run = () => host.runJob('office', 'drop');
  const rows = <T>(sql: string, values: unknown[] = []): Promise<T[]> => database.plain.query(sql, values);
  const fileOf = async (bytes: Buffer) => {
    const digest = createHash('sha256').update(bytes).digest();
    const [row] = await rows<{
      state: string;
      reason: string;
      bytes: Buffer;
      rows: number;
      refused: number;
      notes: string[];
    }>('SELECT * FROM tax_file WHERE digest = $1', [digest]);
    return row;
  };
  const received = async (name: string) =>
    rows<{ data: { name: string; rows: number; refused: number } }>(
      `SELECT data FROM event WHERE kind = 'TAX_FILE_RECEIVED' AND data->>'name' = $1`,
      [name],
    );

  beforeAll(async () => {
    now = new Date();
    running = await simulator.start({
      ...{ directory, world: demo, now: () => now, history: 3 * 86_400_000, live: false },
    });
    database = await createTestDatabase();
    host = await raise('office');
    await run();
    await run();
  }, 60_000);
  afterAll(async () => {
    await host?.close();
    await running?.close();
    await database?.drop();
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  test('imports all files of the office and moves them to done', async () => {
    expect(readdirSync(park).filter((name) => /\.(txt|csv|xml)(\.ok)?$/.test(name))).toEqual([]);
    const delivered = readJournal(directory, 'lay').map((item) => item['name']);
    expect(readdirSync(join(park, 'done')).sort()).toEqual(delivered.sort());
    expect(await rows(`SELECT state, count(*)::int AS n FROM tax_file GROUP BY 1`)).toEqual([
      { state: 'TAKEN', n: delivered.length },
    ]);
    const claims = await rows<{ n: number }>(
      `SELECT count(*)::int AS n FROM identity WHERE system = 'taxpayer-no' AND entity = 'COMPANY'`,
    );
    expect(claims[0]?.n).toBe(demo.companies.length);
    const names = await rows<{ uscc: string; value: string }>(
      `SELECT uscc, value FROM company_fact WHERE field = 'name' AND installation = 'office' AND NOT authority`,
    );
    expect(new Map(names.map((item) => [item.uscc, item.value]))).toEqual(
      new Map(demo.companies.map((item) => [item.uscc, item.name])),
    );
  });

  test('pages invoices in both directions, filters by day and amount, and leaves cancelled ones out of totals', async () => {
    // One company with domestic books, one delivered as SAF-T.
    for (const payer of [demo.companies[2]!, demo.companies[7]!]) {
      const months = await rows<{ month: string }>(
        `SELECT DISTINCT to_char(issued_on, 'YYYY-MM') AS month FROM tax_invoice WHERE company = $1 ORDER BY 1`,
        [payer.uscc],
      );
      const truth = months.flatMap(({ month }) => generateInvoices(demo, payer, month));
      type Page = {
        totalCount: number;
        nodes: {
          id: string;
          issuedOn: string;
          gross: { value: string };
          cancelled: boolean;
          original: string | null;
        }[];
        pageInfo: { startCursor: string; endCursor: string; hasNextPage: boolean; hasPreviousPage: boolean };
      };
      const page = async (args: string) =>
        (
          await company<{ tax: { invoices: Page } }>(
            payer.uscc,
            `tax { invoices(${args}) { totalCount nodes { id issuedOn gross { value currency } cancelled original }
              pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } }`,
          )
        ).tax.invoices;
      const whole = await page('first: 200');
      expect(whole.totalCount).toBe(truth.length);
      expect(whole.nodes.length).toBe(truth.length);
      const days = whole.nodes.map((node) => node.issuedOn);
      expect(days).toEqual([...days].sort().reverse());
      expect(whole.nodes.filter((node) => node.cancelled).length).toBe(truth.filter((bill) => bill.cancelled).length);
      const first = await page('first: 4');
      const second = await page(`first: 4, after: "${first.pageInfo.endCursor}"`);
      expect([...first.nodes, ...second.nodes]).toEqual(whole.nodes.slice(0, 8));
      const back = await page(`last: 3, before: "${second.pageInfo.startCursor}"`);
      expect(back.nodes).toEqual(whole.nodes.slice(1, 4));
      expect([back.pageInfo.hasPreviousPage, back.pageInfo.hasNextPage]).toEqual([true, true]);
      const from = whole.nodes[2]!.issuedOn;
      const later = await page(`first: 200, issued: { from: "${from}" }`);
      expect(later.nodes).toEqual(whole.nodes.filter((node) => node.issuedOn >= from));
      const dear = await page('first: 200, gross: { gt: "50000", lte: "80000.00" }');
      expect(dear.nodes).toEqual(
        whole.nodes.filter((node) => Number(node.gross.value) > 50_000 && Number(node.gross.value) <= 80_000),
      );
      const [before, last] = [months[0]!.month, months.at(-1)!.month];
      const { tax: sums } = await company<{
        tax: { totals: { period: string; invoices: number; net: { value: string } }[] };
      }>(
        payer.uscc,
        `tax { totals(from: "${before}", to: "${last}") { period invoices net { value currency } tax { value } } }`,
      );
      for (const { month } of months) {
        const counted = generateInvoices(demo, payer, month).filter((bill) => !bill.cancelled);
        const row = sums.totals.find((total) => total.period === month);
        expect(row?.invoices).toBe(counted.length);
        expect(Math.round(Number(row?.net.value) * 100)).toBe(counted.reduce((sum, bill) => sum + bill.net, 0));
      }
    }
  });

  test('presented totals have one row per period, also empty ones; rejects mixed or reversed periods', async () => {
    const { uscc } = demo.companies[0]!;
    const totals = async (from: string, to: string) => {
      const { tax: found } = await company<{ tax: { totals: { period: string; invoices: number }[] } }>(
        uscc,
        `tax { totals(from: "${from}", to: "${to}") { period invoices net { value currency } } }`,
      );
      return found.totals.map((row) => row.period);
    };
    expect(await totals('2019-11', '2020-02')).toEqual(['2019-11', '2019-12', '2020-01', '2020-02']);
    expect(await totals('2019-Q4', '2020-Q1')).toEqual(['2019-Q4', '2020-Q1']);
    expect(await totals('2019', '2019')).toEqual(['2019']);
    for (const [from, to] of [
      ['2019-11', '2020-Q1'],
      ['2020-02', '2020-01'],
      ['1900-01', '2020-01'],
    ]) {
      const answer = await execute(
        `query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { tax { totals(from: "${from}", to: "${to}") { period } } } } }`,
        { r: [{ __typename: 'Company', uscc }] },
      );
      expect(answer.errors?.[0]?.extensions?.['code']).toBe('BAD_USER_INPUT');
    }
  });

  test('returns null for companies that the caller may not see', async () => {
    const [own, other] = [demo.companies[0]!.uscc, demo.companies[1]!.uscc];
    const self = { ...everything, companies: [own] };
    expect((await company<{ tax: unknown }>(own, 'tax { standing }', self)).tax).toEqual({ standing: 'GOOD' });
    expect(await company(other, 'tax { standing }', self)).toBeNull();
    const elsewhere = { ...everything, parks: ['another'] };
    expect(await company(own, 'tax { standing }', elsewhere)).toBeNull();
  });

  test('ignores a growing file and imports one with a marker immediately', async () => {
    const bytes = fixture('invoices.in.csv');
    upload('growing.csv', bytes.subarray(0, 100), false);
    upload('.hidden.csv', bytes, false);
    upload('upload.csv.part', bytes, false);
    await run();
    upload('growing.csv', bytes.subarray(0, 200), false);
    await run();
    upload('growing.csv', bytes, false);
    await run();
    expect(existsSync(join(park, 'growing.csv'))).toBe(true);
    expect(await fileOf(bytes)).toBeUndefined();
    await run();
    expect(existsSync(join(park, 'growing.csv'))).toBe(false);
    expect((await fileOf(bytes))?.state).toBe('TAKEN');
    expect(readdirSync(park)).toContain('.hidden.csv');
    expect(readdirSync(park)).toContain('upload.csv.part');

    const marked = fixture('invoices-utf8.in.csv');
    upload('marked.csv', marked);
    await run();
    expect((await fileOf(marked))?.state).toBe('TAKEN');
    expect(readdirSync(park).some((name) => name.startsWith('marked'))).toBe(false);
  });

  test('serves the content of a file with its date as provenance', async () => {
    const { tax: found } = await company<{ tax: Record<string, unknown> }>(
      B,
      `tax { standing lastFiling { id } invoices(first: 1) { nodes { id issuedOn net { value currency } tax { value } gross { value } cancelled original
        provenance { source system recordedAt stale } } } provenance { recordedAt stale authority } }`,
    );
    expect(found).toEqual({
      standing: 'UNKNOWN',
      lastFiling: null,
      invoices: {
        nodes: [
          {
            ...{ id: '0012347', issuedOn: '2026-10-10', cancelled: false, original: '0012345' },
            ...{ net: { value: '-200.00', currency: 'CNY' }, tax: { value: '-26.00' }, gross: { value: '-226.00' } },
            provenance: { source: 'office', system: 'tax', recordedAt: '2026-11-20T18:11:00.000Z', stale: false },
          },
        ],
      },
      provenance: { recordedAt: '2026-11-20T18:11:00.000Z', stale: false, authority: true },
    });
  });

  test('imports a file that was left in claimed/', async () => {
    const bytes = fixture('saft.in.xml');
    writeFileSync(join(park, 'claimed', 'left.xml'), bytes);
    await run();
    expect(await fileOf(bytes)).toMatchObject({ state: 'TAKEN', notes: ['SIGNATURE_UNVERIFIED'] });
    expect(existsSync(join(park, 'done', 'left.xml'))).toBe(true);
    const { tax: found } = await company<{ tax: { invoices: { nodes: { id: string }[] } } }>(
      B,
      'tax { invoices(first: 10) { nodes { id } } }',
    );
    // The SAF-T file covers the company and month, but the CSV file has a later date and wins.
    expect(found.invoices.nodes.map((node) => node.id)).toEqual(['0012347']);
  });

  test('reports rejected rows with their lines; too many reject the file, with a reason file', async () => {
    const bytes = fixture('daily-faults.in.txt');
    upload('faults.txt', bytes);
    const before = await rows('SELECT * FROM tax_account WHERE company = $1', [A]);
    await run();
    const file = await fileOf(bytes);
    expect(file).toMatchObject({ state: 'REFUSED', reason: 'TOO_MANY_REFUSED', rows: 0, refused: 10 });
    expect(file?.bytes.equals(bytes)).toBe(true);
    expect(readFileSync(join(park, 'refused', 'faults.txt')).equals(bytes)).toBe(true);
    const text = readFileSync(join(park, 'refused', 'faults.txt.reason'), 'utf8');
    expect(text).toMatch(/^TOO_MANY_REFUSED: 10 of 13 rows/);
    expect(text).toContain('line 11: RECORD_LENGTH');
    expect((await received('faults.txt'))[0]?.data).toEqual({ name: 'faults.txt', rows: 0, refused: 10 });
    expect(await rows('SELECT * FROM tax_account WHERE company = $1', [A])).toEqual(before);

    // With a higher share the same file is accepted without those rows.
    const generous = await raise('office-2', { refusedShare: 0.9 });
    try {
      upload('faults-again.txt', bytes);
      await generous.runJob('office-2', 'drop');
      const reports = await rows<{ line: number; reason: string }>(
        `SELECT line, reason FROM tax_row_report WHERE installation = 'office-2' ORDER BY number`,
      );
      expect(reports.map((item) => `${item.line} ${item.reason}`)).toEqual(
        (
          JSON.parse(fixture('daily-faults.out.json').toString()) as { faults: { line: number; reason: string }[] }
        ).faults.map((item) => `${item.line} ${item.reason}`),
      );
      expect((await received('faults-again.txt'))[0]?.data).toEqual({ name: 'faults-again.txt', rows: 3, refused: 10 });
    } finally {
      await generous.close();
    }
  });

  test('importing the same bytes again changes nothing and writes no event', async () => {
    const bytes = fixture('daily.in.txt');
    upload('daily.txt', bytes);
    await run();
    const state = () =>
      rows(
        `SELECT (SELECT json_agg(a ORDER BY company) FROM tax_account a) AS a, (SELECT json_agg(f ORDER BY company, number) FROM tax_filing f) AS f,
          (SELECT json_agg(i ORDER BY company, number) FROM tax_invoice i) AS i, (SELECT count(*) FROM event WHERE kind = 'TAX_FILE_RECEIVED') AS e`,
      );
    const first = await state();
    upload('daily-again.txt', bytes);
    await run();
    expect(await state()).toEqual(first);
    expect(await received('daily-again.txt')).toEqual([]);
    expect(existsSync(join(park, 'done', 'daily-again.txt'))).toBe(true);
  });

  test('a full file replaces all standings; an older one does not', async () => {
    // daily.txt was full; by the dates in the files it is newer than some of the first files and older than others.
    const before = await rows<{ company: string; standing: string }>(
      `SELECT company, standing FROM tax_account WHERE installation = 'office' AND recorded_at = '2026-11-20T18:10:00Z' ORDER BY 1`,
    );
    expect(before).toContainEqual({ company: B, standing: 'ARREARS' });
    const older = Buffer.from(
      fixture('daily.in.txt').toString('latin1').replace('20261121021000F', '20250101000000F'),
      'latin1',
    );
    upload('older.txt', older);
    await run();
    expect((await fileOf(older))?.state).toBe('TAKEN');
    expect(
      await rows(
        `SELECT company, standing FROM tax_account WHERE installation = 'office' AND recorded_at = '2026-11-20T18:10:00Z' ORDER BY 1`,
      ),
    ).toEqual(before);
    const newer = Buffer.from(
      fixture('daily-cut.in.txt').toString('latin1').replace('20261121021000F', '20990101000000F'),
      'latin1',
    );
    const record = (text: string) => Buffer.from(`${text.padEnd(128)}\r\n`, 'latin1');
    const whole = Buffer.concat([newer.subarray(0, 260), record(`T00000001+${'0'.repeat(17)}`)]);
    upload('newer.txt', whole);
    await run();
    expect(await rows(`SELECT company FROM tax_account WHERE installation = 'office'`)).toEqual([{ company: A }]);
    // Companies known from returns and invoices only remain, with unknown standing.
    const { tax: found } = await company<{ tax: { standing: string } }>(demo.companies[3]!.uscc, 'tax { standing }');
    expect(found.standing).toBe('UNKNOWN');
  });

  test('reading a tax file: rejects a truncated one, an unknown layout and an empty one, each with its reason', async () => {
    const unknown = Buffer.from('PK\u0003\u0004 not for us');
    upload('cut.txt', fixture('daily-cut.in.txt'));
    upload('unknown.zip', unknown);
    upload('empty.txt', Buffer.alloc(0));
    await run();
    expect((await fileOf(fixture('daily-cut.in.txt')))?.reason).toBe('TRAILER_MISSING');
    expect((await fileOf(unknown))?.reason).toBe('LAYOUT_UNKNOWN');
    expect((await fileOf(Buffer.alloc(0)))?.reason).toBe('EMPTY');
  });

  test('rejects an unknown host key before logging in', async () => {
    const logins = readJournal(directory, 'login').length;
    const wary = await raise('office-3', { hostKey: `SHA256:${'A'.repeat(43)}` });
    try {
      await expect(wary.runJob('office-3', 'drop')).rejects.toMatchObject({
        code: 'SOURCE_REJECTED',
        detail: 'host key does not match the setting hostKey',
      });
      expect(readJournal(directory, 'login').length).toBe(logins);
    } finally {
      await wary.close();
    }
  });

  test('a mutation writes one request; replies update the case', async () => {
    const { uscc } = demo.companies[0]!;
    const request = (id: string, code: string, until = '2026-10') =>
      execute(
        `mutation { requestTaxClearance(input: { clientMutationId: "${id}", installation: "office", uscc: "${code}", until: "${until}" })
          { clientMutationId receipt case { id } provenance { source stale } } }`,
      );
    type Payload = { requestTaxClearance: { case: { id: string }; receipt: null } };
    const first = await request('one', uscc);
    expect(first.errors).toBeUndefined();
    const id = (first.data as unknown as Payload).requestTaxClearance.case.id;
    expect(id).toMatch(/^office:/);
    const again = await request('one', uscc);
    expect((again.data as unknown as Payload).requestTaxClearance.case.id).toBe(id);
    const other = await request('one', uscc, '2026-09');
    expect(other.errors?.[0]?.extensions?.['code']).toBe('BAD_USER_INPUT');
    const owing = demo.companies[5]!;
    const second = await request('two', owing.uscc);
    const rejectedId = (second.data as unknown as Payload).requestTaxClearance.case.id;

    const cases = async () =>
      Object.fromEntries(
        (await rows<{ id: string; state: string }>('SELECT id, state FROM filing')).map((row) => [row.id, row.state]),
      );
    expect(await cases()).toMatchObject({ [id]: 'SENT', [rejectedId]: 'SENT' });
    const until = Date.now() + 15_000;
    while (Date.now() < until && !((await cases())[id] === 'COMPLETED' && (await cases())[rejectedId] === 'REJECTED')) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      await run();
    }
    expect(await cases()).toMatchObject({ [id]: 'COMPLETED', [rejectedId]: 'REJECTED' });
    expect(readJournal(directory, 'request').length).toBe(2);
    const [filed] = await rows('SELECT kind, company, receipt, reason FROM filing WHERE id = $1', [rejectedId]);
    expect(filed).toMatchObject({ kind: 'TAX_CLEARANCE', company: owing.uscc, reason: 'tax is owed' });
    const changes = await rows<{ state: string }>(
      `SELECT data->>'state' AS state FROM event WHERE kind = 'CASE_CHANGED' AND case_id = $1 ORDER BY position`,
      [id],
    );
    expect(changes.map(({ state }) => state)).toEqual(['SENT', 'ACCEPTED', 'COMPLETED']);
  }, 40_000);

  test('tax graph: rejects a clearance request for another company or an unknown office', async () => {
    const ask = (installation: string, principal: Principal) =>
      execute(
        `mutation { requestTaxClearance(input: { clientMutationId: "x", installation: "${installation}", uscc: "${A}", until: "2026" }) { receipt } }`,
        {},
        principal,
      );
    const code = async (installation: string, principal: Principal) =>
      (await ask(installation, principal)).errors?.[0]?.extensions?.['code'];
    expect(await code('office', { ...everything, companies: [B] })).toBe('FORBIDDEN');
    expect(await code('elsewhere', everything)).toBe('BAD_USER_INPUT');
    expect(readJournal(directory, 'request').length).toBe(2);
  });

  test('without a file for longer than `fresh`, the job fails and the mirror serves stale data', async () => {
    await host.runJob('office', 'delivery');
    const was = now;
    now = new Date(now.getTime() + 27 * 3_600_000);
    try {
      await expect(host.runJob('office', 'delivery')).rejects.toThrow(/No file received for 27\.\d hours/);
      const { tax: found } = await company<{ tax: { provenance: { stale: boolean } } }>(
        A,
        'tax { provenance { stale } }',
      );
      expect(found.provenance.stale).toBe(true);
    } finally {
      now = was;
    }
  });

  test('a process killed between claim and commit loses no file and writes no event twice', async () => {
    const bytes = Buffer.from(
      fixture('invoices.in.csv').toString('latin1').replace('2026-11-21 02:11:00', '2026-11-21 03:00:00'),
      'latin1',
    );
    upload('killed.csv', bytes);
    // Invoices are locked, so the process hangs within its transaction.
    const blocker = await openClient(database.url);
    await blocker.query('BEGIN; LOCK TABLE tax_invoice IN ACCESS EXCLUSIVE MODE');
    const at = (path: string) => pathToFileURL(join(import.meta.dirname, path)).href;
    const code = `
      await import('reflect-metadata');
      const { Host } = await import('${at('../kit/host/host.ts')}');
      const { loadKeys } = await import('${at('../kit/host/services.ts')}');
      const { silentLog } = await import('${at('../kit/log.ts')}');
      const { readSettings } = await import('${at('../kit/config/settings.ts')}');
      const { openDatabase } = await import('${at('../../schema/database/database.ts')}');
      const tax = (await import('${at('./index.ts')}')).default;
      const { raw, url } = JSON.parse(process.env.WORKER);
      const database = await openDatabase(url, { poolSize: 4 });
      const settings = readSettings(tax.settings, raw).values;
      await Host.open({ connector: tax, parks: [], database, keys: await loadKeys(database), log: silentLog,
        installations: [{ id: 'office-4', park: 'lakeside', connector: 'tax', settings, protocol: 'sftp' }] });`;
    const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', code], {
      env: { ...process.env, WORKER: JSON.stringify({ raw: raw(), url: database.url }) },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    try {
      const until = Date.now() + 25_000;
      const waiting = async () =>
        (
          await rows<{ n: number }>(
            `SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%tax_invoice%' AND datname = current_database()`,
          )
        )[0]?.n;
      while (Date.now() < until && !(await waiting())) await new Promise((resolve) => setTimeout(resolve, 100));
      expect(await waiting()).toBe(1);
      expect(existsSync(join(park, 'claimed', 'killed.csv'))).toBe(true);
      expect((await fileOf(bytes))?.state).toBe('RECEIVED');
    } finally {
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
      await blocker.query('ROLLBACK');
      await blocker.end();
    }
    const successor = await raise('office-4');
    try {
      const until = Date.now() + 20_000;
      while (Date.now() < until && (await fileOf(bytes))?.state !== 'TAKEN') {
        // The killed process holds the lease until it expires.
        await successor.runJob('office-4', 'drop').catch(() => new Promise((resolve) => setTimeout(resolve, 500)));
      }
      expect((await fileOf(bytes))?.state).toBe('TAKEN');
      expect(existsSync(join(park, 'done', 'killed.csv'))).toBe(true);
      expect(await received('killed.csv')).toHaveLength(1);
      const found = await rows(
        `SELECT number FROM tax_invoice WHERE installation = 'office-4' AND digest = $1 ORDER BY 1`,
        [createHash('sha256').update(bytes).digest()],
      );
      expect(found).toEqual([{ number: '0012345' }, { number: '0012346' }, { number: '0012347' }]);
    } finally {
      await successor.close();
    }
  }, 60_000);

  test('the log contains no password', () => {
    expect(lines.join('\n')).not.toContain(running.env['LAKESIDE_TAX_PASSWORD']);
    expect(lines.length).toBeGreaterThan(0);
  });
});
