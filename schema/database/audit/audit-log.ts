/** Tables of the audit log: chains, entries, signed statements, salts. The content is defined in gateway/trust/audit. */
import { randomBytes } from 'node:crypto';
import { takeLock } from '../advisory-locks.ts';
import { selectList } from '../column-names.ts';
import * as entities from '../entities/audit.ts';
import { genericPlan } from '../pool/prepared-statements.ts';
import { notify, type Tx } from '../transaction.ts';

/** An entry; `companies`: salted ids of the companies that may read it. */
export interface AuditEntryRow extends Readonly<Pick<entities.AuditEntryRow, 'time' | 'body' | 'hash'>> {
  readonly number: number;
  readonly companies: readonly string[];
}

/** A signed statement. */
export interface AuditStatementRow extends Readonly<Pick<entities.AuditStatementRow, 'body' | 'signature'>> {
  readonly number: number;
}

/** A chain. */
export interface AuditChainRow extends Readonly<Omit<entities.AuditChainRow, 'begun' | 'trimmed'>> {
  /** Number of the last entry dropped by retention; 0: none. */
  readonly trimmed: number;
}

/** Locks the statements of all processes until the transaction ends; resolves with the last one, or null. */
export async function lockStatements(tx: Tx): Promise<AuditStatementRow | null> {
  await takeLock(tx, 'auditStatements');
  const rows = await statements(tx, 'ORDER BY number DESC LIMIT 1', []);
  return rows[0] ?? null;
}

/** Adds the next statement. Call `lockStatements` first in the same transaction. */
export async function addStatement(tx: Tx, row: AuditStatementRow & { chain: string | null; count: number }) {
  await tx.query('INSERT INTO audit_statement (number, chain, count, body, signature) VALUES ($1, $2, $3, $4, $5)', [
    row.number,
    row.chain,
    row.count,
    row.body,
    row.signature,
  ]);
}

async function statements(tx: Tx, rest: string, values: readonly unknown[]): Promise<AuditStatementRow[]> {
  const rows: { number: string; body: string; signature: string }[] = await tx.query(
    `SELECT number, body, signature FROM audit_statement ${rest}`,
    [...values],
  );
  return rows.map((row) => ({ ...row, number: Number(row.number) }));
}

/** All statements, in order. */
export const allStatements = (tx: Tx): Promise<AuditStatementRow[]> => statements(tx, 'ORDER BY number', []);

/** Saves the public key of a signer. */
export async function addKey(tx: Tx, id: string, jwk: object): Promise<void> {
  await tx.query('INSERT INTO audit_key (id, jwk) VALUES ($1, $2) ON CONFLICT DO NOTHING', [id, JSON.stringify(jwk)]);
}

/** The public keys of all signers, newest last. */
export const allKeys = (tx: Tx): Promise<{ id: string; jwk: object }[]> =>
  tx.query('SELECT id, jwk FROM audit_key ORDER BY first_used, id');

/** Adds a chain. */
export async function addChain(tx: Tx, row: { chain: string; digest: string; head: string; begun: Date }) {
  await tx.query('INSERT INTO audit_chain (chain, digest, head, begun) VALUES ($1, $2, $3, $4)', [
    row.chain,
    row.digest,
    row.head,
    row.begun,
  ]);
}

const CHAIN = selectList(entities.AuditChainRow, ['begun']);

/** All chains, oldest first. */
export async function allChains(tx: Tx): Promise<AuditChainRow[]> {
  const rows: (Omit<AuditChainRow, 'trimmed'> & { trimmed: string })[] = await tx.query(
    `SELECT ${CHAIN} FROM audit_chain ORDER BY begun, chain`,
  );
  return rows.map((row) => ({ ...row, trimmed: Number(row.trimmed) }));
}

/** Appends entries. Rejects if one of the numbers exists. The entries are on disk when it resolves. */
export async function appendEntries(tx: Tx, chain: string, rows: readonly AuditEntryRow[]): Promise<void> {
  const subjects = rows.flatMap((row) => row.companies.map((company) => ({ company, row })));
  await tx.query(
    genericPlan(`WITH written AS (
       INSERT INTO audit_entry (chain, number, time, body, hash)
       SELECT $1, number, time, body, hash FROM unnest($2::bigint[], $3::timestamptz[], $4::text[], $5::bytea[])
         AS given (number, time, body, hash) RETURNING 1
     )
     INSERT INTO audit_subject (subject, time, chain, number)
     SELECT subject, time, $1, number FROM unnest($6::text[], $7::timestamptz[], $8::bigint[]) AS given (subject, time, number)`),
    [
      chain,
      rows.map((row) => row.number),
      rows.map((row) => row.time),
      rows.map((row) => row.body),
      rows.map((row) => row.hash),
      subjects.map((subject) => subject.company),
      subjects.map((subject) => subject.row.time),
      subjects.map((subject) => subject.row.number),
    ],
  );
}

/** At most `limit` entries with numbers greater than `after`, in order. */
export async function entriesAfter(
  tx: Tx,
  chain: string,
  after: number,
  limit: number,
): Promise<{ number: number; body: string; hash: Buffer }[]> {
  const rows: { number: string; body: string; hash: Buffer }[] = await tx.query(
    'SELECT number, body, hash FROM audit_entry WHERE chain = $1 AND number > $2 ORDER BY number LIMIT $3',
    [chain, after, limit],
  );
  return rows.map((row) => ({ ...row, number: Number(row.number) }));
}

