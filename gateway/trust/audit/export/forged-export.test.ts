/** What somebody who can write the database, or the hub's folder too, cannot do to the audit log without being named. */
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
import { makeLog } from '../../../../connectors/kit/log.ts';
import { freshDatabase } from '../../../../connectors/kit/testing/test-database.ts';
import { addChain, addKey, allChains } from '../../../../schema/database/audit/audit-log.ts';
import type { Database } from '../../../../schema/database/database.ts';
import { newSigningKey } from '../../signing/signing-key.ts';
import { type Access, AuditLog } from '../audit-log.ts';
import { keepAudit, trimAudit } from '../audit-maintenance.ts';
import { type ChainParts, ChainWriter } from '../chain-writer.ts';
import { encodeEntry, encodeHead, headHash, link } from '../hash-chain.ts';
import { findHeadFiles } from '../head-files.ts';
import { state } from '../statement-signer.ts';
import { testEntry } from '../testing/export-fixture.ts';
import { exportAudit } from './audit-export.ts';
import { verifyExport } from './verify-export.ts';

const key = newSigningKey();
const clock = systemClock;
let database: Awaited<ReturnType<typeof freshDatabase>>;
let directory = '';
let hub = '';
let second = '';
let logged: string[] = [];
const log = makeLog((line) => void logged.push(line));

