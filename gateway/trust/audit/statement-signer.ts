/**
 * Signs statements about audit chains. Of a chain whose process is gone only what its head file proves is signed: an entry that
 * somebody else has put behind it never is.
 */
import {
  type AuditChainRow,
  addKey,
  addStatement,
  chainsWithout,
  chainTails,
  entriesOf,
  lockStatements,
  longestStatement,
  signedCounts,
  statementsAfter,
} from '../../../schema/database/audit/audit-log.ts';
import type { Tx } from '../../../schema/database/database.ts';
import type { SigningKey } from '../signing/signing-key.ts';
import { type ChainHead, type Digest, link } from './hash-chain.ts';
import { type HeadFile, type HeadText, type Place, readHeadFile } from './head-files.ts';
import {
  readStatement,
  type SignedStatement,
  type Statement,
  type StatementKind,
  signStatement,
  statementHash,
} from './signed-statement.ts';

/** Signs and keeps the next statement; last in its transaction. */
export async function state(
  tx: Tx,
  key: SigningKey,
  at: Date,
  what: { kind: StatementKind; chain: string | null; count: number; head: string | null },
): Promise<SignedStatement> {
  const before = await lockStatements(tx);
  const number = (before?.number ?? 0) + 1;
  const { kind, chain, count, head } = what;
  const signed = signStatement(key, {
    number,
    kind,
    chain,
    count,
    head,
    time: at.toISOString(),
    previous: before ? statementHash(before.body) : null,
  });
  await addStatement(tx, { number, chain, count, ...signed });
  return signed;
}

/**
 * Whether the holder of `key` stands behind the statement: it signed it, or a later one that names its hash. Keys that only the
 * database names say nothing.
 */
export async function isAuthentic(
  tx: Tx,
  key: SigningKey,
  row: { readonly number: number; readonly body: string; readonly signature: string },
): Promise<boolean> {
  const keys = new Map([[key.id, key.publicKey]]);
  let { number, body } = row;
  if (readStatement(row, keys)) return true;
  for (;;) {
    const page = await statementsAfter(tx, number, 500);
    for (const next of page) {
      if (next.number !== number + 1 || parsed<Statement>(next.body)?.previous !== statementHash(body)) return false;
      if (readStatement(next, keys)) return true;
      ({ number, body } = next);
    }
    if (page.length < 500) return false;
  }
}

/** Who can write the database may have put anything there. */
function parsed<T>(text: string): Partial<T> | null {
  try {
    return JSON.parse(text) as Partial<T> | null;
  } catch {
    return null;
  }
}

/** Calls `at` for each entry beyond `from` while numbers and hashes fit, in order; `at` answering false ends it. True: all fit. */
export async function walkEntries(
  tx: Tx,
  row: Pick<AuditChainRow, 'chain' | 'digest'>,
  from: { readonly number: number; readonly hash: Buffer },
  at: (place: { number: number; hash: Buffer; body: string }) => boolean,
): Promise<boolean> {
  let { number, hash } = from;
  for (;;) {
    const page = await entriesOf(tx, row.chain, number, 2_000);
    for (const one of page) {
      const next = link(row.digest as Digest, hash, one.body);
      if (one.number !== number + 1 || !next.equals(one.hash)) return false;
      number = one.number;
      hash = next;
      if (!at({ number, hash, body: one.body })) return true;
    }
    if (page.length < 2_000) return true;
  }
}

/** Entries of a chain that no statement and no head file speaks of. */
export interface Unproven {
  readonly chain: string;
  readonly first: number;
  readonly last: number;
}

/**
 * Signs how far every chain is of which `heads` holds the file, and chains of versions that kept none once, as they stand. Answers the
 * entries of these chains that nothing proves, and what was signed.
 */
export async function signProven(
  tx: Tx,
  key: SigningKey,
  at: Date,
  heads: () => readonly HeadText[],
): Promise<{ unproven: Unproven[]; signed: SignedStatement[] }> {
  await addKey(tx, key.id, key.publicJwk);
  const open = await chainsWithout(tx, ['end', 'conflict']);
  // In this order: each entry in the database had its head on disk before.
  const tails = await chainTails(tx);
  const counts = await signedCounts(tx);
  const keys = new Map([[key.id, key.publicKey]]);
  const files = new Map(
    heads()
      .map((one) => readHeadFile(one, keys))
      .map((one) => [one.chain, one]),
  );
  const signed: SignedStatement[] = [];
  const unproven: Unproven[] = [];
  for (const row of open) {
    const file = files.get(row.chain);
    const count = counts.get(row.chain);
    // A chain of which nothing is stated was begun by nobody who holds the key.
    if (!file || count === undefined) continue;
    const proven = await provenPlace(tx, row, file);
    if (proven && proven.number > count) {
      signed.push(
        await state(tx, key, at, { kind: 'stand', chain: row.chain, count: proven.number, head: proven.hash }),
      );
    }
    const first = Math.max(count, proven?.number ?? 0) + 1;
    const last = tails.get(row.chain) ?? 0;
    if (last >= first) unproven.push({ chain: row.chain, first, last });
  }
  signed.push(...(await takeOver(tx, key, at)));
  return { unproven, signed };
}

/** How far a head file proves the chain: what was confirmed, and beyond it what the database holds of the heads on their way. */
async function provenPlace(tx: Tx, row: AuditChainRow, file: HeadFile): Promise<Place | null> {
  const confirmed = file.written.at(-1) ?? null;
  let place: Place | null = confirmed;
  const start = confirmed ?? { number: 0, hash: beginOf(file) };
  if (start.hash === null) return null;
  const wanted = new Set(file.signed.map((one) => `${one.number}:${one.hash}`));
  const furthest = file.signed.reduce((most, one) => Math.max(most, one.number), 0);
  await walkEntries(tx, row, { number: start.number, hash: Buffer.from(start.hash, 'hex') }, ({ number, hash }) => {
    const hex = hash.toString('hex');
    if (wanted.has(`${number}:${hex}`)) place = { number, hash: hex };
    return number < furthest;
  });
  return place;
}

/** Hash number 0, as the file's first head has signed it. */
const beginOf = (file: HeadFile): string | null => file.signed.find((one) => one.number === 0)?.hash ?? null;

/** Chains of versions that kept no head files: what stands there is signed once, and never again. */
async function takeOver(tx: Tx, key: SigningKey, at: Date): Promise<SignedStatement[]> {
  const signed: SignedStatement[] = [];
  for (const row of await chainsWithout(tx, ['end', 'conflict', 'upgrade'])) {
    if (parsed<ChainHead>(row.head)?.heads) continue;
    const longest = await longestStatement(tx, row.chain);
    if (!longest || !(await isAuthentic(tx, key, longest))) continue;
    const { count, head } = JSON.parse(longest.body) as Statement;
    let place: Place = { number: count, hash: head ?? '' };
    const whole = await walkEntries(tx, row, { number: count, hash: Buffer.from(head ?? '', 'hex') }, (one) => {
      place = { number: one.number, hash: one.hash.toString('hex') };
      return true;
    });
    // A tail that does not fit its hashes stays unsigned: the verifier names it.
    const to = whole ? place : { number: count, hash: head };
    signed.push(await state(tx, key, at, { kind: 'upgrade', chain: row.chain, count: to.number, head: to.hash }));
  }
  return signed;
}
