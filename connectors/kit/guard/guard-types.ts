/**
 * The guard of one installation. Every call to a legacy system passes it: deadline, retries, one circuit breaker per operation, a
 * limit on concurrent calls with a bounded queue, single-flight for equal reads, and the read cache.
 */
import type { Call, InstallationInfo } from '../call.ts';
import type { Clock } from '../clock.ts';
import { SourceError } from '../errors.ts';
import type { Health } from '../monitoring/health.ts';
import type { ProvenanceFacts, Sourced } from '../provenance.ts';
import type { InvalidationEvent, ReadCache } from './read-cache.ts';

/** One kind of read. */
export interface ReadRequest {
  /**
   * Name of the operation for circuit breaker, health, log and metrics. One of a fixed few: never contains a meter, a plate or a
   * file.
   */
  readonly operation: string;
  /** All arguments of the source call, row filter included: equal reads in progress share one call. Absent: never shared, never cached. */
  readonly key?: string;
  /** The type whose cache ages the connector declares. Absent: never cached. */
  readonly type?: string;
  /**
   * Global ids and codes that the reading is about: only events that name one of them make it stale. Null: every event of its
   * kinds does. Absent: the keys of a batch; for a single read, null.
   */
  readonly about?: readonly string[] | null;
  /** False: never retried. */
  readonly retry?: boolean;
  /** False: no circuit breaker. For sources with many devices, where an error concerns one device and the connector handles it. */
  readonly breaker?: boolean;
}

/** Sends one request to the source; must stop when the signal aborts. */
export type SourceRequest<T> = (signal: AbortSignal) => Promise<T>;

export interface Guard {
  /** Resolves with a live, shared or cached value. `recordedAt` returns when the source recorded a value. Rejects with `SourceError`. */
  read<T>(
    call: Call,
    request: ReadRequest,
    send: SourceRequest<T>,
    recordedAt?: (value: T) => Date | null,
  ): Promise<Sourced<T>>;
  /**
   * Reads a batch of keys; a key that the response does not contain has the value null. Values are cached per key, so batches of
   * different keys share them. Rejects with `PartialCacheError` if the source fails and only some keys are cached; the kit's loader
   * handles it.
   */
  readMany<V>(
    call: Call,
    request: ReadRequest,
    keys: readonly string[],
    send: (keys: readonly string[], signal: AbortSignal) => Promise<ReadonlyMap<string, V>>,
    recordedAt?: (value: V) => Date | null,
  ): Promise<ReadonlyMap<string, Sourced<V | null>>>;
  /** Sends a request that changes data in the source: never retried, shared or cached. Afterwards no cached reading is fresh. */
  write<T>(call: Call, operation: string, send: SourceRequest<T>): Promise<Sourced<T>>;
  /**
   * Facts of mirrored data that was read at `fetchedAt` (null: never). Stale if older than `fresh` milliseconds or if the source is
   * down.
   */
  mirrorFacts(call: Call, fetchedAt: Date | null, recordedAt: Date | null, fresh: number): ProvenanceFacts;
  /** Records a webhook or message from the source as a success of `operation`. */
  recordPush(operation: string): void;
  /** Makes cached readings stale that these events of the installation concern. To be called when the events are written. */
  invalidate(events: readonly InvalidationEvent[]): void;
  /** Records that the host's health check succeeded. */
  recordRecovery(): void;
  /** Numbers of waiting calls and of calls in progress. */
  load(): { readonly queued: number; readonly running: number };
}

/** The source failed; some keys of the batch are cached, the others cannot be read. `cause` is the source's error. */
export class PartialCacheError extends SourceError {
  readonly cached: ReadonlyMap<string, unknown>;
  constructor(error: SourceError, cached: ReadonlyMap<string, unknown>) {
    super(error.code, error.detail, error);
    this.source = error.source;
    this.operation = error.operation;
    this.cached = cached;
  }
}

/** One call to a source has ended. Published on the diagnostics channel `isthmus:source:call`. */
export interface SourceCallEvent {
  readonly source: string;
  readonly system: string;
  readonly operation: string;
  /** Time from the request to its result, waiting included. */
  readonly milliseconds: number;
  /** Milliseconds of these in the queue; null: the request was never sent. */
  readonly queuedMs: number | null;
  /** The error code; null: success. */
  readonly code: string | null;
  /** The error message, for the log only. */
  readonly detail: string | null;
}

/** Where the result of one read came from. Published on the diagnostics channel `isthmus:source:answer`. */
export interface SourceReadEvent {
  readonly source: string;
  readonly operation: string;
  /** `shared`: from another caller's call; `fresh`: from the cache; `kept`: from the cache and stale. */
  readonly from: 'live' | 'shared' | 'fresh' | 'kept';
}

/** What a guard needs. */
export interface GuardContext {
  readonly installation: InstallationInfo;
  readonly clock: Clock;
  readonly health: Health;
  readonly publishCall: (event: SourceCallEvent) => void;
  readonly publishRead?: (event: SourceReadEvent) => void;
  /** Called when a caller uses the source, or the source sends something, while it is down. */
  readonly onDemand?: () => void;
  /** Absent: nothing is cached. */
  readonly cache?: ReadCache;
  /** Aborts when the installation is closed. */
  readonly signal?: AbortSignal;
}
