/**
 * The audit chain: content and encoding of an entry, and the hash that links it to the previous one. Pure functions.
 * hash(n) = digest(hash(n-1) || body(n)); hash(0) = digest of the chain's header. The encoded bytes are hashed, so any changed byte
 * invalidates the chain from there on.
 */
import { createHash } from 'node:crypto';

/** Digest of a chain: SHA-256, or SM3 (GB/T 32905). Both have 32 bytes. */
export type Digest = 'sha256' | 'sm3';
/** All supported digests. */
export const DIGESTS: readonly Digest[] = ['sha256', 'sm3'];

/** Outcome of an access: value returned, masked value returned, nothing returned. */
export type Outcome = 'ALLOWED' | 'MASKED' | 'REFUSED';

/** One access to protected data, as it is stored. */
export interface AuditEntry {
  /** Id of the chain; each process writes one. */
  readonly chain: string;
  /** From 1, without gaps. */
  readonly number: number;
  /** ISO 8601 in UTC, milliseconds. */
  readonly time: string;
  /** The recipients; several if one response went to a subscription group. */
  readonly who: readonly { readonly subject: string; readonly client: string }[];
  /** Salted ids of the companies that the caller acted for. */
  readonly onBehalfOf: readonly string[];
  readonly purpose: string | null;
  /** Such as `consent:tax`, `own` or `role:operator`. */
  readonly basis: string;
  /** SHA-256 of the operation's text, hexadecimal. */
  readonly operation: string;
  /** Salted ids of the entities that were read, by type of the graph. */
  readonly entities: Readonly<Record<string, readonly string[]>>;
  /** Coordinates of the graph, such as `TaxAccount.standing`. */
  readonly fields: readonly string[];
  /** Number of entities. */
  readonly count: number;
  readonly outcome: Outcome;
}

/** The header of a chain. */
export interface ChainHead {
  readonly chain: string;
  readonly digest: Digest;
  /** ISO 8601 in UTC, milliseconds. */
  readonly begun: string;
  /** Its process writes a head file. Undefined: begun by a version without head files. */
  readonly heads?: true;
}

/** The digest of the concatenated parts: 32 bytes. */
export function digestOf(digest: Digest, ...parts: readonly (string | Buffer)[]): Buffer {
  const hash = createHash(digest);
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** The only encoding of an entry: these members in this order, no spaces, sorted lists. */
export function encodeEntry(entry: AuditEntry): string {
  const entities = Object.fromEntries(
    Object.keys(entry.entities)
      .sort()
      .map((type) => [type, [...(entry.entities[type] ?? [])].sort()]),
  );
  return JSON.stringify({
    chain: entry.chain,
    number: entry.number,
    time: entry.time,
    who: entry.who.map(({ subject, client }) => ({ subject, client })),
    onBehalfOf: [...entry.onBehalfOf].sort(),
    purpose: entry.purpose,
    basis: entry.basis,
    operation: entry.operation,
    entities,
    fields: [...entry.fields].sort(),
    count: entry.count,
    outcome: entry.outcome,
  });
}

/** The start of the encoded entry with this number. */
export const entryPrefix = (chain: string, number: number): string =>
  `{"chain":${JSON.stringify(chain)},"number":${number},`;

/** The only encoding of a chain's header. */
export const encodeHead = (head: ChainHead): string =>
  JSON.stringify({
    chain: head.chain,
    digest: head.digest,
    begun: head.begun,
    ...(head.heads ? { heads: true } : {}),
  });

/** Hash number 0; `head` as `encodeHead` wrote it. */
export const initialHash = (digest: Digest, head: string): Buffer => digestOf(digest, head);

/** The hash of the next entry; `body` as `encodeEntry` wrote it. */
export const nextHash = (digest: Digest, previous: Buffer, body: string | Buffer): Buffer =>
  digestOf(digest, previous, body);

/** The salted id of an entity, 22 characters. It cannot be reversed, nor recomputed once the salt is erased. */
export const saltedId = (salt: Buffer, type: string, id: string): string =>
  createHash('sha256').update(salt).update(type).update('\0').update(id).digest('base64url').slice(0, 22);
