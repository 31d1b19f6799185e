/** What is done with the log beside writing entries: signing statements, dropping what is too old, erasing salts. */

import type { Clock } from '../../connectors/kit/connector.ts';
import type { Log } from '../../connectors/kit/log.ts';
import { inRounds } from '../../connectors/kit/rounds.ts';
import {
  type AuditChainRow,
  addKey,
  addStatement,
  allChains,
  dropEntries,
  entriesOf,
  eraseSalt,
  lockStatements,
  longestTold,
  trimmable,
} from '../../schema/database/audit.ts';
import type { Database, Tx } from '../../schema/database/open.ts';
import { type Digest, link } from './audit-chain.ts';
import { type Statement, type StatementKind, signStatement, statementHash } from './audit-statement.ts';
import type { SigningKey } from './sign-key.ts';

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

/** How far a chain is in the database beyond what is signed, as far as its hashes fit; `whole` false when some do not. */
async function walk(
  tx: Tx,
  row: AuditChainRow,
  from: { number: number; hash: Buffer },
): Promise<{ number: number; hash: Buffer; whole: boolean }> {
  const digest = row.digest as Digest;
  let { number, hash } = from;
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
    // A chain of which nothing is told was begun by nobody who holds the key.
    if (!told) continue;
    const signed = JSON.parse(told) as Pick<Statement, 'count' | 'head'>;
    const from = { number: signed.count, hash: Buffer.from(signed.head ?? '', 'hex') };
    const { number, hash, whole } = await walk(tx, row, from);
    if (whole && number > from.number)
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

const DAY = 86_400_000;

/**
 * Signs what processes that died have left unsigned, and drops what is older than `retention` (milliseconds; null: nothing), now and
 * every day. Faults are logged and tried again the next day.
 */
export function keepAudit(parts: {
  readonly database: Database;
  readonly key: SigningKey;
  readonly clock: Clock;
  readonly log: Log;
  readonly retention: number | null;
}): { readonly first: Promise<void>; close(): Promise<void> } {
  const { database, key, clock, log, retention } = parts;
  return inRounds(
    DAY,
    async () => {
      const now = clock.now();
      await database.transaction((tx) => standAll(tx, key, now));
      if (retention !== null) await trimAudit(database, key, new Date(now.getTime() - retention), now);
    },
    (error) => log.warn('The audit log could not be kept in order; tried again tomorrow.', { error }),
  );
}
