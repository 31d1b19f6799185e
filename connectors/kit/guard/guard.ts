/**
 * What stands around every call to a legacy system: deadline, retry within it, a breaker per operation, a limit on
 * concurrent calls with a bounded queue, single-flight for equal reads, and what was read last. One guard per installation.
 */
import type { Call, Clock, InstallationInfo } from '../connector.ts';
import { SourceError } from '../errors.ts';
import type { Health } from '../health.ts';
import type { Facts, Known } from '../provenance.ts';
import type { Kept, ToldEvent } from './read-cache.ts';

/** Limits of one guard. */
export interface GuardPolicy {
  /** How long one call may take, in milliseconds. */
  readonly timeout: number;
  /** Calls under way at once; legacy systems die first. */
  readonly concurrency: number;
  /** Calls that may wait for a place. */
  readonly queue: number;
  /** Calls that may begin in any one second; null: no such limit. */
  readonly rate: number | null;
  /** Further tries of a read after a fault that may pass. */
  readonly retries: number;
  /** How long an answer is waited for while an older one is at hand that may be shown, in milliseconds. */
  readonly patience: number;
  /** An answer that took this share of `timeout` counts as a fault for the breaker, and is named as slow. */
  readonly slow: number;
  /** Faults in a row that open an operation's breaker, and for how long (milliseconds; never above 5 s). */
  readonly breaker: { readonly faults: number; readonly pause: number };
}

export const DEFAULT_POLICY: GuardPolicy = {
  timeout: 2_500,
  concurrency: 8,
  queue: 200,
  rate: null,
  retries: 1,
  patience: 1_000,
  slow: 0.8,
  breaker: { faults: 5, pause: 2_000 },
};

/** One kind of read. */
export interface ReadRequest {
  /** The operation's name, in our words, for breaker, health, log and metrics. One of a fixed few: never with a meter, a plate or a file in it. */
  readonly operation: string;
  /** All arguments of the source call, row filter included: equal reads under way share one call. Absent: never shared, never kept. */
  readonly key?: string;
  /** The type in the connector's `keeps`: how long the reading is fresh, and usable while the source is dark. Absent: never kept. */
  readonly type?: string;
  /**
   * Global ids and codes that the reading is about: only events that name one of them make it old. Null: every event of its
   * kinds does. Absent: the keys of a batch; for one read, null.
   */
  readonly about?: readonly string[] | null;
  /** False for a read that must not be repeated. */
  readonly retry?: boolean;
  /** False: no breaker, since a fault speaks of one of many devices behind the source, and the caller has a rule of its own for those. */
  readonly breaker?: boolean;
}

export type Call1<T> = (signal: AbortSignal) => Promise<T>;

export interface Guard {
  /** One guarded read. `ask` must stop when its signal aborts. `recordedAt` says when the source recorded the value. */
  read<T>(call: Call, request: ReadRequest, ask: Call1<T>, recordedAt?: (value: T) => Date | null): Promise<Known<T>>;
  /**
   * One guarded batch by keys; a key that is missing in the answer is `value: null`. Kept per key, so a loader's batches of
   * different composition profit from each other. Rejects with `PartlyKept` when the
   * source does not answer and only some of the keys are kept; the kit's loader understands that.
   */
  readMany<V>(
    call: Call,
    request: ReadRequest,
    keys: readonly string[],
    ask: (keys: readonly string[], signal: AbortSignal) => Promise<ReadonlyMap<string, V>>,
    recordedAt?: (value: V) => Date | null,
  ): Promise<ReadonlyMap<string, Known<V | null>>>;
  /** One guarded call that changes something over there: never repeated, never shared, never kept, no matter what happens. */
  act<T>(call: Call, operation: string, ask: Call1<T>): Promise<Known<T>>;
  /** The facts of mirrored data: read at `fetchedAt` (null: never), stale when older than `fresh` milliseconds or the source is down. */
  mirrored(call: Call, fetchedAt: Date | null, recordedAt: Date | null, fresh: number): Facts;
  /** The source has called us, or pushed something: counts as a success of `operation`. */
  heard(operation: string): void;
  /** The installation's own events are being written: kept readings that they concern are asked anew. */
  changed(events: readonly ToldEvent[]): void;
  /** The host's check was answered. */
  healed(): void;
  /** Calls that wait for a place, and calls under way. */
  load(): { readonly waiting: number; readonly under: number };
}

/** Some keys of a batch are kept, the others cannot be read; `cause` is why. */
export class PartlyKept extends SourceError {
  readonly kept: ReadonlyMap<string, unknown>;
  constructor(fault: SourceError, kept: ReadonlyMap<string, unknown>) {
    super(fault.code, fault.detail, fault);
    this.source = fault.source;
    this.operation = fault.operation;
    this.kept = kept;
  }
}

/** A fact about one call to a source, told on the channel `isthmus:source:call`. */
export interface SourceCallFact {
  readonly source: string;
  readonly system: string;
  readonly operation: string;
  /** From the wish to call to the answer. */
  readonly milliseconds: number;
  /** Of these, spent waiting for a place; null: the source was never called. */
  readonly waited: number | null;
  readonly code: string | null;
  /** What was wrong, for the log only. */
  readonly detail: string | null;
}

/** Where one answer came from, told on the channel `isthmus:source:answer`. */
export interface SourceAnswerFact {
  readonly source: string;
  readonly operation: string;
  readonly from: 'live' | 'shared' | 'fresh' | 'kept';
}

/** What a guard is made of. */
export interface GuardTools {
  readonly installation: InstallationInfo;
  readonly clock: Clock;
  readonly health: Health;
  /** Where each call is told; the host gives the diagnostics channel. */
  readonly tell: (fact: SourceCallFact) => void;
  /** Where each answer is told. */
  readonly answered?: (fact: SourceAnswerFact) => void;
  /** What was read last; absent: nothing is kept. */
  readonly kept?: Kept;
  /** Aborts when the installation is closed. */
  readonly signal?: AbortSignal;
}
