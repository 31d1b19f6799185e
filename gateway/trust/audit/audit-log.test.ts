import { createReadStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { makeLog } from '../../../connectors/kit/log.ts';
import { clockOf } from '../../../connectors/kit/testing/test-clock.ts';
import { freshDatabase } from '../../../connectors/kit/testing/test-database.ts';
import { accessPage } from '../../../schema/database/audit/company-access-log.ts';
import type { Database } from '../../../schema/database/database.ts';
import { newSigningKey } from '../signing/signing-key.ts';
import { type Access, AuditLog, type AuditLogOptions } from './audit-log.ts';
import { eraseFromAudit, trimAudit } from './audit-maintenance.ts';
import { exportAudit } from './export/audit-export.ts';
import { verifyExport } from './export/verify-export.ts';
import { findHeadFiles } from './head-files.ts';
import { signProven } from './statement-signer.ts';

const USCC = '91350211M000100Y46';
const OTHER = '91350211M00017QF3T';
const key = newSigningKey();
const log = makeLog(() => undefined);
let database: Awaited<ReturnType<typeof freshDatabase>>;
let directory = '';
let now = new Date('2026-03-02T08:00:00Z');

const access = (of: Partial<Access> = {}): Access => ({
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
    clock: clockOf(() => now),
    log,
    heads: { folder: directory, second: null },
    ...of,
  });
const verified = async () => {
  const file = join(directory, 'audit.export');
  const heads = findHeadFiles([directory]);
  const entries = await exportAudit({ database, key, at: now, heads: () => findHeadFiles([directory]) }, file);
  return { entries, report: await verifyExport(createReadStream(file), { trusted: [key.id], heads }), file };
};
const seen = (company: string) => accessPage(database.plain, company, {}, { forward: true, limit: 100, place: null });

describe('the audit log', () => {
  beforeEach(async () => {
    await database?.drop();
    if (directory) rmSync(directory, { recursive: true, force: true });
    directory = mkdtempSync(join(tmpdir(), 'isthmus-audit-'));
    database = await freshDatabase();
    now = new Date('2026-03-02T08:00:00Z');
    return undefined;
  });
  afterAll(async () => {
    await database.drop();
    rmSync(directory, { recursive: true, force: true });
  });

  test('entries of two processes, SHA-256 and SM3, many at once: the export verifies, and no plain id is in it', async () => {
    const one = await open();
    const two = await open({ digest: 'sm3' });
    await Promise.all(
      Array.from({ length: 500 }, (_, i) =>
        (i % 3 === 0 ? two : one).record(access({ entities: { Company: [USCC, OTHER], Vehicle: [`v${i % 5}`] } })),
      ),
    );
    await one.close();
    await two.record(access({ outcome: 'REFUSED' }));
    const { entries, report, file } = await verified();
    expect(report.faults).toEqual([]);
    expect([entries, report.entries, report.chains]).toEqual([501, 501, 2]);
    expect(readFileSync(file, 'utf8')).not.toContain(USCC);
    expect(await seen(OTHER)).toHaveLength(100);
    await two.close();
    await expect(two.record(access())).rejects.toThrow('could not be written down');
    expect((await verified()).report).toMatchObject({ entries: 501, faults: [] });
  });

  test('rows changed or deleted behind its back are found, and never signed again', async () => {
    const one = await open();
    for (let i = 0; i < 6; i++) await one.record(access({ fields: [`Field.${i}`] }));
    await one.stand();
    await one.record(access());
    await database.plain.query(
      `UPDATE audit_entry SET body = replace(body, 'officer-7', 'officer-8') WHERE number IN (4, 7)`,
    );
    await database.transaction((tx) => signProven(tx, key, now, () => findHeadFiles([directory])));
    expect((await verified()).report.faults[0]).toMatchObject({ chain: one.chain, entry: 4 });
    await database.plain.query('DELETE FROM audit_entry WHERE number >= 4');
    expect((await verified()).report.faults[0]?.message).toBe('the tail is cut: entries 4 to 7 are missing');
    await database.plain.query('DELETE FROM audit_entry');
    await database.plain.query('DELETE FROM audit_chain');
    expect((await verified()).report.faults[0]?.message).toContain('is missing: statements tell of 7 entries');
    await one.close();
  });

  test('retention drops old entries and erasure makes a company unrecognisable; the rest verifies', async () => {
    const one = await open();
    for (let i = 0; i < 5; i++) await one.record(access());
    now = new Date('2026-06-02T08:00:00Z');
    await one.record(access());
    await one.record(access({ entities: { Company: [OTHER] } }));
    await one.stand();
    expect(await trimAudit(database, key, new Date('2026-04-01T00:00:00Z'), now)).toMatchObject({
      chains: 1,
      refused: [],
    });
    const { entries, report } = await verified();
    expect([entries, report.faults]).toEqual([2, []]);
    expect([(await seen(USCC)).length, (await seen(OTHER)).length]).toEqual([1, 1]);
    expect(await eraseFromAudit(database, key, { type: 'Company', id: USCC }, now)).toBe(true);
    expect(await eraseFromAudit(database, key, { type: 'Company', id: USCC }, now)).toBe(false);
    expect([(await seen(USCC)).length, (await seen(OTHER)).length]).toEqual([0, 1]);
    expect((await verified()).report.faults).toEqual([]);
    await one.close();
  });

  test('what cannot be written down is refused, and the chain goes on without a gap', async () => {
    let broken = false;
    let hanging = false;
    let release: () => void = () => undefined;
    const failing: Database = {
      ...database,
      plain: new Proxy(database.plain, {
        get: (target, name) =>
          name === 'query' && (broken || hanging)
            ? () =>
                broken
                  ? Promise.reject(new Error('the connection was lost'))
                  : new Promise((_, reject) => (release = () => reject(new Error('the server was stopped'))))
            : Reflect.get(target, name, target),
      }),
    };
    const one = await open({ database: failing });
    await one.record(access());
    broken = true;
    await expect(one.record(access())).rejects.toThrow('could not be written down');
    broken = false;
    await one.record(access());
    await one.close();
    const { entries, report } = await verified();
    expect([entries, report.faults]).toEqual([2, []]);
    const stuck = await open({ database: failing, patience: 20 });
    hanging = true;
    await expect(stuck.record(access())).rejects.toThrow('could not be written down');
    hanging = false;
    release();
    await stuck.close();
  });
});
