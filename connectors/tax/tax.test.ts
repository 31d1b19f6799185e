import { createSign, generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import iconv from 'iconv-lite';
import ssh2 from 'ssh2';
import { describe, expect, test } from 'vitest';
import { parseUscc } from '../../schema/graph/identifiers.ts';
import { readSettings } from '../kit/config/settings.ts';
import { conformance } from '../kit/testing/conformance/conformance.ts';
import { createWorld } from '../kit/testing/park/index.ts';
import tax from './index.ts';
import { formatDecimal, formatRounded, isClose, parseDecimal, subtractDecimals, sum } from './mapping/decimal.ts';
import { type ReadOptions, readReplies, readTaxFile } from './mapping/index.ts';
import { saftFile } from './simulator/file-writers.ts';
import { simulator } from './simulator/index.ts';
import { makeHostKey } from './simulator/sftp-server.ts';

const OPTIONS: ReadOptions = {
  companyOf: (taxpayerNo) => (taxpayerNo === '599999993' ? '91350100M000100Y43' : parseUscc(taxpayerNo)),
  signatureKey: () => null,
  refusedShare: 0.9,
};

/** An SSH server on one socket: `accept` decides the login; the listing has an entry without size. */
const key = makeHostKey();
function serveInvalidListing(socket: Socket, accept: boolean, refused = (): void => undefined): void {
  const server = new ssh2.Server({ hostKeys: [key.hostKey] }, (connection) => {
    connection.on('error', () => undefined);
    connection.on('authentication', (context) => {
      if (context.method === 'password' && !accept) refused();
      if (accept) context.accept();
      else context.reject(['password']);
    });
    connection.on('session', (accept) =>
      accept().on('sftp', (begin) => {
        const sftp = begin();
        let listed = false;
        const folder = { mode: 0o40755, uid: 0, gid: 0, size: 0, atime: 0, mtime: 0 };
        sftp.on('STAT', (id) => sftp.attrs(id, folder)).on('LSTAT', (id) => sftp.attrs(id, folder));
        sftp.on('OPENDIR', (id) => {
          listed = false;
          sftp.handle(id, Buffer.from('1'));
        });
        sftp.on('READDIR', (id) => {
          if (listed) return sftp.status(id, ssh2.utils.sftp.STATUS_CODE.EOF);
          listed = true;
          sftp.name(id, [{ filename: 'a.txt', longname: '-rw-r--r-- 1 a a ? Jan 1 00:00 a.txt', attrs: {} as never }]);
        });
        sftp.on('CLOSE', (id) => sftp.status(id, ssh2.utils.sftp.STATUS_CODE.OK));
      }),
    );
  });
  server.injectSocket(socket);
}

const settings = (env: Readonly<Record<string, string>>) => ({
  url: env['LAKESIDE_TAX_URL'],
  password: env['LAKESIDE_TAX_PASSWORD'],
  hostKey: env['LAKESIDE_TAX_HOST_KEY'],
});
const TAX =
  '... on Company { uscc tax { standing lastFiling { period } filings(first: 2) { totalCount nodes { period } } } }';
const ENTITIES = (selection: string) => `query ($r: [_Any!]!) { _entities(representations: $r) { ${selection} } }`;

conformance({
  connector: tax,
  simulator,
  folder: import.meta.dirname,
  settings: ({ env }) => ({ ...settings(env), poll: '1h' }),
  settingsAt: ({ host, port }, { env }) => ({
    ...settings(env),
    url: `sftp://isthmus@${host}:${port}/park`,
    // The test servers of the suite use their own host key; other connections reach the simulator.
    hostKey: [env['LAKESIDE_TAX_HOST_KEY'], key.fingerprint],
    poll: '1h',
  }),
  prepare: ['drop', 'drop'],
  sampleQuery: (demo) => ({
    query: ENTITIES(TAX),
    variables: { r: [{ __typename: 'Company', uscc: demo.companies[0]?.uscc }] },
    check: (data) => {
      const [company] = data['_entities'] as { tax: { standing: string; filings: { totalCount: number } } }[];
      expect(company?.tax.standing).toBe('GOOD');
      expect(company?.tax.filings.totalCount).toBe(4);
    },
  }),
  batch: (demo) => ({
    representations: [
      ...demo.companies.slice(0, 12).map(({ uscc }) => ({ __typename: 'Company', uscc })),
      { __typename: 'Company', uscc: '91350100M000100Y43' },
      ...demo.companies.slice(12, 20).map(({ uscc }) => ({ __typename: 'Company', uscc })),
    ],
    selection: TAX,
    unknown: 12,
    isUnknown: (entity) => entity?.['tax'] === null,
    // Queries read the mirror, not the SFTP server.
    calls: 0,
  }),
  live: { job: 'drop' },
  malformed: { serve: (socket) => serveInvalidListing(socket, true), field: /size/ },
  rejection: { serve: (socket, refused) => serveInvalidListing(socket, false, refused) },
  idempotentJob: {
    job: 'drop',
    state: `SELECT (SELECT count(*) FROM tax_file) AS files, (SELECT count(*) FROM tax_invoice) AS invoices, (SELECT count(*) FROM tax_filing) AS filings,
      (SELECT sum(gross) FROM tax_invoice) AS gross, (SELECT count(*) FROM event WHERE kind = 'TAX_FILE_RECEIVED') AS events`,
  },
  ingest: {
    drop: ({ directory, host }) => {
      const at = (...path: string[]) => join(directory, 'drop', 'park', ...path);
      return {
        kind: 'TAX_FILE_RECEIVED',
        produce: () => {
          writeFileSync(at('c14.csv'), fixture('invoices.in.csv'));
          writeFileSync(at('c14.csv.ok'), '');
        },
        ingest: () => host.runJob('test', 'drop'),
        progress: () => existsSync(at('done', 'c14.csv')),
      };
    },
  },
  jobsWithoutEvents: ['delivery'],
  fixture: (name, bytes) => (name.startsWith('reply') ? readReplies(bytes) : readTaxFile(bytes, OPTIONS)),
});

const fixture = (name: string): Buffer => readFileSync(join(import.meta.dirname, 'fixtures', name));
const saft = (change: (text: string) => string, encoding = 'win1252'): Buffer =>
  iconv.encode(change(iconv.decode(fixture('saft.in.xml'), 'win1252')), encoding);
const reasonOf = (bytes: Buffer, options = OPTIONS): string => {
  const read = readTaxFile(bytes, options);
  return read.taken ? read.notes.join() : read.reason;
};

describe('money', () => {
  test('calculates exactly where binary floats do not', () => {
    const of = (text: string) => parseDecimal(text)!;
    expect(formatDecimal(sum(['0.1', '0.2', '.0038'].map(of)))).toBe('0.3038');
    expect(formatDecimal(subtractDecimals(of('14918.709'), of('2201.7838')))).toBe('12716.9252');
    expect(formatDecimal(of('-0.5'))).toBe('-0.50');
    expect(formatDecimal(of('99999999999999999999999999.99'))).toBe('99999999999999999999999999.99');
    for (const none of ['', '.', '1e3', '0x1A', '1,000', '１', ' 1', 'NaN', '1'.repeat(31)])
      expect(parseDecimal(none), none).toBeNull();
  });

  test('rounds half away from zero, and compares by cents', () => {
    expect(
      ['28.074', '28.075', '-28.075', '28.0749999', '7'].map((text) => formatRounded(parseDecimal(text)!)),
    ).toEqual([...['28.07', '28.08', '-28.08', '28.07', '7.00']]);
    expect(isClose(parseDecimal('23.3938')!, parseDecimal('23.39')!, 1)).toBe(true);
    expect(isClose(parseDecimal('23.40')!, parseDecimal('23.39')!, 1)).toBe(false);
  });
});

describe('SAF-T', () => {
  test('decodes the declared encoding', () => {
    const declared = (name: string) => (text: string) => text.replace('Windows-1252', name);
    expect(reasonOf(saft(declared('UTF-8'), 'utf8'))).toBe('SIGNATURE_UNVERIFIED');
    expect(reasonOf(saft(declared('UTF-16'), 'utf-16'))).toBe('SIGNATURE_UNVERIFIED');
    expect(reasonOf(saft(declared('ISO-8859-15'), 'iso-8859-15'))).toBe('SIGNATURE_UNVERIFIED');
    expect(reasonOf(saft(declared('EBCDIC-9'), 'win1252'))).toBe('ENCODING_UNKNOWN');
    const broken = readTaxFile(saft(declared('UTF-8'), 'win1252'), OPTIONS);
    // The first non-ASCII letter is in the company's name.
    expect(broken).toMatchObject({ taken: false, reason: 'ENCODING_BROKEN', faults: [{ line: 5 }] });
  });

  test('rejects a truncated file, a document type, another country and another root', () => {
    expect(reasonOf(saft((text) => text.slice(0, text.length / 2)))).toBe('NOT_WELL_FORMED');
    const bomb = '<!DOCTYPE a [<!ENTITY a "aaaa">]>';
    expect(reasonOf(saft((text) => text.replace('<AuditFile', `${bomb}<AuditFile`)))).toBe('NOT_WELL_FORMED');
    expect(reasonOf(saft((text) => text.replace('Tax:PT_1.04_01"', 'Tax:AO_1.01_01"')))).toBe('LAYOUT_UNKNOWN');
    expect(reasonOf(Buffer.from('<Invoice/>'))).toBe('LAYOUT_UNKNOWN');
    expect(reasonOf(saft((text) => text.replace(/<Header>[\s\S]*<\/Header>/, '')))).toBe('ELEMENT_MISSING');
    expect(reasonOf(saft((text) => text.replace('2026-10-02</InvoiceDate>', '2026-09-30</InvoiceDate>')))).toBe(
      'PERIOD_OUTSIDE',
    );
    expect(reasonOf(saft((text) => text.replace('<NumberOfEntries>3', '<NumberOfEntries>4')))).toBe('COUNT_DIFFERS');
    expect(reasonOf(fixture('saft.in.xml'), { ...OPTIONS, companyOf: () => null })).toBe('TAXPAYER_UNKNOWN');
  });

  test('reads a large file in chunks, which may end within a character', () => {
    const demo = createWorld();
    const many = Array.from({ length: 4_000 }, (_, i) => ({
      ...{ number: String(i), day: '2026-10-05', net: 100 + i, tax: 13, cancelled: i % 10 === 3, original: null },
    }));
    const delivery = { number: 1, at: new Date('2026-11-01T00:00:00Z'), period: '2026-10', whole: false };
    const bytes = saftFile(delivery, demo.companies[0]!, many);
    expect(bytes.length).toBeGreaterThan(3 * 1024 * 1024);
    const read = readTaxFile(bytes, OPTIONS);
    expect(read).toMatchObject({ taken: true });
    expect(read.taken && read.invoices.length).toBe(4_000);
    expect(read.taken && read.invoices.filter((item) => !item.counted).length).toBe(400);
  });

  test('verifies a series that starts in another file from its second document on', () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const key = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const sign = (text: string) => createSign('RSA-SHA1').update(text).sign(privateKey).toString('base64');
    const first = sign('whatever;was;before');
    const hashes = [
      first,
      sign(`2026-10-03;2026-10-03T10:00:00;FT A/00008;123.00;${first}`),
      sign('2026-10-04;2026-10-04T10:00:00;NC A/1;4.18;'),
    ];
    const signed = (all: readonly string[]) =>
      saft((text) => {
        let i = 0;
        return text.replace(/<Hash>0</g, () => `<Hash>${all[i++]}<`);
      });
    const options = { ...OPTIONS, signatureKey: () => key };
    expect(reasonOf(signed(hashes), options)).toBe('SIGNATURE_CHAIN_OPEN');
    expect(reasonOf(signed([sign('another'), ...hashes.slice(1)]), options)).toBe('SIGNATURE_WRONG');
    expect(reasonOf(fixture('saft.in.xml'), options)).toBe('SIGNATURE_WRONG');
  });
});

