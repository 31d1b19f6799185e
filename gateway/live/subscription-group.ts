/** Subscribers with the same request and rights: each range of the log is read once for all that have reached the same position. */

import type { Principal } from '../../connectors/kit/auth/principal.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import { sleep } from '../../connectors/kit/guard/timeouts.ts';
import type { Log } from '../../connectors/kit/log.ts';
import type { Operations } from '../operation/operations.ts';
import { createDelivery, type DeliverySink } from './delivery.ts';
import { toClientError } from './internal-error.ts';
import { type LogRange, LogReader } from './log-reader.ts';
import type { LogReaderQuota } from './log-reader-quota.ts';
import type { LogTail } from './log-tail.ts';
import { prepareSubscription, type SubscriptionRequest } from './subscription-document.ts';

/** Milliseconds until a failed read of the log is retried. */
const RETRY_PAUSE = 1_000;

export interface Subscriber {
  readonly request: SubscriptionRequest;
  readonly sink: DeliverySink;
  /** The caller's key in limits. */
  readonly caller: string;
  /** The caller's name in the audit log. */
  readonly reader: { readonly subject: string; readonly client: string };
  /** The log position up to which everything has been offered. */
  position: bigint;
  /** Removes the subscriber from its group; null while it reads alone. */
  leave: ((reason: LeaveReason, error?: unknown) => void) | null;
}

/** Why a subscriber left: no room, no points, the group is ahead of it, or its subscription ended. */
type LeaveReason = 'slow' | 'over-budget' | 'behind' | 'closed';

export class SubscriptionGroup {
  readonly #operations: Operations;
  readonly #tail: LogTail;
  readonly #quota: LogReaderQuota;
  readonly #log: Log;
  readonly #reader: LogReader;
  /** The rights of all members. */
  readonly #principal: Principal | null;
  /** The same rights without a subject, for a read on behalf of several subjects. */
  readonly #sharedPrincipal: Principal | null;
  readonly #onEmpty: () => void;
  /** The members that follow the group's reads. */
  readonly #subscribers = new Set<Subscriber>();
  /** All members, also those that read alone. */
  readonly #served = new Set<Subscriber>();
  /** Counts joins, to detect those during a read. */
  #joined = 0;
  /** All followers, while all are at one position and none has joined or left: nothing is counted for each of them at each event. */
  #together: FollowersTogether | null = null;
  #stop = new AbortController();
  /** Null while nobody follows. */
  #position: bigint | null = null;

