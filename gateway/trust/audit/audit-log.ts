/**
 * Writes this process's audit chain. `record` resolves once the entry is on disk: callers that come while a write is under way
 * share the next one, so a busy hub makes one round trip for many answers. What cannot be written down is not shown.
 */
import { channel } from 'node:diagnostics_channel';
import { HubError } from '../../../connectors/kit/errors.ts';
import { AUDIT_CHANNEL, SIGN_NOW } from '../../../schema/database/audit/audit-log.ts';
import { BATCH, type ChainParts, ChainWriter, ForeignEntries, type Unlinked } from './chain-writer.ts';
import { Salts } from './entity-salts.ts';
import { type AuditEntry, encodeEntry } from './hash-chain.ts';
import type { SignedStatement } from './signed-statement.ts';

/** One access, as the operation tells of it: plain ids, which are salted here. */
export interface Access
  extends Pick<AuditEntry, 'who' | 'purpose' | 'basis' | 'operation' | 'fields' | 'outcome' | 'onBehalfOf'> {
  /** Plain ids by type of the graph. */
  readonly entities: Readonly<Record<string, readonly string[]>>;
}

/** What the log is written with. */
export interface AuditLogOptions extends ChainParts {
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

const STAND_EVERY = 60_000;
const PATIENCE = 5_000;

const unwritten = (): HubError =>
  new HubError('INTERNAL', 'The access could not be written down, so nothing is shown.', { retryable: true });

/** The chain of this process; a further one when somebody else has written into it. */
export class AuditLog {
  readonly #options: AuditLogOptions;
  readonly #salts = new Salts();
  #chain: ChainWriter;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | null = null;
  /** Set when what the database holds behind the chain's newest entry is to be looked at before the next write. */
  #unsettled = false;
  /** Set when that is asked for once, whether anything is to be written or not. */
  #look = false;
  /** Set when the chain's process has ended it for foreign entries and no other has begun. */
  #ended = false;
  #timer: NodeJS.Timeout | undefined;
  #listener: { close(): Promise<void> } | undefined;

  private constructor(options: AuditLogOptions, chain: ChainWriter) {
    this.#options = options;
    this.#chain = chain;
  }

  /** Begins the chain. */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const made = new AuditLog(options, await ChainWriter.begin(options));
    await made.#listen();
    made.#plan();
    return made;
  }

  /** Id of the chain that is written at present. */
  get chain(): string {
    return this.#chain.chain;
  }

  async #listen(): Promise<void> {
    this.#listener = await this.#options.database.listen(AUDIT_CHANNEL, (payload) => {
      if (payload === null) this.#salts.forget();
      else if (payload === SIGN_NOW) void this.#signSoon();
      else this.#salts.forget(...(JSON.parse(payload) as [string, string]));
    });
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

  /** Looks for entries that this process has not written, and signs how far the chain is, when it has grown since. */
  async stand(kind: 'stand' | 'end' = 'stand'): Promise<void> {
    this.#look = true;
    // A writer that never comes to rest is not waited for: it would meet such entries itself.
    if (!this.#writing) {
      this.#writing = this.#write();
      await this.#writing;
    }
    await this.#chain.state(kind);
  }

  /** Keeps a statement that was signed beside this log in its head file. */
  keep(signed: SignedStatement): Promise<void> {
    return this.#chain.record(signed);
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
    await this.#chain.close();
    await listener.close();
  }

  async #write(): Promise<void> {
    // Those who come in the same turn go along.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0 || this.#look) {
      if (this.#look) {
        this.#look = false;
        await this.#settle().catch((error: unknown) => {
          this.#unsettled = true;
          this.#options.log.warn('The audit log could not be compared with the database; tried again soon.', { error });
        });
        continue;
      }
      const batch = this.#waiting.splice(0, BATCH);
      const began = performance.now();
      const tell = (failed: boolean) =>
        auditWritten.publish({ count: batch.length, milliseconds: performance.now() - began, failed });
      try {
        await this.#append(batch.map((one) => one.access));
        for (const one of batch) one.done();
        tell(false);
      } catch (error) {
        this.#unsettled = true;
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
    const { database, clock } = this.#options;
    if (this.#unsettled) await this.#settle();
    const salted = await this.#salts.of(
      database.plain,
      batch.flatMap((access) => [{ Company: access.onBehalfOf }, access.entities]),
    );
    const at = clock.now();
    const { chain, number: last } = this.#chain;
    const entries = batch.map((access, i): Unlinked => {
      const entities: Record<string, string[]> = {};
      let count = 0;
      for (const [type, ids] of Object.entries(access.entities)) {
        entities[type] = ids.map((id) => salted(type, id));
        count += ids.length;
      }
      const number = last + i + 1;
      const onBehalfOf = access.onBehalfOf.map((id) => salted('Company', id));
      const body = encodeEntry({ ...access, chain, number, time: at.toISOString(), onBehalfOf, entities, count });
      return { number, time: at, body, companies: [...new Set(entities['Company'] ?? [])] };
    });
    await this.#chain.append(entries);
  }

  /** After a fault nobody knows whether the last write was kept: the database tells. A chain with foreign entries is ended. */
  async #settle(): Promise<void> {
    if (!this.#ended) {
      try {
        await this.#chain.settle();
      } catch (error) {
        if (!(error instanceof ForeignEntries)) throw error;
        await this.#chain.state('conflict');
        this.#ended = true;
        this.#options.log.error(
          `${error.message} The chain is ended there and a new one begins. Somebody else writes the database: export the log and verify it.`,
          { chain: this.chain },
        );
      }
    }
    if (this.#ended) {
      const next = await ChainWriter.begin(this.#options);
      await this.#chain.close();
      this.#chain = next;
      this.#ended = false;
    }
    this.#unsettled = false;
  }

  async #signSoon(): Promise<void> {
    if (!this.#listener) return;
    await this.stand().catch((error: unknown) =>
      this.#options.log.warn('The audit chain could not be signed; tried again soon.', { error }),
    );
  }

  #plan(): void {
    this.#timer = setTimeout(() => {
      void this.#signSoon().finally(() => {
        if (this.#listener) this.#plan();
      });
    }, this.#options.standEvery ?? STAND_EVERY);
    this.#timer.unref();
  }
}
