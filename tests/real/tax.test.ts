import { createSign, generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import iconv from 'iconv-lite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readTaxFile } from '../../connectors/tax/mapping/index.ts';
import { type DropServer, makeHostKey, serveDrop } from '../../connectors/tax/simulator/sftp-server.ts';
import {
  COMPANY,
  expectTotals,
  hasInvalidVariants,
  INVOICES,
  ISSUER,
  invalidVariants,
  startConnector,
  validFile,
} from './saft.ts';

describe('the SAF-T demonstration file of the Portuguese tax office', () => {
  const root = mkdtempSync(join(tmpdir(), 'saft-'));
  const park = join(root, 'park');
  const { hostKey, fingerprint } = makeHostKey();
  let server: DropServer;
  const lay = (name: string, bytes: Buffer) => {
    writeFileSync(join(park, name), bytes);
    writeFileSync(join(park, `${name}.ok`), '');
  };
  const settings = () => ({
    url: `sftp://at@127.0.0.1:${server.port}/park`,
    password: 'drop-secret',
    hostKey: fingerprint,
  });

  beforeAll(async () => {
    mkdirSync(park);
    server = await serveDrop({ root, hostKey, username: 'at', password: 'drop-secret', onOperation: () => undefined });
  });
  afterAll(async () => {
    await server?.close();
    rmSync(root, { recursive: true, force: true });
  });

  test('returns 24 invoices, debit 2201.7838 and credit 14918.709 through the graph', async () => {
    const hub = await startConnector(settings());
    try {
      lay('saft.xml', validFile());
      await hub.host.runJob('at', 'drop');
      const [file] = await hub.database.plain.query('SELECT state, rows, notes, bytes FROM tax_file');
      expect(file).toMatchObject({ state: 'TAKEN', rows: INVOICES, notes: ['SIGNATURE_UNVERIFIED'] });
      expect(file.bytes.equals(validFile())).toBe(true);
      await expectTotals(hub);
    } finally {
      await hub.close();
    }
  }, 60_000);

  test.runIf(hasInvalidVariants)(
    'rejects each invalid variant with its own reason; accepts a wrong signature as unverified',
    async () => {
      const hub = await startConnector(settings());
      try {
        for (const [name, bytes] of invalidVariants()) lay(name, bytes);
        await hub.host.runJob('at', 'drop');
        const rows: { name: string; state: string; reason: string | null; notes: string[] }[] =
          await hub.database.plain.query('SELECT name, state, reason, notes FROM tax_file');
        expect(Object.fromEntries(rows.map((row) => [row.name, row.reason ?? row.notes.join()]))).toEqual({
          'saft_MISSING_CUSTOMER_INVOICE.xml': 'CUSTOMER_UNKNOWN',
          'saft_MISSING_PRODUCT_INVOICE.xml': 'PRODUCT_UNKNOWN',
          'saft_MISSING_SUPPLIER.xml': 'SUPPLIER_UNKNOWN',
          'saft_WRONG_INVOICE_SIGNATURE.xml': 'SIGNATURE_UNVERIFIED',
          'saft_WRONG_SCHEMA.xml': 'TAXPAYER_MISSING',
          'saft_with_error.xml': 'ELEMENT_MISSING',
        });
        const refused = rows.filter((row) => row.state === 'REFUSED').map((row) => row.name);
        expect(refused).toHaveLength(5);
        for (const name of refused) {
          expect(readFileSync(join(park, 'refused', name)).equals(invalidVariants().get(name) ?? Buffer.alloc(0))).toBe(
            true,
          );
          expect(readFileSync(join(park, 'refused', `${name}.reason`), 'utf8')).toMatch(/\nline \d+: [A-Z_]+: /);
        }
        expect(readdirSync(join(park, 'claimed'))).toEqual([]);
      } finally {
        await hub.close();
      }
    },
    60_000,
  );

  // The issuer's key is not published, so the test signs the file itself, independently of the product code.
  test('with a key, accepts the file signed with it and rejects changed signatures and amounts', () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const options = {
      companyOf: () => COMPANY,
      signatureKey: (issuer: string) => (issuer === ISSUER ? pem : null),
      refusedShare: 0,
    };
    const before = new Map<string, string>();
    const signed = iconv.decode(validFile(), 'win1252').replace(/<Invoice>[\s\S]*?<\/Invoice>/g, (invoice) => {
      const field = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(invoice)?.[1] ?? '';
      const number = field('InvoiceNo');
      const series = number.slice(0, number.lastIndexOf('/'));
      const gross = field('GrossTotal');
      const text = `${field('InvoiceDate')};${field('SystemEntryDate')};${number};${gross};${before.get(series) ?? ''}`;
      const hash = createSign('RSA-SHA1').update(text).sign(privateKey).toString('base64');
      before.set(series, hash);
      return invoice.replace(/<Hash>[^<]*</, `<Hash>${hash}<`);
    });
    const read = (text: string) => readTaxFile(iconv.encode(text, 'win1252'), options);
    expect(read(signed)).toMatchObject({ taken: true, notes: [] });
    // The change in the invalid variant: three characters in two signatures.
    const hashes = [...signed.matchAll(/<Hash>([^<]*)</g)].map((match) => match[1] as string);
    const spoilt = `${hashes[0]?.slice(0, 11)}999${hashes[0]?.slice(14)}`;
    const wrong = read(signed.replace(hashes[0] as string, spoilt));
    expect(wrong).toMatchObject({ taken: false, reason: 'SIGNATURE_WRONG' });
    // The next signature of the series includes the correct one, so it is wrong as well.
    expect(wrong.faults).toHaveLength(2);
    const twin = invalidVariants().get('saft_WRONG_INVOICE_SIGNATURE.xml');
    if (twin) expect(readTaxFile(twin, options)).toMatchObject({ taken: false, reason: 'SIGNATURE_WRONG' });
    const raised = read(signed.replace('<GrossTotal>28.07</GrossTotal>', '<GrossTotal>28.08</GrossTotal>'));
    expect(raised).toMatchObject({ taken: false, reason: 'AMOUNTS_DISAGREE' });
  });
});
