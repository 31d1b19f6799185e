/**
 * Writes one audit chain. Content of the database is never trusted: an entry counts only if its hash was computed by this process
 * and written to its head file.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../../connectors/kit/clock.ts';
import type { Log } from '../../../connectors/kit/log.ts';
import {
  type AuditEntryRow,
  addChain,
  addKey,
  appendEntries,
  entriesAfter,
} from '../../../schema/database/audit/audit-log.ts';
import type { Database } from '../../../schema/database/database.ts';
import type { SigningKey } from '../signing/signing-key.ts';
import { type Digest, encodeHead, initialHash, nextHash } from './hash-chain.ts';
import { type HeadFileFolders, HeadFileWriter } from './head-file-writer.ts';
import type { SignedStatement, StatementKind } from './signed-statement.ts';
import { appendStatement } from './statement-signer.ts';

/** Options of `ChainWriter.begin`. */
export interface ChainOptions {
  readonly database: Database;
  readonly key: SigningKey;
  readonly digest: Digest;
  readonly clock: Clock;
  readonly log: Log;
  readonly heads: HeadFileFolders;
}

/** An entry without its hash; `body` as `encodeEntry` wrote it for that number. */
export type UnlinkedEntry = Omit<AuditEntryRow, 'hash'>;

/** Entries per write. */
export const MAX_BATCH = 200;

/** The database contains entries of this chain that its process did not write. */
export class ForeignEntriesError extends Error {
  override name = 'ForeignEntriesError';
}

/** Writes a chain from its `begin` statement to its `end`. */
export class ChainWriter {
  readonly chain: string;
  readonly #options: ChainOptions;
  readonly #headFile: HeadFileWriter;
  #number = 0;
  #hash: Buffer;
  /** Hashes of writes with unknown outcome, by the number of their last entry. */
  #unconfirmed = new Map<number, Set<string>>();
  #signedCount = 0;

  private constructor(chain: string, options: ChainOptions, headFile: HeadFileWriter, hash: Buffer) {
    this.chain = chain;
    this.#options = options;
    this.#headFile = headFile;
    this.#hash = hash;
  }

  /** Begins a chain with a head file and a signed statement. */
  static async begin(options: ChainOptions): Promise<ChainWriter> {
    const { database, key, digest, clock } = options;
    const chain = randomBytes(8).toString('hex');
    const begun = clock.now();
    const head = encodeHead({ chain, digest, begun: begun.toISOString(), heads: true });
    const hash = initialHash(digest, head);
    const hex = hash.toString('hex');
    const first = { chain, after: 0, previous: hex, number: 0, hash: hex };
    const headFile = await HeadFileWriter.open(options.heads, chain, first, options);
    try {
      const signed = await database.transaction(async (tx) => {
        await addKey(tx, key.id, key.publicJwk);
        await addChain(tx, { chain, digest, head, begun });
        return appendStatement(tx, key, begun, { kind: 'begin', chain, count: 0, head: hex });
      });
      await headFile.recordStatement(signed);
    } catch (error) {
      await headFile.close({ remove: true });
      throw error;
    }
    return new ChainWriter(chain, options, headFile, hash);
  }

  /** Number of the newest entry known to be in the database. */
  get number(): number {
    return this.#number;
  }

  /** Writes entries numbered from `number + 1`. If it rejects, the outcome is unknown: call `reconcile` before the next write. */
  async append(entries: readonly UnlinkedEntry[]): Promise<void> {
    let hash = this.#hash;
    const rows = entries.map((entry): AuditEntryRow => {
      hash = nextHash(this.#options.digest, hash, entry.body);
      return { ...entry, hash };
    });
    const number = this.#number + rows.length;
    const hex = hash.toString('hex');
    await this.#headFile.writeHead({
      chain: this.chain,
      after: this.#number,
      previous: this.#hash.toString('hex'),
      number,
      hash: hex,
    });
    this.#unconfirmed.set(number, (this.#unconfirmed.get(number) ?? new Set()).add(hex));
    await appendEntries(this.#options.database.requests, this.chain, rows);
    await this.#confirm(number, hash);
  }

  /**
   * Reads the entries after the newest known one: none, or a write of this process with unknown outcome, which counts from now on.
   * Rejects with `ForeignEntriesError` for any other entry.
   */
  async reconcile(): Promise<void> {
    const { database, digest } = this.#options;
    const rows = await entriesAfter(database.plain, this.chain, this.#number, MAX_BATCH + 1);
    let [number, hash] = [this.#number, this.#hash];
    let ownCount = 0;
    let last: { number: number; hash: Buffer } | null = null;
    for (const [i, row] of rows.entries()) {
      hash = nextHash(digest, hash, row.body);
      if (row.number !== ++number || !hash.equals(row.hash)) break;
      if (!this.#unconfirmed.get(number)?.has(hash.toString('hex'))) continue;
      last = { number, hash };
      ownCount = i + 1;
    }
    if (last) await this.#confirm(last.number, last.hash);
    if (rows.length > ownCount) {
      throw new ForeignEntriesError(
        `The database contains entry ${rows[ownCount]?.number} of audit chain ${this.chain}, which its process did not write.`,
      );
    }
  }

  /** Signs the length of the chain as this process wrote it; `stand` only if it has grown since the last statement. */
  async sign(kind: Extract<StatementKind, 'stand' | 'end' | 'conflict'>): Promise<void> {
    await this.#headFile.touch();
    const [count, head] = [this.#number, this.#hash.toString('hex')];
    if (kind === 'stand' && count === this.#signedCount) return;
    const { database, key, clock } = this.#options;
    const signed = await database.transaction((tx) =>
      appendStatement(tx, key, clock.now(), { kind, chain: this.chain, count, head }),
    );
    this.#signedCount = count;
    await this.#headFile.recordStatement(signed);
  }

  /** Writes a statement that was signed elsewhere to the head file. */
  recordStatement(signed: SignedStatement): Promise<void> {
    return this.#headFile.recordStatement(signed);
  }

  /** Closes the head file. Idempotent. */
  close(): Promise<void> {
    return this.#headFile.close();
  }

  async #confirm(number: number, hash: Buffer): Promise<void> {
    this.#number = number;
    this.#hash = hash;
    this.#unconfirmed = new Map();
    await this.#headFile.confirm({ number, hash: hash.toString('hex') });
  }
}
