/**
 * Signed statements about the audit chains, numbered across all processes. Each contains the hash of the previous one, so that none can
 * be removed; together they reveal a truncated or missing chain.
 */
import { createHash, type KeyObject } from 'node:crypto';
import { type SigningKey, verifySignature } from '../signing/signing-key.ts';

/** The kinds of statements; see `Statement.kind`. */
export const STATEMENT_KINDS = ['begin', 'stand', 'end', 'conflict', 'upgrade', 'trim', 'erase'] as const;
export type StatementKind = (typeof STATEMENT_KINDS)[number];

/** A statement. */
export interface Statement {
  /** From 1, without gaps, across all chains. */
  readonly number: number;
  /**
   * `begin`, `stand` (a checkpoint) and `end`: the chain has `count` entries. `conflict`: its process ended it because the database
   * contained entries after `count` that it had not written. `upgrade`: a chain without head file, signed once as it was.
   * `trim`: entries up to `count` were dropped. `erase`: the salts of `count` entities were erased.
   */
  readonly kind: StatementKind;
  /** Null for `erase`, which concerns all chains. */
  readonly chain: string | null;
  readonly count: number;
  /** Hash of entry `count`, hexadecimal; null for `erase`. */
  readonly head: string | null;
  /** ISO 8601 in UTC, milliseconds. */
  readonly time: string;
  /** SHA-256 of the previous statement, hexadecimal; null for the first. */
  readonly previous: string | null;
  /** Id of the signing key. */
  readonly key: string;
}

/** A statement as it is stored and exported: its encoded form and the signature over it. */
export interface SignedStatement {
  readonly body: string;
  /** base64url. */
  readonly signature: string;
}

/** The only encoding of a statement. */
export const encodeStatement = (statement: Statement): string =>
  JSON.stringify({
    number: statement.number,
    kind: statement.kind,
    chain: statement.chain,
    count: statement.count,
    head: statement.head,
    time: statement.time,
    previous: statement.previous,
    key: statement.key,
  });

/** The hash that the next statement contains as `previous`. */
export const statementHash = (body: string): string => createHash('sha256').update(body).digest('hex');

/** Signed before the body, so that a signature for another purpose is not valid here. */
const PREFIX = 'isthmus audit statement\n';

/** Encodes and signs the statement. */
export function signStatement(key: SigningKey, statement: Omit<Statement, 'key'>): SignedStatement {
  const body = encodeStatement({ ...statement, key: key.id });
  return { body, signature: key.sign(PREFIX + body) };
}

/** Parses and verifies a statement; null if its form or signature is invalid. `keys`: by id. */
export function readStatement(signed: SignedStatement, keys: ReadonlyMap<string, KeyObject>): Statement | null {
  let statement: Statement;
  try {
    statement = JSON.parse(signed.body) as Statement;
    if (encodeStatement(statement) !== signed.body || !STATEMENT_KINDS.includes(statement.kind)) return null;
  } catch {
    return null;
  }
  const key = keys.get(statement.key);
  return key && verifySignature(key, PREFIX + signed.body, signed.signature) ? statement : null;
}
