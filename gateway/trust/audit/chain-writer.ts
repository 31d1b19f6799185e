/**
 * One chain as its process writes it. What the database holds is never taken over: an entry counts only when its hash is one that
 * this process has computed and put into its head file.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../../connectors/kit/connector.ts';
import type { Log } from '../../../connectors/kit/log.ts';
import {
  type AuditEntryRow,
  addChain,
  addKey,
  appendEntries,
  entriesOf,
} from '../../../schema/database/audit/audit-log.ts';
import type { Database } from '../../../schema/database/database.ts';
import type { SigningKey } from '../signing/signing-key.ts';
import { type Digest, encodeHead, headHash, link } from './hash-chain.ts';
import { type HeadFolders, HeadWriter } from './head-file-writer.ts';
import type { SignedStatement, StatementKind } from './signed-statement.ts';
import { state } from './statement-signer.ts';

/** What a chain is written with. */
export interface ChainParts {
  readonly database: Database;
  readonly key: SigningKey;
  readonly digest: Digest;
  readonly clock: Clock;
  readonly log: Log;
  readonly heads: HeadFolders;
}

/** An entry before it is linked: `body` as `encodeEntry` wrote it for that number. */
export type Unlinked = Omit<AuditEntryRow, 'hash'>;

/** Entries of one write, at most. */
export const BATCH = 200;

/** The database holds entries of this chain that its process has not written. */
export class ForeignEntries extends Error {
  override name = 'ForeignEntries';
}

/** A chain from its first statement to its last. */
export class ChainWriter {
  readonly chain: string;
  readonly #parts: ChainParts;
  readonly #heads: HeadWriter;
  #number = 0;
  #hash: Buffer;
  /** Hashes of writes of which it is not known whether the database kept them, by the number of their last entry. */
  #attempts = new Map<number, Set<string>>();
  #signed = 0;

  private constructor(chain: string, parts: ChainParts, heads: HeadWriter, hash: Buffer) {
    this.chain = chain;
    this.#parts = parts;
    this.#heads = heads;
    this.#hash = hash;
  }

  /** Begins a chain: from here on a head file and a statement speak of it. */
  static async begin(parts: ChainParts): Promise<ChainWriter> {
    const { database, key, digest, clock } = parts;
    const chain = randomBytes(8).toString('hex');
    const begun = clock.now();
    const head = encodeHead({ chain, digest, begun: begun.toISOString(), heads: true });
    const hash = headHash(digest, head);
    const hex = hash.toString('hex');
    const first = { chain, after: 0, previous: hex, number: 0, hash: hex };
    const heads = await HeadWriter.open(parts.heads, chain, first, parts);
    try {
      const signed = await database.transaction(async (tx) => {
        await addKey(tx, key.id, key.publicJwk);
        await addChain(tx, { chain, digest, head, begun });
        return state(tx, key, begun, { kind: 'begin', chain, count: 0, head: hex });
      });
      await heads.record(signed);
    } catch (error) {
      await heads.close(true);
      throw error;
    }
    return new ChainWriter(chain, parts, heads, hash);
  }

  /** Number of the newest entry that is known to be in the database. */
  get number(): number {
    return this.#number;
  }

  /** Writes entries numbered from `number + 1`. Rejects when it is not known whether they are in the database: then `settle`. */
  async append(entries: readonly Unlinked[]): Promise<void> {
    let hash = this.#hash;
    const rows = entries.map((one): AuditEntryRow => {
      hash = link(this.#parts.digest, hash, one.body);
      return { ...one, hash };
    });
    const number = this.#number + rows.length;
    const hex = hash.toString('hex');
    await this.#heads.intend({
      chain: this.chain,
      after: this.#number,
      previous: this.#hash.toString('hex'),
      number,
      hash: hex,
    });
    this.#attempts.set(number, (this.#attempts.get(number) ?? new Set()).add(hex));
    await appendEntries(this.#parts.database.plain, this.chain, rows);
    await this.#reached(number, hash);
  }

  /**
   * Looks what the database holds behind the newest known entry: nothing, or a write of this process whose outcome was not known, which
   * counts from now on. Rejects with `ForeignEntries` for anything else.
   */
  async settle(): Promise<void> {
    const { database, digest } = this.#parts;
    const rows = await entriesOf(database.plain, this.chain, this.#number, BATCH + 1);
    let [number, hash] = [this.#number, this.#hash];
    let known = 0;
    let reached: { number: number; hash: Buffer } | null = null;
    for (const [i, row] of rows.entries()) {
      hash = link(digest, hash, row.body);
      if (row.number !== ++number || !hash.equals(row.hash)) break;
      if (!this.#attempts.get(number)?.has(hash.toString('hex'))) continue;
      reached = { number, hash };
      known = i + 1;
    }
    if (reached) await this.#reached(reached.number, reached.hash);
    if (rows.length > known) {
      throw new ForeignEntries(
        `The database holds entry ${rows[known]?.number} of the audit chain ${this.chain}, which its process has not written.`,
      );
    }
  }

  /** Signs how far the chain is; `stand` only when it has grown since. What is signed is what this process wrote. */
  async state(kind: Extract<StatementKind, 'stand' | 'end' | 'conflict'>): Promise<void> {
    await this.#heads.touch();
    const [count, head] = [this.#number, this.#hash.toString('hex')];
    if (kind === 'stand' && count === this.#signed) return;
    const { database, key, clock } = this.#parts;
    const signed = await database.transaction((tx) =>
      state(tx, key, clock.now(), { kind, chain: this.chain, count, head }),
    );
    this.#signed = count;
    await this.#heads.record(signed);
  }

  /** Keeps a statement of others in the head file. */
  record(signed: SignedStatement): Promise<void> {
    return this.#heads.record(signed);
  }

  /** Closes the head file. Idempotent. */
  close(): Promise<void> {
    return this.#heads.close();
  }

  async #reached(number: number, hash: Buffer): Promise<void> {
    this.#number = number;
    this.#hash = hash;
    this.#attempts = new Map();
    await this.#heads.confirm({ number, hash: hash.toString('hex') });
  }
}
