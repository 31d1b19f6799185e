/** The tax office's drop on OpenSSH with internal-sftp: the real Portuguese file and its broken twins. SFTP_* name the server. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HUB_PRINCIPAL } from '../../connectors/kit/auth/principal.ts';
import type { Host } from '../../connectors/kit/host/host.ts';
import { hubCall } from '../../connectors/kit/host/services.ts';
import { freshDatabase } from '../../connectors/kit/testing/test-database.ts';
import { raiseIsland } from '../../connectors/kit/testing/test-installation.ts';
import tax from '../../connectors/tax/index.ts';
import { COMPANY, expectTotals, haveData, ISSUER, twins, validFile } from '../real/saft.ts';

const FILE = 'saft.xml';

/** The twins that are refused, and why. */
const TWINS: Readonly<Record<string, string>> = {
  'saft_MISSING_CUSTOMER_INVOICE.xml': 'CUSTOMER_UNKNOWN',
  'saft_MISSING_PRODUCT_INVOICE.xml': 'PRODUCT_UNKNOWN',
  'saft_MISSING_SUPPLIER.xml': 'SUPPLIER_UNKNOWN',
  'saft_WRONG_SCHEMA.xml': 'TAXPAYER_MISSING',
  'saft_with_error.xml': 'ELEMENT_MISSING',
};

const UNSIGNED = 'saft_WRONG_INVOICE_SIGNATURE.xml';

