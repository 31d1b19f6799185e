/** What is done with the log beside writing entries: signing statements, dropping what is too old, erasing salts, exporting. */

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import {
  type AuditChainRow,
  addKey,
  addStatement,
  allChains,
  allKeys,
  allStatements,
  dropEntries,
  entriesOf,
  eraseSalt,
  lockStatements,
  longestTold,
  trimmable,
} from '../../schema/database/audit.ts';
import type { Database, Tx } from '../../schema/database/open.ts';
import { type Digest, headHash, link } from './audit-chain.ts';
import { ExportWriter, entryLine, headerLine, headLine, statementLine } from './audit-file.ts';
import { type StatementKind, signStatement, statementHash } from './audit-statement.ts';
import type { PublicJwk, SigningKey } from './sign-key.ts';

/** Signs and keeps the next statement; last in its transaction. */
export async function state(
  tx: Tx,
  key: SigningKey,
  at: Date,
  what: { kind: StatementKind; chain: string | null; count: number; head: Buffer | null },
): Promise<void> {
  const before = await lockStatements(tx);
  const number = (before?.number ?? 0) + 1;
  const { kind, chain, count, head } = what;
  const signed = signStatement(key, {
    number,
    kind,
    chain,
    count,
    head: head?.toString('hex') ?? null,
    time: at.toISOString(),
    previous: before ? statementHash(before.body) : null,
  });
  await addStatement(tx, { number, chain, count, ...signed });
}

/** How far a chain is in the database, as far as its hashes fit; `whole` false when some do not. */
async function walk(tx: Tx, row: AuditChainRow): Promise<{ number: number; hash: Buffer; whole: boolean }> {
  const digest = row.digest as Digest;
  let number = row.trimmed;
  let hash = row.trimmedHash ?? headHash(digest, row.head);
  for (;;) {
    const page = await entriesOf(tx, row.chain, number, 2_000);
    for (const one of page) {
      const next = link(digest, hash, one.body);
      if (one.number !== number + 1 || !next.equals(one.hash)) return { number, hash, whole: false };
      number = one.number;
      hash = next;
    }
    if (page.length < 2_000) return { number, hash, whole: true };
  }
}

/**
 * Signs how far every chain is, those of processes that died without an end too. A chain that does not fit its hashes is not signed
 * any further: the verifier is to find that.
 */
export async function standAll(tx: Tx, key: SigningKey, at: Date): Promise<void> {
  await addKey(tx, key.id, key.publicJwk);
  for (const row of await allChains(tx)) {
    const told = await longestTold(tx, row.chain);
    const { number, hash, whole } = await walk(tx, row);
    if (whole && number > told)
      await state(tx, key, at, { kind: 'stand', chain: row.chain, count: number, head: hash });
  }
}

/** Drops entries older than `before`, and signs up to where. Answers how many chains were shortened. */
export async function trimAudit(database: Database, key: SigningKey, before: Date, at: Date): Promise<number> {
  return database.transaction(async (tx) => {
    await addKey(tx, key.id, key.publicJwk);
    const all = await trimmable(tx, before);
    for (const one of all) {
      await dropEntries(tx, one);
      await state(tx, key, at, { kind: 'trim', chain: one.chain, count: one.number, head: one.hash });
    }
    return all.length;
  });
}

/** Makes the entity unrecognisable in every entry, for ever; the chain stays as it is. False when it was not known. */
export async function eraseFromAudit(
  database: Database,
  key: SigningKey,
  entity: { type: string; id: string },
  at: Date,
): Promise<boolean> {
  return database.transaction(async (tx) => {
    await addKey(tx, key.id, key.publicJwk);
    const count = await eraseSalt(tx, entity.type, entity.id);
    if (count > 0) await state(tx, key, at, { kind: 'erase', chain: null, count, head: null });
    return count > 0;
  });
}

/** Writes the whole log into a file that `isthmus audit verify` reads. Answers how many entries. */
export async function exportAudit(database: Database, key: SigningKey, file: string, at: Date): Promise<number> {
  await database.transaction((tx) => standAll(tx, key, at));
  const stream = createWriteStream(file, { mode: 0o600 });
  const writer = new ExportWriter(async (text) => {
    if (!stream.write(text)) await once(stream, 'drain');
  });
  // One view of the log, whatever is written or dropped meanwhile.
  const count = await database.transaction(async (tx) => {
    await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const keys = await allKeys(tx);
    await writer.lines([headerLine(keys.map((one) => ordered(one.jwk as PublicJwk)))]);
    await writer.lines((await allStatements(tx)).map((one) => statementLine(one.body, one.signature)));
    let entries = 0;
    for (const row of await allChains(tx)) {
      await writer.lines([headLine(row.head)]);
      let last = row.trimmed;
      for (;;) {
        const page = await entriesOf(tx, row.chain, last, 5_000);
        await writer.lines(page.map((one) => entryLine(one.hash.toString('hex'), one.body)));
        entries += page.length;
        last = page.at(-1)?.number ?? last;
        if (page.length < 5_000) break;
      }
    }
    return entries;
  });
  await writer.end(key, at);
  stream.end();
  await finished(stream);
  return count;
}

/** The database keeps JSON in an order of its own. */
const ordered = ({ kty, crv, x, kid, use, alg }: PublicJwk): PublicJwk => ({ kty, crv, x, kid, use, alg });
