/**
 * Writes this process's audit chain. `record` resolves once the entry is on disk: callers that come while a write is under way
 * share the next one, so a busy hub makes one round trip for many answers. What cannot be written down is not shown.
 */
import { randomBytes } from 'node:crypto';
import { channel } from 'node:diagnostics_channel';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../connectors/kit/connector.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import type { Log } from '../../connectors/kit/log.ts';
import {
  AUDIT_CHANNEL,
  type AuditEntryRow,
  addChain,
  addKey,
  appendEntries,
  newestEntry,
  saltedIds,
} from '../../schema/database/audit.ts';
import type { Database } from '../../schema/database/open.ts';
import { type AuditEntry, type Digest, encodeEntry, encodeHead, headHash, link, saltedId } from './audit-chain.ts';
import { state } from './audit-keep.ts';
import type { SigningKey } from './sign-key.ts';

/** One access, as the operation tells of it: plain ids, which are salted here. */
export interface Access
  extends Pick<AuditEntry, 'who' | 'purpose' | 'basis' | 'operation' | 'fields' | 'outcome' | 'onBehalfOf'> {
  /** Plain ids by type of the graph. */
  readonly entities: Readonly<Record<string, readonly string[]>>;
}

/** What a chain is written with. */
export interface AuditLogOptions {
  readonly database: Database;
  readonly key: SigningKey;
  readonly digest: Digest;
  readonly clock: Clock;
  readonly log: Log;
  /** Pause between checkpoints, in milliseconds. */
  readonly standEvery?: number;
  /** How long an answer waits for its entry, in milliseconds. */
  readonly patience?: number;
}

/** A write ended: {count, milliseconds, failed}. */
const auditWritten = channel('isthmus:audit:written');

interface Waiting {
  readonly access: Access;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/** Entries of one write, at most. */
const BATCH = 200;
const STAND_EVERY = 60_000;
const PATIENCE = 5_000;

const unwritten = (): HubError =>
  new HubError('INTERNAL', 'The access could not be written down, so nothing is shown.', { retryable: true });

/** The chain of this process, from its first statement to its last. */
export class AuditLog {
  /** Id of this process's chain. */
  readonly chain = randomBytes(8).toString('hex');
  readonly #options: AuditLogOptions;
  readonly #salted = new LRUCache<string, string>({ max: 50_000 });
  #waiting: Waiting[] = [];
  #writing: Promise<void> | null = null;
  #number = 0;
  #hash: Buffer = Buffer.alloc(0);
  /** Set when it is not known how far the database is. */
  #lost = false;
  #stood = 0;
  #timer: NodeJS.Timeout | undefined;
  #listener: { close(): Promise<void> } | undefined;

  private constructor(options: AuditLogOptions) {
    this.#options = options;
  }

  /** Begins the chain: from here on a statement tells of it. */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const made = new AuditLog(options);
    await made.#begin();
    return made;
  }