describe.runIf(haveData())('the Portuguese SAF-T file over OpenSSH, where the real data is', () => {
  const env = (name: string): string => {
    const value = process.env[name];
    if (!value) throw new Error(`${name} is not set: start the peers with npm run test:services.`);
    return value;
  };
  let root: string;
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let host: Host;

  /** A host of one installation. `port`: of something that stands before the server. */
  async function raise(extra: Record<string, unknown> = {}, port = env('SFTP_PORT')): Promise<Host> {
    const raw = {
      url: `sftp://${env('SFTP_USER')}@${env('SFTP_HOST')}:${port}${root}`,
      hostKey: env('SFTP_HOST_KEY'),
      privateKey: env('SFTP_KEY'),
      companies: { [ISSUER]: COMPANY },
      poll: '1h',
      ...extra,
    };
    return raiseIsland(tax, { id: 'office', raw }, database, {
      pace: { checkUp: 60_000, checkDown: 60_000 },
    });
  }
  async function ask<T>(query: string, variables: Record<string, unknown>): Promise<T> {
    const principal = {
      ...HUB_PRINCIPAL,
      subject: 'test',
      scopes: new Set(['tax:read', 'tax:file']),
      consents: new Set(['tax']),
    };
    const call = { ...hubCall(20_000, AbortSignal.timeout(20_000)), principal };
    const answer = await host.subgraph.execute({ query, variables, call });
    expect(answer.errors).toBeUndefined();
    return JSON.parse(JSON.stringify(answer.data)) as T;
  }
  const entity = async <T>(selection: string): Promise<T> => {
    const query = `query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { ${selection} } } }`;
    const found = await ask<{ _entities: T[] }>(query, { r: [{ __typename: 'Company', uscc: COMPANY }] });
    return found._entities[0] as T;
  };
  const lay = (name: string, bytes: Buffer, finished = true) => {
    writeFileSync(join(root, name), bytes);
    if (finished) writeFileSync(join(root, `${name}.ok`), '');
  };
  const invoices = async () =>
    (
      await entity<{ tax: { provenance: { recordedAt: string }; invoices: { totalCount: number; nodes: object[] } } }>(
        'tax { provenance { recordedAt } invoices(first: 200) { totalCount nodes { id net { value } } } }',
      )
    ).tax;

  beforeAll(async () => {
    root = join(env('SFTP_ROOT'), `office-${process.pid}`);
    mkdirSync(root);
    database = await freshDatabase();
    host = await raise();
    // The job's own first run is over before any file lies there: two looks at one size make a file settled.
    await host.runJob('office', 'drop');
  });
  afterAll(async () => {
    await host?.close();
    await database?.drop();
  });

  test('a growing file is left alone; the settled one adds up to its own header', async () => {
    lay(FILE, validFile().subarray(0, 40_000), false);
    await host.runJob('office', 'drop');
    expect(readdirSync(root)).toContain(FILE);
    lay(FILE, validFile(), false);
    await host.runJob('office', 'drop');
    expect(readdirSync(root)).toContain(FILE);
    await host.runJob('office', 'drop');
    expect(readdirSync(join(root, 'done'))).toEqual([FILE]);
    expect(readFileSync(join(root, 'done', FILE)).equals(validFile())).toBe(true);
    await expectTotals({ ask: entity });
  });

  test('each broken twin is refused for its own reason, and nothing of it is in the mirror', async () => {
    const before = await invoices();
    for (const [name, bytes] of twins()) if (name !== UNSIGNED) lay(name, bytes);
    await host.runJob('office', 'drop');
    const rows: { name: string; reason: string }[] = await database.plain.query(
      `SELECT name, reason FROM tax_file WHERE state = 'REFUSED'`,
    );
    expect(Object.fromEntries(rows.map(({ name, reason }) => [name, reason]))).toEqual(TWINS);
    for (const [name, reason] of Object.entries(TWINS)) {
      expect(readFileSync(join(root, 'refused', `${name}.reason`), 'utf8')).toMatch(new RegExp(`^${reason}: `));
      expect(readdirSync(join(root, 'refused'))).toContain(name);
    }
    expect(await invoices()).toEqual(before);
  });

  test('the twin whose signatures only are wrong passes with a note, as no key is configured', async () => {
    lay('signed.xml', twins().get(UNSIGNED) ?? Buffer.alloc(0));
    await host.runJob('office', 'drop');
    const rows = await database.plain.query(`SELECT state, notes FROM tax_file WHERE name = 'signed.xml'`);
    expect(rows).toEqual([{ state: 'TAKEN', notes: ['SIGNATURE_UNVERIFIED'] }]);
    await expectTotals({ ask: entity });
  });

  test('the same bytes again change nothing', async () => {
    const events = 'SELECT count(*)::int AS n FROM event';
    const [before] = await database.plain.query(events);
    lay('again.xml', validFile());
    await host.runJob('office', 'drop');
    expect((await database.plain.query(events))[0].n).toBe(before.n);
    expect(readdirSync(join(root, 'done'))).toContain('again.xml');
  });

  test('a session that is cut in the middle of a file loses nothing', async () => {
    let left = Number.POSITIVE_INFINITY;
    const sockets = new Set<Socket>();
    const cutter: Server = createServer((socket) => {
      const onward = connect(Number(env('SFTP_PORT')), env('SFTP_HOST'));
      for (const one of [socket, onward]) {
        sockets.add(one);
        one.on('error', () => undefined).on('close', () => [socket, onward].map((end) => end.destroy()));
      }
      socket.pipe(onward);
      onward.on('data', (piece: Buffer) => {
        left -= piece.length;
        if (left < 0) onward.destroy();
        else socket.write(piece);
      });
    });
    await new Promise<void>((resolve) => cutter.listen(0, '127.0.0.1', resolve));
    // A file of its own: the same invoices, another time of making.
    const made = (day: string) =>
      Buffer.from(validFile().toString('latin1').replace('2018-05-14</DateCreated>', `${day}</DateCreated>`), 'latin1');
    lay('cut.xml', made('2018-05-15'));
    await host.close();
    const cut = await raise({}, String((cutter.address() as { port: number }).port));
    try {
      await cut.runJob('office', 'drop');
      lay('cut2.xml', made('2018-05-16'));
      left = 60_000;
      await expect(cut.runJob('office', 'drop')).rejects.toMatchObject({ code: expect.stringMatching(/^SOURCE_/) });
    } finally {
      await cut.close();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => cutter.close(resolve));
    }
    expect(readdirSync(join(root, 'claimed'))).toEqual(['cut2.xml']);
    host = await raise();
    await host.runJob('office', 'drop');
    expect(readdirSync(join(root, 'claimed'))).toEqual([]);
    expect(readdirSync(join(root, 'done'))).toContain('cut2.xml');
    expect(await invoices()).toMatchObject({
      provenance: { recordedAt: '2018-05-16T00:00:00.000Z' },
      invoices: { totalCount: 24 },
    });
  });

  test('a server with another host key is refused', async () => {
    await host.close();
    const other = await raise({ hostKey: `SHA256:${'A'.repeat(42)}E` });
    try {
      await expect(other.runJob('office', 'drop')).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
    } finally {
      await other.close();
      host = await raise();
    }
  });

  test('a request for clearance lies in outbound/, and the answer moves its case', async () => {
    await host.runJob('office', 'drop');
    const made = await ask<{ requestTaxClearance: { case: { id: string } } }>(
      'mutation ($i: RequestTaxClearanceInput!) { requestTaxClearance(input: $i) { case { id } } }',
      { i: { clientMutationId: 'one', installation: 'office', uscc: COMPANY, until: '2017-12' } },
    );
    const id = made.requestTaxClearance.case.id;
    const reference = id.slice('office:'.length);
    const [file] = readdirSync(join(root, 'outbound'));
    const decode = (path: string) =>
      execFileSync('iconv', ['-f', 'GB18030', '-t', 'UTF-8', path], { encoding: 'utf8' });
    // The office knows the company by its own number.
    expect(decode(join(root, 'outbound', file ?? ''))).toContain(`完税证明申请,${reference},${ISSUER},2017-12,`);
    const reply = `类别,申请编号,结果,文书号,原因,时间\r\n完税证明答复,${reference},办结,2026-0007,,2026-11-21 10:00:08\r\n`;
    writeFileSync(
      join(root, 'replies', 'r1.csv'),
      execFileSync('iconv', ['-f', 'UTF-8', '-t', 'GB18030'], { input: reply }),
    );
    writeFileSync(join(root, 'replies', 'r1.csv.ok'), '');
    await host.runJob('office', 'drop');
    const states = await database.plain.query(
      `SELECT data->>'state' AS state FROM event WHERE case_id = $1 ORDER BY position`,
      [id],
    );
    expect(states.map((one: { state: string }) => one.state)).toEqual(['SENT', 'COMPLETED']);
  });
});
