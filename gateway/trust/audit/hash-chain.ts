/**
 * The audit chain, pure: what an entry is, the one way to write it down, and how each is linked to the one before.
 * hash(n) = digest(hash(n-1) || body(n)); hash(0) = digest of the chain's own first line. Any change of a byte breaks the
 * chain from there on, since the bytes themselves are hashed, not what they mean.
 */
import { createHash } from 'node:crypto';

/** Digest of a chain: SHA-256, or SM3 (GB/T 32905) by setting. Both give 32 bytes. */
export type Digest = 'sha256' | 'sm3';
/** Every digest that a chain may have. */
export const DIGESTS: readonly Digest[] = ['sha256', 'sm3'];

/** How an access ended: shown in clear, shown masked, not shown. */
export type Outcome = 'ALLOWED' | 'MASKED' | 'REFUSED';

/** One access to protected data, as it is written down. */
export interface AuditEntry {
  /** Id of the process that wrote it: one chain for each. */
  readonly chain: string;
  /** From 1, without gaps. */
  readonly number: number;
  /** ISO 8601 in UTC, milliseconds. */
  readonly time: string;
  /** Who was answered; several when one answer went to a group of subscribers. */
  readonly who: readonly { readonly subject: string; readonly client: string }[];
  /** Salted ids of the companies that the caller acted for; empty when for none. */
  readonly onBehalfOf: readonly string[];
  readonly purpose: string | null;
  /** Such as `consent:tax`, `own` or `role:operator`. */
  readonly basis: string;
  /** SHA-256 of the operation's text, hexadecimal. */
  readonly operation: string;
  /** Salted ids of what was read, by type of the graph. */
  readonly entities: Readonly<Record<string, readonly string[]>>;
  /** Coordinates of the graph, such as `TaxAccount.standing`. */
  readonly fields: readonly string[];
  /** How many entities. */
  readonly count: number;
  readonly outcome: Outcome;
}

/** The first line of a chain. */
export interface ChainHead {
  readonly chain: string;
  readonly digest: Digest;
  /** ISO 8601 in UTC, milliseconds. */
  readonly begun: string;
  /** Its process keeps a head file. Absent: begun by a version that kept none. */
  readonly heads?: true;
}

/** The digest over the parts, one after the other: 32 bytes. */
export function digestOf(digest: Digest, ...parts: readonly (string | Buffer)[]): Buffer {
  const hash = createHash(digest);
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** The one way to write an entry down: these names in this order, no spaces, lists sorted. */
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

/** How every entry of that number begins; tells its place without reading it whole. */
export const entryStart = (chain: string, number: number): string =>
  `{"chain":${JSON.stringify(chain)},"number":${number},`;

/** The one way to write a chain's first line down. */
export const encodeHead = (head: ChainHead): string =>
  JSON.stringify({
    chain: head.chain,
    digest: head.digest,
    begun: head.begun,
    ...(head.heads ? { heads: true } : {}),
  });

/** Hash number 0. */
export const headHash = (digest: Digest, head: string): Buffer => digestOf(digest, head);

/** The next hash; `body` as `encodeEntry` wrote it. */
export const link = (digest: Digest, previous: Buffer, body: string | Buffer): Buffer =>
  digestOf(digest, previous, body);

/** The salted id of an entity: cannot be turned back, and cannot be recognised once the salt is gone. 22 characters. */
export const saltedId = (salt: Buffer, type: string, id: string): string =>
  createHash('sha256').update(salt).update(type).update('\0').update(id).digest('base64url').slice(0, 22);