  async #begin(): Promise<void> {
    const { database, key, digest, clock } = this.#options;
    const begun = clock.now();
    const head = encodeHead({ chain: this.chain, digest, begun: begun.toISOString() });
    this.#hash = headHash(digest, head);
    this.#listener = await database.listen(AUDIT_CHANNEL, (payload) => {
      if (payload === null) this.#salted.clear();
      else this.#salted.delete((JSON.parse(payload) as [string, string]).join('\0'));
    });
    await database.transaction(async (tx) => {
      await addKey(tx, key.id, key.publicJwk);
      await addChain(tx, { chain: this.chain, digest, head, begun });
      await state(tx, key, begun, { kind: 'begin', chain: this.chain, count: 0, head: this.#hash });
    });
    this.#plan();
  }

  /** Resolves when the access is on disk. Rejects with `HubError` when it cannot be written down. */
  record(access: Access): Promise<void> {
    // Behind the signed end of the chain nothing may stand.
    if (!this.#listener) return Promise.reject(unwritten());
    return new Promise((resolve, reject) => {
      // A database that hangs must not hold answers for ever; what it writes in the end is a line too many, not one too few.
      const timer = setTimeout(() => reject(unwritten()), this.#options.patience ?? PATIENCE);
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      const failed = (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      };
      this.#waiting.push({ access, done, failed });
      this.#writing ??= this.#write();
    });
  }

  /** Signs how far the chain is, when it has grown since. */
  async stand(kind: 'stand' | 'end' = 'stand'): Promise<void> {
    const [count, head] = [this.#number, this.#hash];
    if (kind === 'stand' && count === this.#stood) return;
    const { database, key, clock } = this.#options;
    await database.transaction((tx) => state(tx, key, clock.now(), { kind, chain: this.chain, count, head }));
    this.#stood = count;
  }

  /** Writes what is waiting and signs the end. Idempotent. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const listener = this.#listener;
    if (!listener) return;
    this.#listener = undefined;
    await this.#writing;
    await this.stand('end').catch((error: unknown) => {
      this.#options.log.error('The end of the audit chain could not be signed.', { error, chain: this.chain });
    });
    await listener.close();
  }

  async #write(): Promise<void> {
    // Those who come in the same turn go along.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH);
      const began = performance.now();
      const tell = (failed: boolean) =>
        auditWritten.publish({ count: batch.length, milliseconds: performance.now() - began, failed });
      try {
        await this.#append(batch.map((one) => one.access));
        for (const one of batch) one.done();
        tell(false);
      } catch (error) {
        this.#lost = true;
        this.#options.log.error('The audit log could not be written; what it should tell of was not shown.', {
          error,
          entries: batch.length,
        });
        for (const one of batch) one.failed(unwritten());
        tell(true);
      }
    }
    this.#writing = null;
  }

  async #append(batch: readonly Access[]): Promise<void> {
    const { database, digest, clock } = this.#options;
    if (this.#lost) await this.#find();
    const salted = await this.#salt(batch);
    const at = clock.now();
    const time = at.toISOString();
    let hash = this.#hash;
    const rows = batch.map((access, i): AuditEntryRow => {
      const entities: Record<string, string[]> = {};
      let count = 0;
      for (const [type, ids] of Object.entries(access.entities)) {
        entities[type] = ids.map((id) => salted(type, id));
        count += ids.length;
      }
      const number = this.#number + i + 1;
      const onBehalfOf = access.onBehalfOf.map((id) => salted('Company', id));
      const body = encodeEntry({ ...access, chain: this.chain, number, time, onBehalfOf, entities, count });
      hash = link(digest, hash, body);
      return { number, time: at, body, hash, companies: [...new Set(entities['Company'] ?? [])] };
    });
    await appendEntries(database.plain, this.chain, rows);
    this.#number += rows.length;
    this.#hash = hash;
  }

  /** After a fault nobody knows whether the last write was kept: the database tells. */
  async #find(): Promise<void> {
    const newest = await newestEntry(this.#options.database.plain, this.chain);
    if (newest && newest.number > this.#number) {
      this.#number = newest.number;
      this.#hash = newest.hash;
    }
    this.#lost = false;
  }

  async #salt(batch: readonly Access[]): Promise<(type: string, id: string) => string> {
    const missing = new Map<string, Set<string>>();
    const found = new Map<string, string>();
    const look = (type: string, id: string): void => {
      const mark = `${type}\0${id}`;
      const known = this.#salted.get(mark);
      if (known !== undefined) found.set(mark, known);
      else missing.set(type, (missing.get(type) ?? new Set()).add(id));
    };
    for (const access of batch) {
      for (const id of access.onBehalfOf) look('Company', id);
      for (const [type, ids] of Object.entries(access.entities)) for (const id of ids) look(type, id);
    }
    for (const [type, ids] of missing) {
      const made = await saltedIds(this.#options.database.plain, type, [...ids], (salt, id) =>
        saltedId(salt, type, id),
      );
      for (const [id, salted] of made) {
        this.#salted.set(`${type}\0${id}`, salted);
        found.set(`${type}\0${id}`, salted);
      }
    }
    return (type, id) => {
      const salted = found.get(`${type}\0${id}`);
      if (salted === undefined) throw new Error('A salt was erased while it was asked for.');
      return salted;
    };
  }

  #plan(): void {
    this.#timer = setTimeout(() => {
      this.stand()
        .catch((error: unknown) =>
          this.#options.log.warn('The audit chain could not be signed; tried again soon.', { error }),
        )
        .finally(() => {
          if (this.#listener) this.#plan();
        });
    }, this.#options.standEvery ?? STAND_EVERY);
    this.#timer.unref();
  }
}
