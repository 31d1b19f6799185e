/**
 * Who listens to what. Listeners with the same question and the same rights form a group: each range of the log is asked for once
 * and its JSON made once, whoever many listen. A listener that cannot keep up leaves the group, is told `Lagged` when it wakes, and
 * reads the log at its own pace until it stands where the group stands.
 */

import { callerOf, type Principal } from '../../connectors/kit/auth/principal.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import { type Log, silentLog } from '../../connectors/kit/log.ts';
import type { Operations } from '../operation/operations.ts';
import type { OperationAnswer } from '../operation/request.ts';
import { asHubError } from './internal-error.ts';
import { type LostSpan, Reader } from './log-reader.ts';
import { Pace } from './log-reader-quota.ts';
import type { Tail } from './log-tail.ts';
import { type Prepared, prepare, type SubscriptionRequest } from './subscription-document.ts';
import { Group, type Member } from './subscription-group.ts';
import { Seats } from './subscription-quota.ts';

/** What a listener is sent: one answer of the subscription. */
export interface Delivery {
  readonly answer: OperationAnswer;
  /** The answer as JSON, in UTF-8; made once for all who get it. */
  bytes(): Buffer;
  /** The same and the brace that ends a message around it. */
  rest(): Buffer;
}

/** The way to one client. */
export interface Sink {
  /** Takes the delivery in any case. False: there is no room for another one until `ready` resolves. */
  offer(delivery: Delivery): boolean;
  /** Resolves when there is room again, or when the listener has gone. */
  ready(): Promise<void>;
  /** The subscription is over; with the reason, unless the hub goes down. */
  end(error: HubError | null): void;
}

export class Deliveries {
  readonly #operations: Operations;
  readonly #tail: Tail;
  readonly #log: Log;
  readonly #groups = new Map<string, Group>();
  readonly #seats = new Seats();
  readonly #pace: Pace;

  /** `log`: for faults of the hub, which clients are told by an id. */
  constructor(parts: { readonly operations: Operations; readonly tail: Tail; readonly log?: Log }) {
    this.#log = parts.log ?? silentLog;
    this.#pace = new Pace(parts.operations);
    this.#operations = parts.operations;
    this.#tail = parts.tail;
  }

  /** Groups and their listeners now. */
  get size(): { groups: number; listeners: number } {
    let listeners = 0;
    for (const group of this.#groups.values()) listeners += group.size;
    return { groups: this.#groups.size, listeners };
  }

  /** Refuses what cannot be subscribed to, before anything begins. Throws a `HubError`. */
  check(request: Pick<SubscriptionRequest, 'query' | 'operationName' | 'principal'>): Prepared {
    return prepare(this.#operations, request);
  }

  /**
   * Begins a subscription; deliveries go to the sink until `request.signal` aborts. Rejects with a `HubError` when it may not begin:
   * not valid, refused, a cursor that is none of ours, or too many held by this caller.
   */
  async join(request: SubscriptionRequest, sink: Sink): Promise<void> {
    const leave = this.#seats.take(request.principal, this.#operations.limits.subscriptions);
    const started = await this.#pace
      .take(request, () => this.#start(request))
      .catch((error: unknown) => {
        leave();
        throw error;
      });
    if (started === null) return leave();
    const { reader, begun } = started;
    const member: Member = {
      request,
      sink,
      position: begun.position,
      leave: null,
      caller: callerOf(request.principal),
      reader: { subject: request.principal?.subject ?? 'anonymous', client: request.principal?.client ?? 'anonymous' },
    };
    void this.#serve(member, reader, begun.gap).finally(leave);
  }

  async #start(request: SubscriptionRequest) {
    const prepared = prepare(this.#operations, request);
    // All at once: some are needed only when the first event comes.
    const { variables, principal } = request;
    const [fault, ...more] = this.#operations.variableFaults(prepared.operation, variables, principal);
    if (fault) throw new HubError('BAD_USER_INPUT', [fault, ...more].map((one) => one.message).join(' '));
    const reader = new Reader(this.#operations, prepared, request, this.#log);
    this.#operations.pay(request.principal, reader.points);
    return { reader, begun: await reader.start(this.#tail.head) };
  }

  async #serve(member: Member, reader: Reader, gap: LostSpan | null): Promise<void> {
    const { request, sink } = member;
    try {
      if (gap !== null) {
        const told = await this.#pace.take(request, () => reader.gap(member.position, gap));
        if (told === null) return;
        if (!sink.offer(told)) await sink.ready();
      }
      const group = this.#group(request);
      await group.follow(member, reader);
    } catch (error) {
      sink.end(asHubError(error, this.#log));
      return;
    }
    if (!request.signal.aborted) sink.end(null);
  }

  #group(request: SubscriptionRequest): Group {
    const key = groupKey(request, prepare(this.#operations, request));
    const known = this.#groups.get(key);
    if (known) return known;
    const parts = { operations: this.#operations, tail: this.#tail, pace: this.#pace, log: this.#log, request };
    const made = new Group(parts, () => this.#groups.delete(key));
    this.#groups.set(key, made);
    return made;
  }
}

/** Equal for listeners whose deliveries are the same bytes: question, variables without `after`, and everything that rights hang on. */
function groupKey(request: SubscriptionRequest, { afterVariable }: Prepared): string {
  const variables = Object.entries(request.variables ?? {}).filter(([name]) => name !== afterVariable);
  return JSON.stringify([
    request.query,
    request.operationName ?? null,
    variables.sort(),
    fingerprint(request.principal),
  ]);
}

/** The subject is not part of it: nothing in the graph hangs on the name alone, and the audit log names every reader. */
const fingerprint = (principal: Principal | null): unknown =>
  principal && [
    principal.client,
    principal.purpose,
    [...principal.roles].sort(),
    [...principal.scopes].sort(),
    principal.parks && [...principal.parks].sort(),
    principal.companies && [...principal.companies].sort(),
    [...principal.consents].sort(),
  ];
