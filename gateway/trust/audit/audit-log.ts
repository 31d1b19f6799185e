/**
 * Writes the audit chain of this process. `record` resolves when the entry is on disk. Records made during a write share the next one,
 * so that a busy hub needs one round trip for many responses. If a record cannot be written, its response is withheld.
 */
import { channel } from 'node:diagnostics_channel';
import { HubError } from '../../../connectors/kit/errors.ts';
import { AUDIT_CHANNEL, SIGN_NOW } from '../../../schema/database/audit/audit-log.ts';
import { type ChainOptions, ChainWriter, ForeignEntriesError, MAX_BATCH, type UnlinkedEntry } from './chain-writer.ts';
import { EntitySalts } from './entity-salts.ts';
import { type AuditEntry, encodeEntry } from './hash-chain.ts';
import type { SignedStatement } from './signed-statement.ts';

/** One access with plain ids, which the log salts. */
export interface AccessRecord
  extends Pick<AuditEntry, 'who' | 'purpose' | 'basis' | 'operation' | 'fields' | 'outcome' | 'onBehalfOf'> {
  /** Plain ids by type of the graph. */
  readonly entities: Readonly<Record<string, readonly string[]>>;
}

/** Options of `AuditLog.open`. */
export interface AuditLogOptions extends ChainOptions {
  /** Milliseconds between checkpoints; default 60,000. */
  readonly checkpointInterval?: number;
  /** Milliseconds after which `record` rejects; default 5,000. */
  readonly writeTimeout?: number;
}

/** Published after each write: {count, milliseconds, failed}. */
const auditWrittenChannel = channel('isthmus:audit:written');

interface PendingRecord {
  readonly record: AccessRecord;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const CHECKPOINT_INTERVAL = 60_000;
const WRITE_TIMEOUT = 5_000;

const auditUnavailable = (): HubError =>
  new HubError('INTERNAL', 'Audit log is unavailable, so no data is returned. Retry later.', { retryable: true });

/** The audit log of this process: one chain, or a further one after another program has written to it. */
export class AuditLog {
  readonly #options: AuditLogOptions;
  readonly #salts = new EntitySalts();
  #chain: ChainWriter;
  #pending: PendingRecord[] = [];
  #writing: Promise<void> | null = null;
  /** The outcome of the last write is unknown: the chain is compared with the database before the next one. */
  #isUncertain = false;
  /** A comparison was requested, even if there is nothing to write. */
  #mustReconcile = false;
  /** The chain was ended because of foreign entries, and the next one has not begun. */
  #chainHasEnded = false;
  #timer: NodeJS.Timeout | undefined;
  #listener: { close(): Promise<void> } | undefined;

  private constructor(options: AuditLogOptions, chain: ChainWriter) {
    this.#options = options;
    this.#chain = chain;
  }

  /** Begins a chain and listens for erased salts. */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const log = new AuditLog(options, await ChainWriter.begin(options));
    await log.#listen();
    log.#scheduleCheckpoint();
    return log;
  }

  /** Id of the current chain. */
  get chain(): string {
    return this.#chain.chain;
  }

