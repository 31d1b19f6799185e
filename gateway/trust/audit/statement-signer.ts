/**
 * Signs statements about audit chains. For a chain whose process has died, only the entries that its head file proves are signed, never
 * entries that another program appended.
 */
import {
  type AuditChainRow,
  addKey,
  addStatement,
  chainsWithout,
  chainTails,
  entriesAfter,
  lockStatements,
  longestStatement,
  signedCounts,
  statementsAfter,
} from '../../../schema/database/audit/audit-log.ts';
import type { Tx } from '../../../schema/database/transaction.ts';
import type { SigningKey } from '../signing/signing-key.ts';
import { type ChainHead, type Digest, nextHash } from './hash-chain.ts';
import { type EntryPosition, type HeadFile, type HeadFileText, parseHeadFile } from './head-files.ts';
import {
  readStatement,
  type SignedStatement,
  type Statement,
  type StatementKind,
  signStatement,
  statementHash,
} from './signed-statement.ts';

/** Signs and stores the next statement. Call it last in the transaction: it holds the lock on statements until the commit. */
export async function appendStatement(
  tx: Tx,
  key: SigningKey,
  at: Date,
  content: { kind: StatementKind; chain: string | null; count: number; head: string | null },
): Promise<SignedStatement> {
  const last = await lockStatements(tx);
  const number = (last?.number ?? 0) + 1;
  const { kind, chain, count, head } = content;
  const signed = signStatement(key, {
    number,
    kind,
    chain,
    count,
    head,
    time: at.toISOString(),
    previous: last ? statementHash(last.body) : null,
  });
  await addStatement(tx, { number, chain, count, ...signed });
  return signed;
}

/**
 * Whether the holder of `key` confirms the statement: it signed it, or a later one in the sequence of hashes. Keys that only the
 * database names do not count.
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
      if (next.number !== number + 1 || parseJson<Statement>(next.body)?.previous !== statementHash(body)) return false;
      if (readStatement(next, keys)) return true;
      ({ number, body } = next);
    }
    if (page.length < 500) return false;
  }
}

/** Null for invalid JSON: the database's content is not trusted. */
function parseJson<T>(text: string): Partial<T> | null {
  try {
    return JSON.parse(text) as Partial<T> | null;
  } catch {
    return null;
  }
}

/** Calls `visit` for each entry after `from`, in order, until it returns false. Resolves with false at the first wrong number or hash. */
export async function walkEntries(
  tx: Tx,
  row: Pick<AuditChainRow, 'chain' | 'digest'>,
  from: { readonly number: number; readonly hash: Buffer },
  visit: (entry: { number: number; hash: Buffer; body: string }) => boolean,
): Promise<boolean> {
  let { number, hash } = from;
  for (;;) {
    const page = await entriesAfter(tx, row.chain, number, 2_000);
    for (const entry of page) {
      const next = nextHash(row.digest as Digest, hash, entry.body);
      if (entry.number !== number + 1 || !next.equals(entry.hash)) return false;
      number = entry.number;
      hash = next;
      if (!visit({ number, hash, body: entry.body })) return true;
    }
    if (page.length < 2_000) return true;
  }
}

/** Entries of a chain that neither a statement nor a head file covers. */
export interface UnprovenEntries {
  readonly chain: string;
  readonly first: number;
  readonly last: number;
}

/**
 * Signs the proven length of every chain with a head file. Chains of versions without head files are signed once as they are. Resolves
 * with the unproven entries of these chains and the new statements.
 */
export async function signProvenEntries(
  tx: Tx,
  key: SigningKey,
  at: Date,
  readHeadFiles: () => readonly HeadFileText[],
): Promise<{ unproven: UnprovenEntries[]; signed: SignedStatement[] }> {
  await addKey(tx, key.id, key.publicJwk);
  const open = await chainsWithout(tx, ['end', 'conflict']);
  // Head files are read last: the head of an entry is on disk before the entry is in the database.
  const tails = await chainTails(tx);
  const counts = await signedCounts(tx);
  const keys = new Map([[key.id, key.publicKey]]);
  const files = new Map(
    readHeadFiles()
      .map((headFile) => parseHeadFile(headFile, keys))
      .map((headFile) => [headFile.chain, headFile]),
  );
  const signed: SignedStatement[] = [];
  const unproven: UnprovenEntries[] = [];
  for (const row of open) {
    const file = files.get(row.chain);
    const count = counts.get(row.chain);
    // A chain without a statement was not begun by a holder of the key.
    if (!file || count === undefined) continue;
    const proven = await findProvenPosition(tx, row, file);
    if (proven && proven.number > count) {
      signed.push(
        await appendStatement(tx, key, at, {
          kind: 'stand',
          chain: row.chain,
          count: proven.number,
          head: proven.hash,
        }),
      );
    }
    const first = Math.max(count, proven?.number ?? 0) + 1;
    const last = tails.get(row.chain) ?? 0;
    if (last >= first) unproven.push({ chain: row.chain, first, last });
  }
  signed.push(...(await adoptOldChains(tx, key, at)));
  return { unproven, signed };
}

/** The position up to which a head file proves the chain: the confirmed one, or a later signed one that the database contains. */
async function findProvenPosition(tx: Tx, row: AuditChainRow, file: HeadFile): Promise<EntryPosition | null> {
  const confirmed = file.confirmed.at(-1) ?? null;
  let position: EntryPosition | null = confirmed;
  const start = confirmed ?? { number: 0, hash: initialHashOf(file) };
  if (start.hash === null) return null;
  const wanted = new Set(file.signed.map((position) => `${position.number}:${position.hash}`));
  const furthest = file.signed.reduce((highest, position) => Math.max(highest, position.number), 0);
  await walkEntries(tx, row, { number: start.number, hash: Buffer.from(start.hash, 'hex') }, ({ number, hash }) => {
    const hex = hash.toString('hex');
    if (wanted.has(`${number}:${hex}`)) position = { number, hash: hex };
    return number < furthest;
  });
  return position;
}

/** Hash number 0 as signed in the file's first line; null if that line is gone. */
const initialHashOf = (file: HeadFile): string | null =>
  file.signed.find((position) => position.number === 0)?.hash ?? null;

/** Signs the chains of versions without head files once, as they are. */
async function adoptOldChains(tx: Tx, key: SigningKey, at: Date): Promise<SignedStatement[]> {
  const signed: SignedStatement[] = [];
  for (const row of await chainsWithout(tx, ['end', 'conflict', 'upgrade'])) {
    if (parseJson<ChainHead>(row.head)?.heads) continue;
    const longest = await longestStatement(tx, row.chain);
    if (!longest || !(await isAuthentic(tx, key, longest))) continue;
    const { count, head } = JSON.parse(longest.body) as Statement;
    let position: EntryPosition = { number: count, hash: head ?? '' };
    const isValid = await walkEntries(tx, row, { number: count, hash: Buffer.from(head ?? '', 'hex') }, (entry) => {
      position = { number: entry.number, hash: entry.hash.toString('hex') };
      return true;
    });
    // A tail with wrong hashes stays unsigned, so that the verifier reports it.
    const to = isValid ? position : { number: count, hash: head };
    signed.push(
      await appendStatement(tx, key, at, { kind: 'upgrade', chain: row.chain, count: to.number, head: to.hash }),
    );
  }
  return signed;
}
