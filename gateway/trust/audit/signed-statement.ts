/**
 * Signed statements about the audit chains, numbered through all processes: a chain began, stands at, ended at, was found with
 * foreign entries, was cut off by retention, salts were erased. Each names the hash of the one before, so that none can be taken out; together they tell a cut
 * tail and a missing chain.
 */
import { createHash, type KeyObject } from 'node:crypto';
import { type SigningKey, verifySignature } from '../signing/signing-key.ts';

/** What may be stated; see `Statement.kind`. */
export const STATEMENT_KINDS = ['begin', 'stand', 'end', 'conflict', 'upgrade', 'trim', 'erase'] as const;
export type StatementKind = (typeof STATEMENT_KINDS)[number];

/** One statement, before it is written down. */
export interface Statement {
  /** From 1, without gaps, through all chains. */
  readonly number: number;
  /**
   * `begin`, `stand` (a checkpoint) and `end` say how long a chain is. `conflict`: its process ended it, because the database held
   * entries behind `count` that it had not written. `upgrade`: a chain without a head file was taken over as it stood, once.
   * `trim`: entries up to `count` were dropped. `erase`: salts of `count` entities are gone.
   */
  readonly kind: StatementKind;
  /** Null for `erase`, which concerns all. */
  readonly chain: string | null;
  readonly count: number;
  /** Hash of entry `count`, hexadecimal; null for `erase`. */
  readonly head: string | null;
  /** ISO 8601 in UTC, milliseconds. */
  readonly time: string;
  /** SHA-256 of the statement before, hexadecimal; null for the first. */
  readonly previous: string | null;
  /** Id of the key that signs. */
  readonly key: string;
}

/** A statement as it is kept and exported: its bytes and the signature over them. */
export interface SignedStatement {
  readonly body: string;
  /** base64url. */
  readonly signature: string;
}

/** The one way to write a statement down. */
export const encodeStatement = (one: Statement): string =>
  JSON.stringify({
    number: one.number,
    kind: one.kind,
    chain: one.chain,
    count: one.count,
    head: one.head,
    time: one.time,
    previous: one.previous,
    key: one.key,
  });

/** What the next statement names as `previous`. */
export const statementHash = (body: string): string => createHash('sha256').update(body).digest('hex');

/** Signatures of one purpose must not pass for another's. */
const PREFIX = 'isthmus audit statement\n';

/** Writes the statement down and signs the bytes. */
export function signStatement(key: SigningKey, one: Omit<Statement, 'key'>): SignedStatement {
  const body = encodeStatement({ ...one, key: key.id });
  return { body, signature: key.sign(PREFIX + body) };
}

/** The statement, or null when its signature or form is not right. `keys` by id. */
export function readStatement(signed: SignedStatement, keys: ReadonlyMap<string, KeyObject>): Statement | null {
  let one: Statement;
  try {
    one = JSON.parse(signed.body) as Statement;
    if (encodeStatement(one) !== signed.body || !STATEMENT_KINDS.includes(one.kind)) return null;
  } catch {
    return null;
  }
  const key = keys.get(one.key);
  return key && verifySignature(key, PREFIX + signed.body, signed.signature) ? one : null;
}
