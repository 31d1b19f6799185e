/** Listeners with the same question and the same rights, who stand at the same place of the log. */

import type { Principal } from '../../connectors/kit/auth/principal.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import { sleep } from '../../connectors/kit/guard/timeouts.ts';
import type { Log } from '../../connectors/kit/log.ts';
import type { Operations } from '../operation/operations.ts';
import { asHubError } from './internal-error.ts';
import { asDelivery, type Range, Reader as RangeReader, type Reader } from './log-reader.ts';
import type { Pace } from './log-reader-quota.ts';
import type { Tail } from './log-tail.ts';
import { prepare, type SubscriptionRequest } from './subscription-document.ts';
import type { Sink } from './subscription-registry.ts';

/** How long the log rests after it could not be read, in milliseconds. */
const REST = 1_000;

/** One listener. */
export interface Member {
  readonly request: SubscriptionRequest;
  readonly sink: Sink;
  /** By what limits know it. */
  readonly caller: string;
  /** What it is named by in the audit log. */
  readonly reader: { readonly subject: string; readonly client: string };
  /** Everything up to here has been offered to it. */
  position: bigint;
  /** Takes it out of the group that it stands in; null: it stands in none. */
  leave: ((left: Left, error?: unknown) => void) | null;
}

/** Why a listener left: it has no room, it has used up its points, the group has gone past it, or it is over. */
type Left = 'slow' | 'owing' | 'behind' | 'gone';

export class Group {
  readonly #operations: Operations;
  readonly #tail: Tail;
  readonly #pace: Pace;
  readonly #log: Log;
  readonly #reader: RangeReader;
  readonly #principal: Principal | null;
  readonly #unnamed: Principal | null;
  readonly #empty: () => void;
  readonly #members = new Set<Member>();
  readonly #following = new Set<Member>();
  /** How many have come, to be told of those who come while a range is read. */
  #joined = 0;
  #stop = new AbortController();
  #position: bigint | null = null;