/** The number of the last entry of each chain; 0: none. */
export async function chainTails(tx: Tx): Promise<Map<string, number>> {
  const rows: { chain: string; tail: string | null }[] = await tx.query(
    'SELECT chain, (SELECT max(number) FROM audit_entry e WHERE e.chain = c.chain) AS tail FROM audit_chain c',
  );
  return new Map(rows.map((row) => [row.chain, Number(row.tail ?? 0)]));
}

/** The highest entry count in statements about each chain; the signatures are not verified. */
export async function signedCounts(tx: Tx): Promise<Map<string, number>> {
  const rows: { chain: string; count: string }[] = await tx.query(
    'SELECT chain, max(count) AS count FROM audit_statement WHERE chain IS NOT NULL GROUP BY chain',
  );
  return new Map(rows.map((row) => [row.chain, Number(row.count)]));
}

/** Chains without a statement of these kinds. */
export async function chainsWithout(tx: Tx, kinds: readonly string[]): Promise<AuditChainRow[]> {
  const rows: { chain: string }[] = await tx.query(
    `SELECT DISTINCT chain FROM audit_statement WHERE body LIKE ANY($1)`,
    [kinds.map((kind) => `{"number":%,"kind":"${kind}",%`)],
  );
  const known = new Set(rows.map((row) => row.chain));
  return (await allChains(tx)).filter((row) => !known.has(row.chain));
}

/** The first statement that covers at least `count` entries of the chain; null if there is none. */
export async function firstStatementCovering(tx: Tx, chain: string, count: number): Promise<AuditStatementRow | null> {
  const rows = await statements(tx, 'WHERE chain = $1 AND count >= $2 ORDER BY count, number LIMIT 1', [chain, count]);
  return rows[0] ?? null;
}

/** At most `limit` statements with numbers greater than `number`, in order. */
export const statementsAfter = (tx: Tx, number: number, limit: number): Promise<AuditStatementRow[]> =>
  statements(tx, 'WHERE number > $1 ORDER BY number LIMIT $2', [number, limit]);

/** The statement that covers the most entries of the chain; null if there is none. */
export async function longestStatement(tx: Tx, chain: string): Promise<AuditStatementRow | null> {
  const rows = await statements(tx, 'WHERE chain = $1 ORDER BY count DESC, number LIMIT 1', [chain]);
  return rows[0] ?? null;
}

/** The salted ids of entities of one type, by id; new entities get a salt. `saltId` computes the salted id. */
export async function saltedIds(
  tx: Tx,
  type: string,
  ids: readonly string[],
  saltId: (salt: Buffer, id: string) => string,
): Promise<Map<string, string>> {
  const known = async (): Promise<Map<string, string>> => {
    const rows: { id: string; salted: string }[] = await tx.query(
      genericPlan('SELECT id, salted FROM audit_salt WHERE type = $1 AND id = ANY($2)'),
      [type, ids],
    );
    return new Map(rows.map((row) => [row.id, row.salted]));
  };
  const found = await known();
  const missing = ids.filter((id) => !found.has(id)).sort();
  if (missing.length === 0) return found;
  const salts = missing.map(() => randomBytes(16));
  await tx.query(
    `INSERT INTO audit_salt (type, id, salt, salted)
     SELECT $1, id, salt, salted FROM unnest($2::text[], $3::bytea[], $4::text[]) AS given (id, salt, salted) ON CONFLICT DO NOTHING`,
    [type, missing, salts, missing.map((id, i) => saltId(salts[i] as Buffer, id))],
  );
  return known();
}

/** Erases the salt of an entity and notifies all processes; resolves with the number of erased salts (0 or 1). */
export async function eraseSalt(tx: Tx, type: string, id: string): Promise<number> {
  const [rows]: [unknown[]] = await tx.query('DELETE FROM audit_salt WHERE type = $1 AND id = $2 RETURNING 1', [
    type,
    id,
  ]);
  await notify(tx, AUDIT_CHANNEL, JSON.stringify([type, id]));
  return rows.length;
}

/** NOTIFY channel. Payload: an erased salt as `[type, id]`, or `SIGN_NOW`. */
export const AUDIT_CHANNEL = 'isthmus_audit';
/** Requests a signature from each process. In the form of an erased salt of no entity, which older versions ignore. */
export const SIGN_NOW = '["","sign"]';

/** Requests a statement about its chain from every process. */
export const requestSignatures = (tx: Tx): Promise<void> => notify(tx, AUDIT_CHANNEL, SIGN_NOW);

/** Chains with an entry older than `before`. */
export async function chainsWithEntriesBefore(tx: Tx, before: Date): Promise<AuditChainRow[]> {
  const rows: { chain: string }[] = await tx.query('SELECT DISTINCT chain FROM audit_entry WHERE time < $1', [before]);
  const old = new Set(rows.map((row) => row.chain));
  return (await allChains(tx)).filter((row) => old.has(row.chain));
}

/** Drops the entries of a chain up to the given one; statements stay. */
export async function dropEntries(tx: Tx, last: { chain: string; number: number; hash: Buffer }): Promise<void> {
  const key = [last.chain, last.number];
  for (const table of ['audit_subject', 'audit_entry'])
    await tx.query(`DELETE FROM ${table} WHERE chain = $1 AND number <= $2`, key);
  await tx.query('UPDATE audit_chain SET trimmed = $2, trimmed_hash = $3 WHERE chain = $1', [...key, last.hash]);
}