describe('tax files', () => {
  test('validation of rows: accepts rejected rows up to the configured share', () => {
    const bytes = fixture('daily-faults.in.txt');
    expect(readTaxFile(bytes, { ...OPTIONS, refusedShare: 10 / 13 }).taken).toBe(true);
    expect(reasonOf(bytes, { ...OPTIONS, refusedShare: 9 / 13 })).toBe('TOO_MANY_REFUSED');
  });

  test('reading a tax file: rejects truncated ones, and never throws for a changed byte', () => {
    for (const name of ['daily.in.txt', 'invoices.in.csv', 'saft.in.xml']) {
      const bytes = fixture(name);
      for (let end = 0; end < bytes.length - 2; end += 97) {
        const read = readTaxFile(bytes.subarray(0, end), { ...OPTIONS, refusedShare: 0 });
        expect(read.taken, `${name} cut at ${end}`).toBe(false);
      }
      for (let at = 0; at < bytes.length; at += 53) {
        const spoilt = Buffer.from(bytes);
        spoilt[at] = 0xff;
        // Some changed bytes are harmless (a name, a blank); none may throw.
        expect(() => readTaxFile(spoilt, { ...OPTIONS, refusedShare: 0 })).not.toThrow();
      }
    }
  });
});

describe('tax settings', () => {
  test('reports all invalid settings at once, without secrets', () => {
    const read = readSettings(tax.settings, {
      url: 'sftp://isthmus:very-secret@tax.example/park',
      hostKey: 'MD5:00:11',
      privateKey: 'nowhere.pem',
      refusedShare: 2,
      companies: { '599999993': 'no code' },
      signatureKeys: { '599999993': '-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----' },
      largest: 0,
    });
    expect(read.errors.map((fault) => fault.name)).toEqual([
      ...['url', 'hostKey', 'privateKey', 'refusedShare', 'companies', 'signatureKeys', 'largest'],
    ]);
    expect(read.errors[1]?.problem).toContain('ssh-keygen');
  });

  test('accepts fingerprints in OpenSSH and hex form, one or several', () => {
    const hex = 'b8d895ced92c0ac0e171cd2ef5ef01ae725539dc08c99847005982e524791061'.slice(0, 64);
    const base64 = Buffer.from(hex, 'hex').toString('base64').replace('=', '');
    const keys = (hostKey: unknown) => readSettings(tax.settings, { url: 'sftp://a@b/c', hostKey }).values?.hostKey;
    expect(keys(`SHA256:${base64}`)).toEqual([hex]);
    expect(keys([hex.toUpperCase(), `SHA256:${base64}`])).toEqual([hex, hex]);
  });
});
