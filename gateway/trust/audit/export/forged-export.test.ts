/** Forgeries by an attacker who can write the database, or also the hub's folder, are detected. */
import {
  appendFileSync,
  createReadStream,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../../connectors/kit/clock.ts';
import { createLog } from '../../../../connectors/kit/log.ts';
import { createTestDatabase } from '../../../../connectors/kit/testing/test-database.ts';
import { addChain, addKey, allChains } from '../../../../schema/database/audit/audit-log.ts';
import type { Database } from '../../../../schema/database/database.ts';
import { generateSigningKey } from '../../signing/signing-key.ts';
import { type AccessRecord, AuditLog } from '../audit-log.ts';
import { startAuditMaintenance, trimAuditLog } from '../audit-maintenance.ts';
import { type ChainOptions, ChainWriter } from '../chain-writer.ts';
import { encodeEntry, encodeHead, initialHash, nextHash } from '../hash-chain.ts';
import { loadHeadFiles } from '../head-files.ts';
import { appendStatement } from '../statement-signer.ts';
import { testEntry } from '../testing/export-fixture.ts';
import { exportAuditLog } from './audit-export.ts';
import { verifyExport } from './verify-export.ts';

const key = generateSigningKey();
const clock = systemClock;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let directory = '';
let hub = '';
let second = '';
let logged: string[] = [];
const log = createLog((line) => void logged.push(line));

const parts = (of: Partial<ChainOptions> = {}): ChainOptions => ({
  database,
  key,
  digest: 'sha256',
  clock,
  log,
  heads: { folder: hub, second: null },
  ...of,
});
const access: AccessRecord = {
  who: [{ subject: 'officer-7', client: 'portal' }],
  onBehalfOf: [],
  purpose: 'tax',
  basis: 'consent:tax',
  operation: 'a'.repeat(64),
  entities: {},
  fields: ['TaxAccount.standing'],
  outcome: 'ALLOWED',
};
const body = (chain: string, number: number) => encodeEntry({ ...testEntry(chain, number), entities: {} });
const append = (chain: ChainWriter) => {
  const number = chain.number + 1;
  return chain.append([{ number, time: new Date(), body: body(chain.chain, number), companies: [] }]);
};
/** A process that wrote entries and died: only its first statement is signed. */
async function writeAndDie(entries: number, of: Partial<ChainOptions> = {}): Promise<string> {
  const chain = await ChainWriter.begin(parts(of));
  for (let i = 0; i < entries; i++) await append(chain);
  await chain.close();
  return chain.chain;
}
/** Replaces the bodies of the entries from `number` on, with valid hashes: the database alone is consistent. */
async function rewrite(chain: string, number: number, bodies: readonly string[], time = new Date()): Promise<void> {
  const rows: { hash: Buffer }[] = await database.plain.query(
    'SELECT hash FROM audit_entry WHERE chain = $1 AND number = $2',
    [chain, number - 1],
  );
  const head = (await allChains(database.plain)).find((row) => row.chain === chain)?.head ?? '';
  let hash = rows[0]?.hash ?? initialHash('sha256', head);
  for (const [i, text] of bodies.entries()) {
    hash = nextHash('sha256', hash, text);
    await database.plain.query(
      `INSERT INTO audit_entry (chain, number, time, body, hash) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (chain, number) DO UPDATE SET body = $4, hash = $5`,
      [chain, number + i, time, text, hash],
    );
  }
}
const forged = (chain: string, number: number) =>
  encodeEntry({ ...testEntry(chain, number), entities: {}, who: [{ subject: 'somebody-else', client: 'portal' }] });
const restart = async (of: { retention?: number; folder?: string } = {}): Promise<void> => {
  const heads = { folder: of.folder ?? hub, second: null };
  const maintenance = startAuditMaintenance({
    database,
    key,
    heads,
    recordStatement: async () => undefined,
    clock,
    log,
    retention: of.retention ?? null,
  });
  await maintenance.first;
  await maintenance.close();
};
/** Exports and verifies, with the head files in `folders`; the messages of the errors. */
const verified = async (folders: readonly string[] = []) => {
  const file = join(directory, 'audit.export');
  const heads = () => loadHeadFiles([hub]);
  await exportAuditLog({ database, key, at: new Date(), readHeadFiles: heads, signatureTimeout: 300 }, file);
  const comparison = folders.length > 0 ? { headFiles: loadHeadFiles(folders) } : {};
  const report = await verifyExport(createReadStream(file), { trusted: [key.id], ...comparison });
  return report.errors.map((error) => error.message);
};

describe('a forged audit log', () => {
  beforeEach(async () => {
    await database?.drop();
    database = await createTestDatabase();
    if (directory) rmSync(directory, { recursive: true, force: true });
    directory = mkdtempSync(join(tmpdir(), 'isthmus-forgery-'));
    hub = join(directory, 'hub');
    second = join(directory, 'second');
    logged = [];
    return undefined;
  });
  afterAll(async () => {
    await database.drop();
    rmSync(directory, { recursive: true, force: true });
  });

  test('the running log ends its chain at a foreign row, begins another, and reports it', async () => {
    const auditLog = await AuditLog.open(parts());
    const { chain } = auditLog;
    for (let i = 0; i < 3; i++) await auditLog.record(access);
    await rewrite(chain, 4, [forged(chain, 4)]);
    await expect(auditLog.record(access)).rejects.toThrow('Audit log is unavailable');
    await auditLog.record(access);
    expect(auditLog.chain).not.toBe(chain);
    expect(logged.join()).toContain(`The database contains entry 4 of audit chain ${chain}`);
    await auditLog.close();
    expect(await verified([hub])).toEqual([
      'entry 4 follows the signed end of its chain',
      `chain ${chain} was ended by its process: the database contained entries after entry 3 that the process had not written`,
    ]);
  });

  test('chain writer: finds a foreign row in the chain of an idle writer at the next signature and at an export', async () => {
    const auditLog = await AuditLog.open(parts());
    const { chain } = auditLog;
    await auditLog.record(access);
    await rewrite(chain, 2, [forged(chain, 2)]);
    expect((await verified([hub]))[0]).toBe('entry 2 follows the signed end of its chain');
    expect(auditLog.chain).not.toBe(chain);
    await auditLog.close();
  });

  test('signs the tail of a dead process at the next start up to its head file, and no forged row after it', async () => {
    const chain = await writeAndDie(3);
    await rewrite(chain, 4, [forged(chain, 4)]);
    await restart();
    expect(logged.join()).toContain(`Entries 4 to 4 of audit chain ${chain}`);
    expect(await verified()).toEqual(['entry 4 is not signed: no known process of the hub wrote it']);
    await database.plain.query('DELETE FROM audit_entry WHERE number = 4');
    expect(await verified([hub])).toEqual([]);
  });

  test('reports a truncated tail, swapped entries and a rewritten entry of dead processes', async () => {
    const [cut, swapped, changed] = [await writeAndDie(3), await writeAndDie(3), await writeAndDie(3)];
    await database.plain.query('DELETE FROM audit_entry WHERE chain = $1 AND number > 1', [cut]);
    await rewrite(
      swapped,
      2,
      [3, 2].map((number, i) => body(swapped, number).replace(`"number":${number}`, `"number":${i + 2}`)),
    );
    await rewrite(changed, 3, [forged(changed, 3)]);
    await restart();
    expect(await verified()).toEqual([
      'the tail is truncated: entries 2 to 3 are missing',
      'entry 3 differs from the signed one',
      'entry 3 differs from the signed one',
    ]);
  });

  test('verification of entries: reports one that differs from its signed statement, although all hashes are valid', async () => {
    const auditLog = await AuditLog.open(parts());
    for (let i = 0; i < 3; i++) await auditLog.record(access);
    await auditLog.close();
    await rewrite(auditLog.chain, 3, [forged(auditLog.chain, 3)]);
    expect(await verified()).toEqual(['entry 3 differs from the signed one']);
  });

  test('accepts an incomplete last line, and a head whose entries never reached the database', async () => {
    const chain = await writeAndDie(2);
    const failing: Database = {
      ...database,
      requests: new Proxy(database.requests, {
        get: (target, name) =>
          name === 'query' ? () => Promise.reject(new Error('lost')) : Reflect.get(target, name, target),
      }),
    };
    const other = await ChainWriter.begin(parts({ database: failing }));
    await expect(append(other)).rejects.toThrow('lost');
    await other.close();
    const file = join(hub, `${chain}.jsonl`);
    appendFileSync(file, '{"time":"2026-03-02T08:00:00.000Z","head":{"chain":');
    await restart();
    expect(await verified([hub])).toEqual([]);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"number":2', '"number":3'));
    expect((await verified([hub]))[0]).toContain(`of head file ${file} is invalid`);
  });

  test('continues a chain whose last write was committed with an unknown outcome', async () => {
    let broken = false;
    const late: Database = {
      ...database,
      requests: new Proxy(database.requests, {
        get: (target, name) =>
          name === 'query' && broken
            ? async (...args: Parameters<typeof target.query>) => {
                broken = false;
                await target.query(...args);
                throw new Error('the connection was lost after the commit');
              }
            : Reflect.get(target, name, target),
      }),
    };
    const auditLog = await AuditLog.open(parts({ database: late }));
    const { chain } = auditLog;
    await auditLog.record(access);
    broken = true;
    await expect(auditLog.record(access)).rejects.toThrow('Audit log is unavailable');
    await auditLog.record(access);
    expect(auditLog.chain).toBe(chain);
    await auditLog.close();
    expect(await verified([hub])).toEqual([]);
  });

  test('detects statements, entries and head file that were reset together, by the second folder only', async () => {
    const auditLog = await AuditLog.open(parts({ heads: { folder: hub, second } }));
    await auditLog.record(access);
    await auditLog.sign();
    const before = readFileSync(join(hub, `${auditLog.chain}.jsonl`));
    await auditLog.record(access);
    await auditLog.sign();
    await auditLog.close();
    expect(await verified([hub, second])).toEqual([]);
    writeFileSync(join(hub, `${auditLog.chain}.jsonl`), before);
    await database.plain.query('DELETE FROM audit_entry WHERE number > 1');
    await database.plain.query('DELETE FROM audit_statement WHERE number > 2');
    expect(await verified([hub])).toEqual([]);
    expect(await verified([hub, second])).toEqual([
      `statement 3 is missing: head file ${join(second, `${auditLog.chain}.jsonl`)} contains it`,
    ]);
  });

  test('reports a missing head file of a chain that has not ended; its newest entries stay unsigned', async () => {
    const chain = await writeAndDie(2);
    rmSync(join(hub, `${chain}.jsonl`));
    await restart();
    expect(await verified([hub])).toEqual([
      'entries 1 to 2 are not signed: no known process of the hub wrote them',
      `the head file of chain ${chain} is missing: its process has not ended it, and none of the given files belongs to it`,
    ]);
  });

  test('signs chains of a version without head files once', async () => {
    const begun = new Date();
    const head = encodeHead({ chain: 'old', digest: 'sha256', begun: begun.toISOString() });
    await database.transaction(async (tx) => {
      await addKey(tx, key.id, key.publicJwk);
      await addChain(tx, { chain: 'old', digest: 'sha256', head, begun });
      await appendStatement(tx, key, begun, {
        kind: 'begin',
        chain: 'old',
        count: 0,
        head: initialHash('sha256', head).toString('hex'),
      });
    });
    await rewrite('old', 1, [body('old', 1), body('old', 2)]);
    await writeAndDie(1);
    await restart();
    expect(await verified([hub])).toEqual([]);
    await rewrite('old', 3, [forged('old', 3)]);
    await restart();
    expect(await verified([hub])).toEqual(['entry 3 is not signed: no known process of the hub wrote it']);
  });

  test('retention ignores foreign rows and changed times, and signs no forgery', async () => {
    const auditLog = await AuditLog.open(parts());
    await auditLog.record(access);
    await auditLog.record(access);
    await auditLog.close();
    await rewrite(auditLog.chain, 3, [forged(auditLog.chain, 3)], new Date('2020-01-01T00:00:00Z'));
    await database.plain.query(`UPDATE audit_entry SET time = '2020-01-01T00:00:00Z'`);
    const day = new Date('2024-01-01T00:00:00Z');
    expect(await trimAuditLog(database, key, day, new Date())).toMatchObject({ chains: 0, errors: [] });
    // All entries are old, and the last signed one was changed.
    await rewrite(auditLog.chain, 2, [forged(auditLog.chain, 2)]);
    const trimmed = await trimAuditLog(database, key, new Date(Date.now() + 60_000), new Date());
    expect(trimmed).toMatchObject({ chains: 0, errors: [expect.stringContaining(auditLog.chain)] });
    expect((await verified([hub]))[0]).toBe('entry 2 differs from the signed one');
  });

  test('exports are valid while processes write, on this machine and on another', async () => {
    const here = await AuditLog.open(parts());
    const elsewhere = await AuditLog.open(parts({ heads: { folder: join(directory, 'elsewhere'), second } }));
    let stop = false;
    const busy = [here, elsewhere].map(async (writer) => {
      while (!stop) await writer.record(access);
    });
    for (let i = 0; i < 5; i++) expect(await verified([hub, second])).toEqual([]);
    stop = true;
    await Promise.all(busy);
    await Promise.all([here.close(), elsewhere.close()]);
    expect(await verified([hub, second])).toEqual([]);
  });

  test('head file writer: limits the size of a head file; audit maintenance removes it a month after its process has ended', async () => {
    const chain = await ChainWriter.begin(parts());
    for (let i = 0; i < 700; i++) await append(chain);
    await chain.close();
    const file = join(hub, `${chain.chain}.jsonl`);
    expect(readFileSync(file).length).toBeLessThan(300_000);
    await restart();
    expect(readdirSync(hub)).toHaveLength(1);
    const month = new Date(Date.now() - 31 * 86_400_000);
    utimesSync(file, month, month);
    const next = await AuditLog.open(parts());
    const maintenance = startAuditMaintenance({
      ...parts(),
      recordStatement: (signed) => next.recordStatement(signed),
      retention: null,
    });
    await maintenance.first;
    await maintenance.close();
    expect(readdirSync(hub)).toEqual([`${next.chain}.jsonl`]);
    expect(await verified([hub])).toEqual([]);
    // The remaining file contains the newest statement of the removed one.
    await database.plain.query(`DELETE FROM audit_statement WHERE body LIKE '%"kind":"end"%'`);
    expect((await verified([hub])).join()).toContain('is missing: head file');
    await next.close();
  });
});