  constructor(
    parts: { operations: Operations; tail: Tail; pace: Pace; log: Log; request: SubscriptionRequest },
    empty: () => void,
  ) {
    const { operations, tail, request } = parts;
    this.#operations = operations;
    this.#tail = tail;
    this.#pace = parts.pace;
    this.#log = parts.log;
    // Each listener's own token ends its own subscription; the group outlives it.
    this.#principal = request.principal && { ...request.principal, expires: null };
    this.#unnamed = this.#principal && { ...this.#principal, subject: 'isthmus' };
    const signal = new AbortController().signal;
    const own = { ...request, principal: this.#principal, signal };
    this.#reader = new RangeReader(operations, prepare(operations, request), own, parts.log);
    this.#empty = empty;
  }

  /** Listeners, in the group or on the way to it. */
  get size(): number {
    return this.#following.size;
  }

  /** Serves one listener until its signal aborts or the hub goes down. Rejects with the reason when it may not go on. */
  async follow(member: Member, reader: Reader): Promise<void> {
    const { sink, request } = member;
    const over = () => request.signal.aborted || this.#tail.closed;
    this.#following.add(member);
    let told = false;
    try {
      while (!over()) {
        if (member.position >= this.#tail.head) told = false;
        const owes = this.#operations.owes(request.principal);
        if (owes > 0) {
          // The log waits: nothing is lost, and nothing is read for who cannot pay it.
          await sleep(Math.ceil(owes), request.signal);
          const { head } = this.#tail;
          if (over()) return;
          if (head <= member.position || told) continue;
          told = await this.#lagged(member, reader);
          continue;
        }
        if (this.#position === null || member.position >= this.#position) {
          const left = await this.#attach(member);
          if (left === 'gone') return;
          if (left === 'slow') {
            await sink.ready();
            const head = this.#tail.head;
            if (over()) return;
            if (head <= member.position || told) continue;
            told = await this.#lagged(member, reader);
          }
          continue;
        }
        const upTo = this.#position;
        const range = await this.#read(request, () => reader.range(member.position, upTo, request));
        if (over()) return;
        if (range === null) continue;
        if (range.failed) await sleep(REST, request.signal);
        this.#operations.owe(request.principal, range.points);
        if (!offer(member, range)) await sink.ready();
      }
    } finally {
      this.#following.delete(member);
      if (this.#following.size === 0) this.#empty();
    }
  }

  /** Whether it was told how far behind it is: not while it owes. */
  async #lagged({ request, sink, position }: Member, reader: Reader): Promise<boolean> {
    const told = await this.#read(request, () => reader.lagged(position, this.#tail.head));
    if (told === null) return false;
    if (!sink.offer(told)) await sink.ready();
    return true;
  }

  /** Null: it may not be read for this listener, who has gone or has used up its points while it waited. */
  #read<T>(request: SubscriptionRequest, work: () => Promise<T>): Promise<T | null> {
    const solvent = async () => (this.#operations.owes(request.principal) > 0 ? null : work());
    return this.#pace.take(request, solvent, true);
  }

  #attach(member: Member): Promise<Left> {
    return new Promise<Left>((resolve, reject) => {
      const { signal } = member.request;
      const gone = () => leave('gone');
      const leave = (left: Left, error?: unknown) => {
        signal.removeEventListener('abort', gone);
        this.#members.delete(member);
        member.leave = null;
        if (this.#members.size === 0) this.#stop.abort();
        if (error === undefined) resolve(left);
        else reject(error);
      };
      signal.addEventListener('abort', gone, { once: true });
      this.#members.add(member);
      member.leave = leave;
      this.#joined += 1;
      if (this.#position === null) {
        this.#position = member.position;
        this.#stop = new AbortController();
        void this.#run(this.#stop.signal);
      }
    });
  }

  async #run(signal: AbortSignal): Promise<void> {
    let told = false;
    try {
      while (!signal.aborted && !this.#tail.closed) {
        const position = this.#position as bigint;
        const head = await this.#tail.beyond(position, signal);
        if (signal.aborted || this.#tail.closed) break;
        const { present, next } = this.#stand(position);
        if (present.length === 0) {
          // All who are here began later.
          this.#position = next ?? position;
          continue;
        }
        const read = await this.#range(position, next !== null && next < head ? next : head);
        if (read === null) continue;
        const { range, to, joined } = read;
        if (range.failed) {
          if (!told) for (const member of to) this.#give(member, { ...range, delivery: asDelivery(range.failed) });
          told = true;
          await sleep(REST, signal);
          continue;
        }
        told = false;
        this.#deliver(to, range);
        if (this.#joined !== joined) await this.#late(position, range.upTo);
        this.#position = range.upTo;
        // Only now: who is sent away looks at once where the group stands.
        for (const member of this.#members) if (member.position < range.upTo) member.leave?.('behind');
      }
      if (this.#tail.closed) for (const { leave } of [...this.#members]) leave?.('gone');
    } catch (error) {
      for (const { leave } of [...this.#members]) leave?.('gone', asHubError(error, this.#log));
    } finally {
      // Whoever came while the last one went begins a run of its own.
      const waiting = [...this.#members];
      this.#position = null;
      for (const { leave } of waiting) leave?.('behind');
    }
  }

  /** Those who came while the range was read were not named as its readers: it is read once more for them. */
  async #late(position: bigint, upTo: bigint): Promise<void> {
    const read = await this.#range(position, upTo);
    if (read?.range.upTo === upTo) this.#deliver(read.to, read.range);
  }

  /** Reads for those who stand there when their turn has come. Null: there is nobody left who may have it. */
  async #range(position: bigint, upTo: bigint): Promise<{ range: Range; to: Member[]; joined: number } | null> {
    const { request } = this.#pace.lightest(this.#stand(position).present) ?? {};
    if (!request) return null;
    return this.#pace.take(request, async () => {
      const to = this.#stand(position).present;
      if (to.length === 0) return null;
      if (this.#operations.owes(request.principal) > 0) {
        for (const { request, leave } of to) if (this.#operations.owes(request.principal) > 0) leave?.('owing');
        return null;
      }
      const joined = this.#joined;
      const readers = to.map((member) => member.reader);
      const alone = readers.every((one) => one.subject === this.#principal?.subject);
      const principal = alone ? this.#principal : this.#unnamed;
      return { range: await this.#reader.range(position, upTo, { principal, readers }), to, joined };
    });
  }

  /** Who stands at this place, and where the nearest one stands who is ahead. */
  #stand(position: bigint): { present: Member[]; next: bigint | null } {
    const present: Member[] = [];
    let next: bigint | null = null;
    for (const member of this.#members) {
      const at = member.position;
      if (at === position) present.push(member);
      else if (at > position && (next === null || at < next)) next = at;
    }
    return { present, next };
  }

  /** Gives it to all, and lets each caller among them pay once: it was read once. */
  #deliver(members: readonly Member[], range: Range): void {
    const callers = new Map<string, Principal | null>();
    for (const { caller, request } of members) callers.set(caller, request.principal);
    for (const [caller, principal] of callers) {
      this.#operations.owe(principal, range.points);
      if (this.#operations.owes(principal) === 0) callers.delete(caller);
    }
    for (const member of members) this.#give(member, range, callers);
  }

  /** `owing`: callers who have used up their points. */
  #give(member: Member, range: Range, owing?: ReadonlyMap<string, unknown>): void {
    const { leave } = member;
    // The timer of the token's end may be late where the wall clock was set.
    if (this.#operations.expired(member.request.principal))
      leave?.('gone', new HubError('UNAUTHENTICATED', 'The token has expired.'));
    else if (leave && !offer(member, range)) leave('slow');
    else if (leave && owing?.has(member.caller)) leave('owing');
  }
}

/** False: there is no room for another one. */
function offer(member: Member, range: Range): boolean {
  member.position = range.upTo;
  return range.delivery === null || member.sink.offer(range.delivery);
}
