/** The tax office's drop folder on OpenSSH with internal-sftp: the real Portuguese file and its invalid variants. SFTP_*: the server. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HUB_PRINCIPAL } from '../../connectors/kit/auth/principal.ts';
import type { Host } from '../../connectors/kit/host/host.ts';
import { hubCall } from '../../connectors/kit/host/services.ts';
import { createTestDatabase } from '../../connectors/kit/testing/test-database.ts';
import { startInstallation } from '../../connectors/kit/testing/test-installation.ts';
import tax from '../../connectors/tax/index.ts';
import { COMPANY, expectTotals, hasInvalidVariants, ISSUER, invalidVariants, validFile } from '../real/saft.ts';

const FILE = 'saft.xml';

/** The invalid variants that are rejected, with their reasons. */
const REJECTED_VARIANTS: Readonly<Record<string, string>> = {
  'saft_MISSING_CUSTOMER_INVOICE.xml': 'CUSTOMER_UNKNOWN',
  'saft_MISSING_PRODUCT_INVOICE.xml': 'PRODUCT_UNKNOWN',
  'saft_MISSING_SUPPLIER.xml': 'SUPPLIER_UNKNOWN',
  'saft_WRONG_SCHEMA.xml': 'TAXPAYER_MISSING',
  'saft_with_error.xml': 'ELEMENT_MISSING',
};

const UNSIGNED = 'saft_WRONG_INVOICE_SIGNATURE.xml';

describe('the Portuguese SAF-T file over OpenSSH', () => {
  const env = (name: string): string => {
    const value = process.env[name];
    if (!value) throw new Error(`${name} is not set: run npm run test:services.`);
    return value;
  };
  let root: string;
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let host: Host;

  /** A host with one installation. `port`: that of a proxy in front of the server. */
  async function raise(extra: Record<string, unknown> = {}, port = env('SFTP_PORT')): Promise<Host> {
    const raw = {
      url: `sftp://${env('SFTP_USER')}@${env('SFTP_HOST')}:${port}${root}`,
      hostKey: env('SFTP_HOST_KEY'),
      privateKey: env('SFTP_KEY'),
      companies: { [ISSUER]: COMPANY },
      poll: '1h',
      ...extra,
    };
    return startInstallation(tax, { id: 'office', raw }, database, {
      intervals: { checkUp: 60_000, checkDown: 60_000 },
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
    database = await createTestDatabase();
    host = await raise();
    // Wait for the job's first run before adding files: two listings with the same size make a file complete.
    await host.runJob('office', 'drop');
  });
  afterAll(async () => {
    await host?.close();
    await database?.drop();
  });

  test('ignores a growing file; imports it when its size is stable, with the totals of its header', async () => {
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

  test.runIf(hasInvalidVariants)(
    'rejects each invalid variant with its own reason, and mirrors nothing of it',
    async () => {
      const before = await invoices();
      for (const [name, bytes] of invalidVariants()) if (name !== UNSIGNED) lay(name, bytes);
      await host.runJob('office', 'drop');
      const rows: { name: string; reason: string }[] = await database.plain.query(
        `SELECT name, reason FROM tax_file WHERE state = 'REFUSED'`,
      );
      expect(Object.fromEntries(rows.map(({ name, reason }) => [name, reason]))).toEqual(REJECTED_VARIANTS);
      for (const [name, reason] of Object.entries(REJECTED_VARIANTS)) {
        expect(readFileSync(join(root, 'refused', `${name}.reason`), 'utf8')).toMatch(new RegExp(`^${reason}: `));
        expect(readdirSync(join(root, 'refused'))).toContain(name);
      }
      expect(await invoices()).toEqual(before);
    },
  );

  test.runIf(hasInvalidVariants)(
    'accepts the variant with wrong signatures with a note, because no key is configured',
    async () => {
      lay('signed.xml', invalidVariants().get(UNSIGNED) ?? Buffer.alloc(0));
      await host.runJob('office', 'drop');
      const rows = await database.plain.query(`SELECT state, notes FROM tax_file WHERE name = 'signed.xml'`);
      expect(rows).toEqual([{ state: 'TAKEN', notes: ['SIGNATURE_UNVERIFIED'] }]);
      await expectTotals({ ask: entity });
    },
  );

  test('ignores a file with the same content', async () => {
    const events = 'SELECT count(*)::int AS n FROM event';
    const [before] = await database.plain.query(events);
    lay('again.xml', validFile());
    await host.runJob('office', 'drop');
    expect((await database.plain.query(events))[0].n).toBe(before.n);
    expect(readdirSync(join(root, 'done'))).toContain('again.xml');
  });

  test('loses nothing when the session is cut in the middle of a file', async () => {
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
    // Another file: the same invoices with another creation date.
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

  test('rejects a server with another host key', async () => {
    await host.close();
    const other = await raise({ hostKey: `SHA256:${'A'.repeat(42)}E` });
    try {
      await expect(other.runJob('office', 'drop')).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
    } finally {
      await other.close();
      host = await raise();
    }
  });

  test('writes a clearance request to outbound/, and the reply updates its case', async () => {
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
    // The request contains the tax office's own number of the company.
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
    expect(states.map((state: { state: string }) => state.state)).toEqual(['SENT', 'COMPLETED']);
  });
});
