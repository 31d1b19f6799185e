/**
 * Starts subscriptions. Subscribers with the same request and rights form a group, for which each range of the log is read once and its
 * JSON made once. A slow subscriber leaves the group and receives `Lagged`. It then reads the log alone and rejoins the group when it has
 * caught up.
 */

import { callerKey, type Principal } from '../../connectors/kit/auth/principal.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import { type Log, silentLog } from '../../connectors/kit/log.ts';
import type { Operations } from '../operation/operations.ts';
import type { DeliverySink } from './delivery.ts';
import { toClientError } from './internal-error.ts';
import { LogReader, type LostSpan } from './log-reader.ts';
import { LogReaderQuota } from './log-reader-quota.ts';
import type { LogTail } from './log-tail.ts';
import { type PreparedSubscription, prepareSubscription, type SubscriptionRequest } from './subscription-document.ts';
import { type Subscriber, SubscriptionGroup } from './subscription-group.ts';
import { SubscriptionQuota } from './subscription-quota.ts';

export class SubscriptionRegistry {
  readonly #operations: Operations;
  readonly #tail: LogTail;
  readonly #log: Log;
  readonly #groups = new Map<string, SubscriptionGroup>();
  readonly #quota = new SubscriptionQuota();
  readonly #readerQuota: LogReaderQuota;

  /** `log` receives internal errors, of which clients receive only the errorId. */
  constructor(options: { readonly operations: Operations; readonly tail: LogTail; readonly log?: Log }) {
    this.#log = options.log ?? silentLog;
    this.#readerQuota = new LogReaderQuota(options.operations);
    this.#operations = options.operations;
    this.#tail = options.tail;
  }

  /** The current number of groups and of their subscribers. */
  get size(): { groups: number; subscribers: number } {
    let subscribers = 0;
    for (const group of this.#groups.values()) subscribers += group.size;
    return { groups: this.#groups.size, subscribers };
  }

  /** Validates a subscription without starting it. Throws a `HubError`. */
  prepare(request: Pick<SubscriptionRequest, 'query' | 'operationName' | 'principal'>): PreparedSubscription {
    return prepareSubscription(this.#operations, request);
  }

  /**
   * Starts a subscription; deliveries go to the sink until `request.signal` aborts. Rejects with a `HubError` when it cannot start:
   * invalid, not permitted, an invalid cursor, over budget, or too many subscriptions of this caller.
   */
  async subscribe(request: SubscriptionRequest, sink: DeliverySink): Promise<void> {
    const release = this.#quota.acquire(request.principal, this.#operations.limits.subscriptions);
    const result = await this.#readerQuota
      .run(request, () => this.#start(request))
      .catch((error: unknown) => {
        release();
        throw error;
      });
    if (result === null) return release();
    const { reader, start } = result;
    const subscriber: Subscriber = {
      request,
      sink,
      position: start.position,
      leave: null,
      caller: callerKey(request.principal),
      reader: { subject: request.principal?.subject ?? 'anonymous', client: request.principal?.client ?? 'anonymous' },
    };
    void this.#serve(subscriber, reader, start.gap).finally(release);
  }

  async #start(request: SubscriptionRequest) {
    const prepared = prepareSubscription(this.#operations, request);
    // Some variables are used only when the first event arrives; the client learns of all errors now.
    const { variables, principal } = request;
    const [error, ...others] = this.#operations.documents.validateVariables(prepared.operation, variables, principal);
    if (error) throw new HubError('BAD_USER_INPUT', [error, ...others].map(({ message }) => message).join(' '));
    const reader = new LogReader(this.#operations, prepared, request, this.#log);
    this.#operations.budget.reserve(request.principal, reader.startCost);
    return { reader, start: await reader.start(this.#tail.head) };
  }

  async #serve(subscriber: Subscriber, reader: LogReader, gap: LostSpan | null): Promise<void> {
    const { request, sink } = subscriber;
    try {
      if (gap !== null) {
        const delivery = await this.#readerQuota.run(request, () => reader.gapDelivery(subscriber.position, gap));
        if (delivery === null) return;
        if (!sink.offer(delivery)) await sink.waitForRoom();
      }
      const group = this.#groupOf(request);
      await group.serve(subscriber, reader);
    } catch (error) {
      sink.end(toClientError(error, this.#log));
      return;
    }
    if (!request.signal.aborted) sink.end(null);
  }

  #groupOf(request: SubscriptionRequest): SubscriptionGroup {
    const key = groupKey(request, prepareSubscription(this.#operations, request));
    const known = this.#groups.get(key);
    if (known) return known;
    const group = new SubscriptionGroup(
      { operations: this.#operations, tail: this.#tail, quota: this.#readerQuota, log: this.#log, request },
      () => this.#groups.delete(key),
    );
    this.#groups.set(key, group);
    return group;
  }
}

/** Equal for subscribers whose deliveries are the same bytes: request, variables without `after`, and everything that rights depend on. */
function groupKey(request: SubscriptionRequest, { afterVariable }: PreparedSubscription): string {
  const variables = Object.entries(request.variables ?? {}).filter(([name]) => name !== afterVariable);
  return JSON.stringify([request.query, request.operationName ?? null, variables.sort(), rightsKey(request.principal)]);
}

/** Without the subject: no right depends on the name alone, and the audit log names every reader. */
const rightsKey = (principal: Principal | null): unknown =>
  principal && [
    principal.client,
    principal.purpose,
    [...principal.roles].sort(),
    [...principal.scopes].sort(),
    principal.parks && [...principal.parks].sort(),
    principal.companies && [...principal.companies].sort(),
    [...principal.consents].sort(),
  ];