  async #listen(): Promise<void> {
    this.#listener = await this.#options.database.listen(AUDIT_CHANNEL, (payload) => {
      if (payload === null) this.#salts.forget();
      else if (payload === SIGN_NOW) void this.#signCheckpoint();
      else this.#salts.forget(...(JSON.parse(payload) as [string, string]));
    });
  }

  /** Resolves when the access is on disk. Rejects with `HubError` if it cannot be written in time. */
  record(access: AccessRecord): Promise<void> {
    // No entry may follow the signed end of the chain.
    if (!this.#listener) return Promise.reject(auditUnavailable());
    return new Promise((resolve, reject) => {
      // A hanging database must not block responses. If it writes the entry after all, the log has one entry too many, which is harmless.
      const timer = setTimeout(() => reject(auditUnavailable()), this.#options.writeTimeout ?? WRITE_TIMEOUT);
      this.#pending.push({
        record: access,
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#writing ??= this.#write();
    });
  }

  /** Checks the chain for foreign entries and signs its length if it has grown. */
  async sign(kind: 'stand' | 'end' = 'stand'): Promise<void> {
    this.#mustReconcile = true;
    // A running writer is not awaited: it finds foreign entries itself.
    if (!this.#writing) {
      this.#writing = this.#write();
      await this.#writing;
    }
    await this.#chain.sign(kind);
  }

  /** Writes a statement that was signed elsewhere to the head file of this process. */
  recordStatement(signed: SignedStatement): Promise<void> {
    return this.#chain.recordStatement(signed);
  }

  /** Writes pending records and signs the end of the chain. Idempotent. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const listener = this.#listener;
    if (!listener) return;
    this.#listener = undefined;
    await this.#writing;
    await this.sign('end').catch((error: unknown) => {
      this.#options.log.error('Failed to sign the end of the audit chain. It is signed at the next start of the hub.', {
        error,
        chain: this.chain,
      });
    });
    await this.#chain.close();
    await listener.close();
  }

  async #write(): Promise<void> {
    // Records of the same event loop turn share the write.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#pending.length > 0 || this.#mustReconcile) {
      if (this.#mustReconcile) {
        this.#mustReconcile = false;
        await this.#reconcile().catch((error: unknown) => {
          this.#isUncertain = true;
          this.#options.log.warn('Failed to compare the audit log with the database. Retrying before the next write.', {
            error,
          });
        });
        continue;
      }
      const batch = this.#pending.splice(0, MAX_BATCH);
      const startedAt = performance.now();
      const publish = (failed: boolean) =>
        auditWrittenChannel.publish({ count: batch.length, milliseconds: performance.now() - startedAt, failed });
      try {
        await this.#append(batch.map((item) => item.record));
        for (const item of batch) item.resolve();
        publish(false);
      } catch (error) {
        this.#isUncertain = true;
        this.#options.log.error('Failed to write audit log entries. Their responses were withheld.', {
          error,
          entries: batch.length,
        });
        for (const item of batch) item.reject(auditUnavailable());
        publish(true);
      }
    }
    this.#writing = null;
  }

  async #append(batch: readonly AccessRecord[]): Promise<void> {
    const { database, clock } = this.#options;
    if (this.#isUncertain) await this.#reconcile();
    const salted = await this.#salts.lookUp(
      database.requests,
      batch.flatMap((access) => [{ Company: access.onBehalfOf }, access.entities]),
    );
    const at = clock.now();
    const { chain, number: last } = this.#chain;
    const entries = batch.map((access, i): UnlinkedEntry => {
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

  /** Reads from the database whether the last write was committed. Ends a chain with foreign entries and begins a new one. */
  async #reconcile(): Promise<void> {
    if (!this.#chainHasEnded) {
      try {
        await this.#chain.reconcile();
      } catch (error) {
        if (!(error instanceof ForeignEntriesError)) throw error;
        await this.#chain.sign('conflict');
        this.#chainHasEnded = true;
        this.#options.log.error(
          `${error.message} The chain is ended and a new one begins. Another program writes to the database: export the log and verify it.`,
          { chain: this.chain },
        );
      }
    }
    if (this.#chainHasEnded) {
      const next = await ChainWriter.begin(this.#options);
      await this.#chain.close();
      this.#chain = next;
      this.#chainHasEnded = false;
    }
    this.#isUncertain = false;
  }

  async #signCheckpoint(): Promise<void> {
    if (!this.#listener) return;
    await this.sign().catch((error: unknown) =>
      this.#options.log.warn('Failed to sign the audit chain. Retrying at the next checkpoint.', { error }),
    );
  }

  #scheduleCheckpoint(): void {
    this.#timer = setTimeout(() => {
      void this.#signCheckpoint().finally(() => {
        if (this.#listener) this.#scheduleCheckpoint();
      });
    }, this.#options.checkpointInterval ?? CHECKPOINT_INTERVAL);
    this.#timer.unref();
  }
}