  constructor(
    options: { operations: Operations; tail: LogTail; quota: LogReaderQuota; log: Log; request: SubscriptionRequest },
    onEmpty: () => void,
  ) {
    const { operations, tail, request } = options;
    this.#operations = operations;
    this.#tail = tail;
    this.#quota = options.quota;
    this.#log = options.log;
    // Each subscriber's own token ends its own subscription; the group continues.
    this.#principal = request.principal && { ...request.principal, expires: null };
    this.#sharedPrincipal = this.#principal && { ...this.#principal, subject: 'isthmus' };
    const signal = new AbortController().signal;
    const own = { ...request, principal: this.#principal, signal };
    this.#reader = new LogReader(operations, prepareSubscription(operations, request), own, options.log);
    this.#onEmpty = onEmpty;
  }

  /** All members, also those that read alone. */
  get size(): number {
    return this.#served.size;
  }

  /** Serves one subscriber until its signal aborts or the server shuts down. Rejects when the subscription cannot continue. */
  async serve(subscriber: Subscriber, reader: LogReader): Promise<void> {
    const { sink, request } = subscriber;
    const isOver = () => request.signal.aborted || this.#tail.closed;
    this.#served.add(subscriber);
    let notified = false;
    try {
      while (!isOver()) {
        if (subscriber.position >= this.#tail.head) notified = false;
        const waitMs = this.#operations.budget.retryAfterMs(request.principal);
        if (waitMs > 0) {
          // Nothing is lost: the events are read once the caller's points are restored.
          await sleep(Math.ceil(waitMs), request.signal);
          const { head } = this.#tail;
          if (isOver()) return;
          if (head <= subscriber.position || notified) continue;
          notified = await this.#sendLagged(subscriber, reader);
          continue;
        }
        if (this.#position === null || subscriber.position >= this.#position) {
          const reason = await this.#waitInGroup(subscriber);
          if (reason === 'closed') return;
          if (reason === 'slow') {
            await sink.waitForRoom();
            const head = this.#tail.head;
            if (isOver()) return;
            if (head <= subscriber.position || notified) continue;
            notified = await this.#sendLagged(subscriber, reader);
          }
          continue;
        }
        const upTo = this.#position;
        const range = await this.#read(request, () => reader.read(subscriber.position, upTo, request));
        if (isOver()) return;
        if (range === null) continue;
        if (range.failure) await sleep(RETRY_PAUSE, request.signal);
        this.#operations.budget.debit(request.principal, range.cost);
        if (!offer(subscriber, range)) await sink.waitForRoom();
      }
    } finally {
      this.#served.delete(subscriber);
      if (this.#served.size === 0) this.#onEmpty();
    }
  }

  /** Sends `Lagged`. Returns false when that is not possible: the subscriber is over budget or has left. */
  async #sendLagged({ request, sink, position }: Subscriber, reader: LogReader): Promise<boolean> {
    const delivery = await this.#read(request, () => reader.laggedDelivery(position, this.#tail.head));
    if (delivery === null) return false;
    if (!sink.offer(delivery)) await sink.waitForRoom();
    return true;
  }

  /** Reads for one subscriber alone. Null when it has left or is over budget by the time the read may start. */
  #read<T>(request: SubscriptionRequest, work: () => Promise<T>): Promise<T | null> {
    const readUnlessOverBudget = async () =>
      this.#operations.budget.retryAfterMs(request.principal) > 0 ? null : work();
    return this.#quota.run(request, readUnlessOverBudget, { catchUp: true });
  }

  /** Adds a subscriber to the group and resolves when it leaves. */
  #waitInGroup(subscriber: Subscriber): Promise<LeaveReason> {
    return new Promise<LeaveReason>((resolve, reject) => {
      const { signal } = subscriber.request;
      const onAbort = () => leave('closed');
      const leave = (reason: LeaveReason, error?: unknown) => {
        signal.removeEventListener('abort', onAbort);
        this.#subscribers.delete(subscriber);
        this.#together = null;
        subscriber.leave = null;
        if (this.#subscribers.size === 0) this.#stop.abort();
        if (error === undefined) resolve(reason);
        else reject(error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#subscribers.add(subscriber);
      this.#together = null;
      subscriber.leave = leave;
      this.#joined += 1;
      if (this.#position === null) {
        this.#position = subscriber.position;
        this.#stop = new AbortController();
        void this.#run(this.#stop.signal);
      }
    });
  }

  /** Reads the log for the group until all members have left or the server shuts down. */
  async #run(signal: AbortSignal): Promise<void> {
    let notified = false;
    try {
      while (!signal.aborted && !this.#tail.closed) {
        const position = this.#position as bigint;
        const head = await this.#tail.waitBeyond(position, signal);
        if (signal.aborted || this.#tail.closed) break;
        const { present, next } = this.#subscribersAt(position);
        if (present.length === 0) {
          // All members are ahead.
          this.#position = next ?? position;
          continue;
        }
        const read = await this.#readForGroup(position, next !== null && next < head ? next : head);
        if (read === null) continue;
        const { range, to, joined } = read;
        if (range.failure) {
          if (!notified)
            for (const subscriber of to)
              this.#deliver(subscriber, { ...range, delivery: createDelivery(range.failure) });
          notified = true;
          await sleep(RETRY_PAUSE, signal);
          continue;
        }
        notified = false;
        this.#deliverToAll(to, range);
        if (this.#joined !== joined) await this.#readForLatecomers(position, range.upTo);
        this.#position = range.upTo;
        // Last, since a subscriber that leaves compares its position with the group's at once.
        if (this.#together?.position !== range.upTo)
          for (const subscriber of this.#subscribers)
            if (subscriber.position < range.upTo) subscriber.leave?.('behind');
      }
      if (this.#tail.closed) for (const { leave } of [...this.#subscribers]) leave?.('closed');
    } catch (error) {
      for (const { leave } of [...this.#subscribers]) leave?.('closed', toClientError(error, this.#log));
    } finally {
      // A subscriber that joined while the last one left starts a new run.
      const waiting = [...this.#subscribers];
      this.#position = null;
      for (const { leave } of waiting) leave?.('behind');
    }
  }

  /** Reads the range again for those who joined during the read, since the audit log does not name them as readers of the first. */
  async #readForLatecomers(position: bigint, upTo: bigint): Promise<void> {
    const read = await this.#readForGroup(position, upTo);
    if (read?.range.upTo === upTo) this.#deliverToAll(read.to, read.range);
  }

  /** Reads for the members that are at this position when the read starts. Null when none is left or all are over budget. */
  async #readForGroup(
    position: bigint,
    upTo: bigint,
  ): Promise<{ range: LogRange; to: readonly Subscriber[]; joined: number } | null> {
    const { request } = this.#quota.leastLoaded(this.#subscribersAt(position).present) ?? {};
    if (!request) return null;
    return this.#quota.run(request, async () => {
      const to = this.#subscribersAt(position).present;
      if (to.length === 0) return null;
      if (this.#operations.budget.retryAfterMs(request.principal) > 0) {
        for (const { request, leave } of to)
          if (this.#operations.budget.retryAfterMs(request.principal) > 0) leave?.('over-budget');
        return null;
      }
      const joined = this.#joined;
      const readers = this.#together?.present === to ? this.#together.readers : readersOf(to);
      const sameSubject = readers.every((reader) => reader.subject === this.#principal?.subject);
      const principal = sameSubject ? this.#principal : this.#sharedPrincipal;
      return { range: await this.#reader.read(position, upTo, { principal, readers }), to, joined };
    });
  }

  /** The members at this position, and the next position at which there is one. */
  #subscribersAt(position: bigint): { present: readonly Subscriber[]; next: bigint | null } {
    if (this.#together?.position === position) return { present: this.#together.present, next: null };
    const present: Subscriber[] = [];
    let next: bigint | null = null;
    for (const subscriber of this.#subscribers) {
      const { position: reached } = subscriber;
      if (reached === position) present.push(subscriber);
      else if (reached > position && (next === null || reached < next)) next = reached;
    }
    if (present.length === this.#subscribers.size && present.length > 0)
      this.#together = { position, present, readers: readersOf(present), callers: principalsByCaller(present) };
    return { present, next };
  }

  /** Delivers to all, and charges each caller once, however many subscriptions it has here. */
  #deliverToAll(subscribers: readonly Subscriber[], range: LogRange): void {
    const together = this.#together?.present === subscribers ? this.#together : null;
    const overBudget = new Set<string>();
    for (const [caller, principal] of together?.callers ?? principalsByCaller(subscribers)) {
      this.#operations.budget.debit(principal, range.cost);
      if (this.#operations.budget.retryAfterMs(principal) > 0) overBudget.add(caller);
    }
    for (const subscriber of subscribers) this.#deliver(subscriber, range, overBudget);
    if (together && this.#together === together) together.position = range.upTo;
  }

  /** `overBudget`: the callers whose points are used up. */
  #deliver(subscriber: Subscriber, range: LogRange, overBudget?: ReadonlySet<string>): void {
    const { leave } = subscriber;
    // The expiry timer may be late when the wall clock was set.
    if (this.#operations.tokenExpiry.isExpired(subscriber.request.principal))
      leave?.('closed', new HubError('UNAUTHENTICATED', 'The token has expired.'));
    else if (leave && !offer(subscriber, range)) leave('slow');
    else if (leave && overBudget?.has(subscriber.caller)) leave('over-budget');
  }
}

/** What is equal at each event while all followers are at one position. */
interface FollowersTogether {
  position: bigint;
  readonly present: readonly Subscriber[];
  readonly readers: readonly Subscriber['reader'][];
  readonly callers: ReadonlyMap<string, Principal | null>;
}

const principalsByCaller = (subscribers: readonly Subscriber[]): Map<string, Principal | null> =>
  new Map(subscribers.map(({ caller, request }) => [caller, request.principal]));

const readersOf = (subscribers: readonly Subscriber[]): Subscriber['reader'][] =>
  subscribers.map(({ reader }) => reader);

/** Returns false when the subscriber has no room for another delivery. */
function offer(subscriber: Subscriber, range: LogRange): boolean {
  subscriber.position = range.upTo;
  return range.delivery === null || subscriber.sink.offer(range.delivery);
}
