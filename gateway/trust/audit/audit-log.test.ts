import { createReadStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { createLog } from '../../../connectors/kit/log.ts';
import { clockFrom } from '../../../connectors/kit/testing/test-clock.ts';
import { createTestDatabase } from '../../../connectors/kit/testing/test-database.ts';
import { accessPage } from '../../../schema/database/audit/company-access-log.ts';
import type { Database } from '../../../schema/database/database.ts';
import { generateSigningKey } from '../signing/signing-key.ts';
import { type AccessRecord, AuditLog, type AuditLogOptions } from './audit-log.ts';
import { eraseEntity, trimAuditLog } from './audit-maintenance.ts';
import { exportAuditLog } from './export/audit-export.ts';
import { verifyExport } from './export/verify-export.ts';
import { loadHeadFiles } from './head-files.ts';
import { signProvenEntries } from './statement-signer.ts';

const USCC = '91350211M000100Y46';
const OTHER = '91350211M00017QF3T';
const key = generateSigningKey();
const log = createLog(() => undefined);
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let directory = '';
let now = new Date('2026-03-02T08:00:00Z');

const access = (of: Partial<AccessRecord> = {}): AccessRecord => ({
  who: [{ subject: 'officer-7', client: 'portal' }],
  onBehalfOf: [],
  purpose: 'tax',
  basis: 'consent:tax',
  operation: 'a'.repeat(64),
  entities: { Company: [USCC] },
  fields: ['TaxAccount.standing'],
  outcome: 'ALLOWED',
  ...of,
});
const open = (of: Partial<AuditLogOptions> = {}) =>
  AuditLog.open({
    database,
    key,
    digest: 'sha256',
    clock: clockFrom(() => now),
    log,
    heads: { folder: directory, second: null },
    ...of,
  });
const verified = async () => {
  const file = join(directory, 'audit.export');
  const heads = loadHeadFiles([directory]);
  const entries = await exportAuditLog(
    { database, key, at: now, readHeadFiles: () => loadHeadFiles([directory]) },
    file,
  );
  return { entries, report: await verifyExport(createReadStream(file), { trusted: [key.id], headFiles: heads }), file };
};
const seen = (company: string) => accessPage(database.plain, company, {}, { forward: true, limit: 100, place: null });

describe('audit log', () => {
  beforeEach(async () => {
    await database?.drop();
    if (directory) rmSync(directory, { recursive: true, force: true });
    directory = mkdtempSync(join(tmpdir(), 'isthmus-audit-'));
    database = await createTestDatabase();
    now = new Date('2026-03-02T08:00:00Z');
    return undefined;
  });
  afterAll(async () => {
    await database.drop();
    rmSync(directory, { recursive: true, force: true });
  });

  test('exports valid chains of two processes, with SHA-256 and SM3, without plain ids', async () => {
    const auditLog = await open();
    const two = await open({ digest: 'sm3' });
    await Promise.all(
      Array.from({ length: 500 }, (_, i) =>
        (i % 3 === 0 ? two : auditLog).record(access({ entities: { Company: [USCC, OTHER], Vehicle: [`v${i % 5}`] } })),
      ),
    );
    await auditLog.close();
    await two.record(access({ outcome: 'REFUSED' }));
    const { entries, report, file } = await verified();
    expect(report.errors).toEqual([]);
    expect([entries, report.entries, report.chains]).toEqual([501, 501, 2]);
    expect(readFileSync(file, 'utf8')).not.toContain(USCC);
    expect(await seen(OTHER)).toHaveLength(100);
    await two.close();
    await expect(two.record(access())).rejects.toThrow('Audit log is unavailable');
    expect((await verified()).report).toMatchObject({ entries: 501, errors: [] });
  });

  test('detects changed and deleted rows, and does not sign them', async () => {
    const auditLog = await open();
    for (let i = 0; i < 6; i++) await auditLog.record(access({ fields: [`Field.${i}`] }));
    await auditLog.sign();
    await auditLog.record(access());
    await database.plain.query(
      `UPDATE audit_entry SET body = replace(body, 'officer-7', 'officer-8') WHERE number IN (4, 7)`,
    );
    await database.transaction((tx) => signProvenEntries(tx, key, now, () => loadHeadFiles([directory])));
    expect((await verified()).report.errors[0]).toMatchObject({ chain: auditLog.chain, entry: 4 });
    await database.plain.query('DELETE FROM audit_entry WHERE number >= 4');
    expect((await verified()).report.errors[0]?.message).toBe('the tail is truncated: entries 4 to 7 are missing');
    await database.plain.query('DELETE FROM audit_entry');
    await database.plain.query('DELETE FROM audit_chain');
    expect((await verified()).report.errors[0]?.message).toContain('is missing: statements cover 7 entries');
    await auditLog.close();
  });

  test('stays valid after retention and after erasing a company', async () => {
    const auditLog = await open();
    for (let i = 0; i < 5; i++) await auditLog.record(access());
    now = new Date('2026-06-02T08:00:00Z');
    await auditLog.record(access());
    await auditLog.record(access({ entities: { Company: [OTHER] } }));
    await auditLog.sign();
    expect(await trimAuditLog(database, key, new Date('2026-04-01T00:00:00Z'), now)).toMatchObject({
      chains: 1,
      errors: [],
    });
    const { entries, report } = await verified();
    expect([entries, report.errors]).toEqual([2, []]);
    expect([(await seen(USCC)).length, (await seen(OTHER)).length]).toEqual([1, 1]);
    expect(await eraseEntity(database, key, { type: 'Company', id: USCC }, now)).toBe(true);
    expect(await eraseEntity(database, key, { type: 'Company', id: USCC }, now)).toBe(false);
    expect([(await seen(USCC)).length, (await seen(OTHER)).length]).toEqual([0, 1]);
    expect((await verified()).report.errors).toEqual([]);
    await auditLog.close();
  });

  test('writes the records of one turn by one statement, and those that arrive meanwhile by the next', async () => {
    const statements: string[] = [];
    const counting: Database = {
      ...database,
      requests: new Proxy(database.requests, {
        get: (target, name) =>
          name === 'query'
            ? (...given: Parameters<typeof target.query>) => {
                statements.push(given[0]);
                return target.query(...given);
              }
            : Reflect.get(target, name, target),
      }),
    };
    const auditLog = await open({ database: counting });
    // Creates the salts.
    await auditLog.record(access());
    statements.length = 0;
    const first = Array.from({ length: 50 }, () => auditLog.record(access()));
    await new Promise((resolve) => setImmediate(resolve));
    const second = Array.from({ length: 50 }, () => auditLog.record(access()));
    await Promise.all([...first, ...second]);
    expect(statements.map((text) => /INSERT INTO \w+/.exec(text)?.[0])).toEqual(
      Array(2).fill('INSERT INTO audit_entry'),
    );
    await auditLog.close();
    expect((await verified()).entries).toBe(101);
  });

  test('rejects records it cannot write, and continues the chain without a gap', async () => {
    let broken = false;
    let hanging = false;
    let release: () => void = () => undefined;
    const failing: Database = {
      ...database,
      requests: new Proxy(database.requests, {
        get: (target, name) =>
          name === 'query' && (broken || hanging)
            ? () =>
                broken
                  ? Promise.reject(new Error('the connection was lost'))
                  : new Promise((_, reject) => (release = () => reject(new Error('the server was stopped'))))
            : Reflect.get(target, name, target),
      }),
    };
    const auditLog = await open({ database: failing });
    await auditLog.record(access());
    broken = true;
    await expect(auditLog.record(access())).rejects.toThrow('Audit log is unavailable');
    broken = false;
    await auditLog.record(access());
    await auditLog.close();
    const { entries, report } = await verified();
    expect([entries, report.errors]).toEqual([2, []]);
    const stuck = await open({ database: failing, writeTimeout: 20 });
    hanging = true;
    await expect(stuck.record(access())).rejects.toThrow('Audit log is unavailable');
    hanging = false;
    release();
    await stuck.close();
  });
});