const parts = (of: Partial<ChainParts> = {}): ChainParts => ({
  database,
  key,
  digest: 'sha256',
  clock,
  log,
  heads: { folder: hub, second: null },
  ...of,
});
const access: Access = {
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
/** A process that wrote so many entries and died: nothing but its first statement is signed. */
async function died(entries: number, of: Partial<ChainParts> = {}): Promise<string> {
  const chain = await ChainWriter.begin(parts(of));
  for (let i = 0; i < entries; i++) await append(chain);
  await chain.close();
  return chain.chain;
}
/** Gives the entries from `number` on these bodies, each linked as the hub would: what only the database holds fits. */
async function rewrite(chain: string, number: number, bodies: readonly string[], time = new Date()): Promise<void> {
  const rows: { hash: Buffer }[] = await database.plain.query(
    'SELECT hash FROM audit_entry WHERE chain = $1 AND number = $2',
    [chain, number - 1],
  );
  const head = (await allChains(database.plain)).find((one) => one.chain === chain)?.head ?? '';
  let hash = rows[0]?.hash ?? headHash('sha256', head);
  for (const [i, text] of bodies.entries()) {
    hash = link('sha256', hash, text);
    await database.plain.query(
      `INSERT INTO audit_entry (chain, number, time, body, hash) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (chain, number) DO UPDATE SET body = $4, hash = $5`,
      [chain, number + i, time, text, hash],
    );
  }
}
const forged = (chain: string, number: number) =>
  encodeEntry({ ...testEntry(chain, number), entities: {}, who: [{ subject: 'somebody-else', client: 'portal' }] });
const start = async (of: { retention?: number; folder?: string } = {}): Promise<void> => {
  const heads = { folder: of.folder ?? hub, second: null };
  const keeping = keepAudit({
    database,
    key,
    heads,
    keep: async () => undefined,
    clock,
    log,
    retention: of.retention ?? null,
  });
  await keeping.first;
  await keeping.close();
};
/** Exports and verifies: messages of the faults, with the number of the entry. Without head files, and against them. */
const verified = async (folders: readonly string[] = []) => {
  const file = join(directory, 'audit.export');
  const heads = () => findHeadFiles([hub]);
  await exportAudit({ database, key, at: new Date(), heads, patience: 300 }, file);
  const against = folders.length > 0 ? { heads: findHeadFiles(folders) } : {};
  const report = await verifyExport(createReadStream(file), { trusted: [key.id], ...against });
  return report.faults.map((one) => one.message);
};

describe('a forged audit log', () => {
  beforeEach(async () => {
    await database?.drop();
    database = await freshDatabase();
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

  test('a row inserted in front of a running writer is not taken over: its chain ends, another begins, and both are told', async () => {
    const one = await AuditLog.open(parts());
    const { chain } = one;
    for (let i = 0; i < 3; i++) await one.record(access);
    await rewrite(chain, 4, [forged(chain, 4)]);
    await expect(one.record(access)).rejects.toThrow('could not be written down');
    await one.record(access);
    expect(one.chain).not.toBe(chain);
    expect(logged.join()).toContain(`The database holds entry 4 of the audit chain ${chain}`);
    await one.close();
    expect(await verified([hub])).toEqual([
      'entry 4 stands behind the signed end of its chain',
      `the chain ${chain} was ended by its process: behind entry 3 the database held entries that its process had not written`,
    ]);
  });

  test('a row inserted in front of a writer that has nothing to write is found when it signs, and by an export', async () => {
    const one = await AuditLog.open(parts());
    const { chain } = one;
    await one.record(access);
    await rewrite(chain, 2, [forged(chain, 2)]);
    expect((await verified([hub]))[0]).toBe('entry 2 stands behind the signed end of its chain');
    expect(one.chain).not.toBe(chain);
    await one.close();
  });

  test('the tail of a process that died is signed at the next start as far as its head file goes, and a forged row behind it is not', async () => {
    const chain = await died(3);
    await rewrite(chain, 4, [forged(chain, 4)]);
    await start();
    expect(logged.join()).toContain(`Entries 4 to 4 of the audit chain ${chain}`);
    expect(await verified()).toEqual([
      'entry 4 is signed by nobody: no process of the hub is known to have written this',
    ]);
    await database.plain.query('DELETE FROM audit_entry WHERE number = 4');
    expect(await verified([hub])).toEqual([]);
  });

  test('of a process that died, a cut tail, a swapped pair and a rewritten entry are named, links that fit or not', async () => {
    const [cut, swapped, changed] = [await died(3), await died(3), await died(3)];
    await database.plain.query('DELETE FROM audit_entry WHERE chain = $1 AND number > 1', [cut]);
    await rewrite(
      swapped,
      2,
      [3, 2].map((n, i) => body(swapped, n).replace(`"number":${n}`, `"number":${i + 2}`)),
    );
    await rewrite(changed, 3, [forged(changed, 3)]);
    await start();
    expect(await verified()).toEqual([
      'the tail is cut: entries 2 to 3 are missing',
      'entry 3 is not the one that was signed',
      'entry 3 is not the one that was signed',
    ]);
  });

  test('an entry that differs from its signed statement is named, though every link fits', async () => {
    const one = await AuditLog.open(parts());
    for (let i = 0; i < 3; i++) await one.record(access);
    await one.close();
    await rewrite(one.chain, 3, [forged(one.chain, 3)]);
    expect(await verified()).toEqual(['entry 3 is not the one that was signed']);
  });

  test('a torn last line, and a head whose entries never came into the database, are no faults', async () => {
    const chain = await died(2);
    const failing: Database = {
      ...database,
      plain: new Proxy(database.plain, {
        get: (target, name) =>
          name === 'query' ? () => Promise.reject(new Error('lost')) : Reflect.get(target, name, target),
      }),
    };
    const other = await ChainWriter.begin(parts({ database: failing }));
    await expect(append(other)).rejects.toThrow('lost');
    await other.close();
    const file = join(hub, `${chain}.jsonl`);
    appendFileSync(file, '{"time":"2026-03-02T08:00:00.000Z","head":{"chain":');
    await start();
    expect(await verified([hub])).toEqual([]);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"number":2', '"number":3'));
    expect((await verified([hub]))[0]).toContain(`of the head file ${file} is broken`);
  });

  test('a write whose outcome was not known counts when it is the one that was made', async () => {
    let broken = false;
    const late: Database = {
      ...database,
      plain: new Proxy(database.plain, {
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
    const one = await AuditLog.open(parts({ database: late }));
    const { chain } = one;
    await one.record(access);
    broken = true;
    await expect(one.record(access)).rejects.toThrow('could not be written down');
    await one.record(access);
    expect(one.chain).toBe(chain);
    await one.close();
    expect(await verified([hub])).toEqual([]);
  });

  test('statements, entries and head file set back together are found by the second folder, and by no other', async () => {
    const one = await AuditLog.open(parts({ heads: { folder: hub, second } }));
    await one.record(access);
    await one.stand();
    const before = readFileSync(join(hub, `${one.chain}.jsonl`));
    await one.record(access);
    await one.stand();
    await one.close();
    expect(await verified([hub, second])).toEqual([]);
    writeFileSync(join(hub, `${one.chain}.jsonl`), before);
    await database.plain.query('DELETE FROM audit_entry WHERE number > 1');
    await database.plain.query('DELETE FROM audit_statement WHERE number > 2');
    expect(await verified([hub])).toEqual([]);
    expect(await verified([hub, second])).toEqual([
      `statement 3 is missing: the head file ${join(second, `${one.chain}.jsonl`)} holds it`,
    ]);
  });

  test('without the file of a chain that nobody has ended, the comparison says so; the newest entries stay unsigned', async () => {
    const chain = await died(2);
    rmSync(join(hub, `${chain}.jsonl`));
    await start();
    expect(await verified([hub])).toEqual([
      'entries 1 to 2 are signed by nobody: no process of the hub is known to have written this',
      `the head file of chain ${chain} is missing: its process has not ended it, and no file among those given is of it`,
    ]);
  });

  test('chains of a version without head files are signed once as they stand, and never again', async () => {
    const begun = new Date();
    const head = encodeHead({ chain: 'old', digest: 'sha256', begun: begun.toISOString() });
    await database.transaction(async (tx) => {
      await addKey(tx, key.id, key.publicJwk);
      await addChain(tx, { chain: 'old', digest: 'sha256', head, begun });
      await state(tx, key, begun, {
        kind: 'begin',
        chain: 'old',
        count: 0,
        head: headHash('sha256', head).toString('hex'),
      });
    });
    await rewrite('old', 1, [body('old', 1), body('old', 2)]);
    await died(1);
    await start();
    expect(await verified([hub])).toEqual([]);
    await rewrite('old', 3, [forged('old', 3)]);
    await start();
    expect(await verified([hub])).toEqual([
      'entry 3 is signed by nobody: no process of the hub is known to have written this',
    ]);
  });

  test('retention signs no forgery: neither a row behind the end nor a changed time makes it drop what is young', async () => {
    const one = await AuditLog.open(parts());
    await one.record(access);
    await one.record(access);
    await one.close();
    await rewrite(one.chain, 3, [forged(one.chain, 3)], new Date('2020-01-01T00:00:00Z'));
    await database.plain.query(`UPDATE audit_entry SET time = '2020-01-01T00:00:00Z'`);
    const day = new Date('2024-01-01T00:00:00Z');
    expect(await trimAudit(database, key, day, new Date())).toMatchObject({ chains: 0, refused: [] });
    // All of it is old, and the last one that was signed is another now.
    await rewrite(one.chain, 2, [forged(one.chain, 2)]);
    const trimmed = await trimAudit(database, key, new Date(Date.now() + 60_000), new Date());
    expect(trimmed).toMatchObject({ chains: 0, refused: [expect.stringContaining(one.chain)] });
    expect((await verified([hub]))[0]).toBe('entry 2 is not the one that was signed');
  });

  test('exports beside processes that write, of this folder and of another machine, find nothing wrong', async () => {
    const here = await AuditLog.open(parts());
    const elsewhere = await AuditLog.open(parts({ heads: { folder: join(directory, 'elsewhere'), second } }));
    let stop = false;
    const busy = [here, elsewhere].map(async (one) => {
      while (!stop) await one.record(access);
    });
    for (let i = 0; i < 5; i++) expect(await verified([hub, second])).toEqual([]);
    stop = true;
    await Promise.all(busy);
    await Promise.all([here.close(), elsewhere.close()]);
    expect(await verified([hub, second])).toEqual([]);
  });

  test('a head file stays small, and goes a month after its process, when its chain has a signed end', async () => {
    const chain = await ChainWriter.begin(parts());
    for (let i = 0; i < 700; i++) await append(chain);
    await chain.close();
    const file = join(hub, `${chain.chain}.jsonl`);
    expect(readFileSync(file).length).toBeLessThan(300_000);
    await start();
    expect(readdirSync(hub)).toHaveLength(1);
    const month = new Date(Date.now() - 31 * 86_400_000);
    utimesSync(file, month, month);
    const next = await AuditLog.open(parts());
    const keeping = keepAudit({
      ...parts(),
      keep: (signed) => next.keep(signed),
      retention: null,
    });
    await keeping.first;
    await keeping.close();
    expect(readdirSync(hub)).toEqual([`${next.chain}.jsonl`]);
    expect(await verified([hub])).toEqual([]);
    // The file that is left knows the newest statement of the one that is gone.
    await database.plain.query(`DELETE FROM audit_statement WHERE body LIKE '%"kind":"end"%'`);
    expect((await verified([hub])).join()).toContain('is missing: the head file');
    await next.close();
  });
});
