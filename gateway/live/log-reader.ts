/** Reads ranges of the event log as one subscriber, or a group with equal rights, may see them. */

import type { Principal } from '../../connectors/kit/auth/principal.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import type { Log } from '../../connectors/kit/log.ts';
import type { Operations } from '../operation/operations.ts';
import type { OperationResponse } from '../operation/request.ts';
import { createDelivery, type Delivery } from './delivery.ts';
import { withErrorIds } from './internal-error.ts';
import {
  EVENTS_ALIAS,
  type PreparedSubscription,
  prepareSubscription,
  RETENTION_QUERY,
  type SubscriptionRequest,
} from './subscription-document.ts';

/** Events in one delivery. */
export const MAX_BATCH = 100;

/** Milliseconds without a read, after which retention may have dropped unread events. */
const IDLE_LIMIT = 60_000;

/** The GapReason of events that do not match their type, or whose fields fail. */
const INVALID = 'INVALID_EVENT';

/** Attempts to deliver a failing event alone before it is skipped. */
const MAX_TRIES = 3;

/** A span of time whose events cannot be delivered; sent to the hub connector in a `gap` token. */
export interface LostSpan {
  readonly from: string;
  readonly to: string;
  /** A GapReason. */
  readonly reason: string;
}

/** Consecutive events that do not match their type. */
interface Unreadable {
  readonly before: string;
  readonly upTo: string;
  readonly fromTime: string;
  readonly toTime: string;
}

interface StartData {
  readonly position: string;
  readonly gapFrom: string | null;
  readonly gapTo: string | null;
  readonly gapReason: string | null;
}

/** The readers of a range: the rights it is read with, and the names for the audit log. */
export interface Audience {
  readonly principal: Principal | null;
  readonly readers?: readonly { readonly subject: string; readonly client: string }[];
}

/** One range of the log. `delivery` is null when it contains nothing for this subscriber. */
export interface LogRange {
  readonly upTo: bigint;
  readonly delivery: Delivery | null;
  /** Points that its events cost each caller that receives them. */
  readonly cost: number;
  /** The response of a failed read: nothing was delivered and the range must be read again. */
  readonly failure: OperationResponse | null;
}

/** Non-retryable codes. */
const NON_RETRYABLE = new Set([
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'BAD_USER_INPUT',
  'GRAPHQL_VALIDATION_FAILED',
  'LIMIT_DEPTH',
  'LIMIT_COST',
]);

export class LogReader {
  readonly #operations: Operations;
  readonly #request: SubscriptionRequest;
  readonly #log: Log;
  /** The event that failed alone, by the position before it, and the attempts so far. */
  #failing: { readonly position: bigint; readonly tries: number } | null = null;
  #prepared: PreparedSubscription;
  #schema: unknown;
  /** The last successful read, by `performance.now()`. */
  #lastRead = performance.now();
  /** Points. */
  #eventCost: number;
  /** Events in one delivery, so that it costs at most what one operation may. */
  #batchSize: number;

  constructor(operations: Operations, prepared: PreparedSubscription, request: SubscriptionRequest, log: Log) {
    this.#operations = operations;
    this.#log = log;
    this.#prepared = prepared;
    this.#request = request;
    this.#schema = operations.graph.schema;
    [this.#eventCost, this.#batchSize] = this.#measure();
  }

  #measure(): [number, number] {
    const eventCost = this.#operations.documents.eventCost(this.#request);
    const maxEvents = Math.floor(this.#operations.limits.cost / Math.max(eventCost, 1));
    return [eventCost, Math.max(1, Math.min(MAX_BATCH, maxEvents))];
  }

  /** Points that the start of the subscription costs: as many as one event. */
  get startCost(): number {
    return Math.max(this.#eventCost, 1);
  }

  /** The position to start at, and the gap before it. Rejects with a `HubError`: not permitted, or an invalid cursor. */
  async start(head: bigint): Promise<{ position: bigint; gap: LostSpan | null }> {
    const response = await this.#run(this.#prepared.start, { isthmusHead_: String(head) }, this.#request);
    return startOf(response) ?? Promise.reject(toHubError(response));
  }

  /** A `Gap` with the lost span. */
  gapDelivery(position: bigint, gap: LostSpan): Promise<Delivery> {
    return this.#notice({ type: 'gap', position: String(position), ...gap });
  }

  /** A `Lagged` with the number of events from `position` to `head`. */
  laggedDelivery(position: bigint, head: bigint): Promise<Delivery> {
    return this.#notice({ type: 'lagged', position: String(position), behind: Number(head - position) });
  }

  /**
   * Reads the events after `position`, up to `head` and at most one batch. Rejects with a `HubError` when the subscription cannot
   * continue; any other failure is in the range.
   */
  async read(position: bigint, head: bigint, audience: Audience): Promise<LogRange> {
    this.#prepareForGraph();
    const maxEvents = this.#batchSize;
    const upTo = head - position > maxEvents ? position + BigInt(maxEvents) : head;
    const mayHaveGap = upTo < head || performance.now() - this.#lastRead > IDLE_LIMIT;
    const { responseKey: key, delivery: query } = this.#prepared;
    const range = { after: String(position), upTo: String(upTo), limit: maxEvents };
    const token = JSON.stringify({ type: 'batch', ...range });
    const response = await this.#run(query, { isthmusToken_: token }, audience);
    const batch = response.data?.[key] as Record<string, unknown> | null | undefined;
    let unreadable: Unreadable | null = null;
    if (!batch) {
      const first = response.errors?.[0];
      if (first && NON_RETRYABLE.has(String(first.extensions?.['code']))) throw toHubError(response);
      unreadable = await this.#unreadable(range, audience);
      if (!unreadable) return this.#bisect(response, position, upTo, audience);
    }
    if (mayHaveGap) {
      // After the read, so that everything that retention dropped before it is found.
      const variables = { isthmusPosition_: String(position), isthmusHead_: String(head) };
      const retention = await this.#run(RETENTION_QUERY, variables, audience);
      const start = startOf(retention);
      if (!start) return this.#failure(position, { ...retention, data: { [key]: null } });
      if (start.gap) return this.#gapRange(start.position, start.gap);
    }
    this.#lastRead = performance.now();
    if (!batch)
      return unreadable ? this.#beforeUnreadable(unreadable, position, audience) : this.#failure(position, response);
    const { [EVENTS_ALIAS]: events, ...rest } = batch;
    const count = Array.isArray(events) ? events.length : 1;
    if (count === 0) return { upTo, delivery: null, cost: 0, failure: null };
    const delivery = createDelivery({ ...clientPart(response), data: { ...response.data, [key]: rest } });
    return { upTo, delivery, cost: count * this.#eventCost, failure: null };
  }

  /** The first events of a range that do not match their type; null when there are none or the log cannot be read. */
  async #unreadable(range: object, audience: Audience): Promise<Unreadable | null> {
    const token = JSON.stringify(range);
    const response = await this.#run(this.#prepared.unreadable, { isthmusToken_: token }, audience);
    return (response.data?.['unreadable'] as Unreadable | null | undefined) ?? null;
  }

  /** The events before the unreadable ones; if there are none, the gap in place of the unreadable ones. */
  #beforeUnreadable(
    { before, upTo, fromTime, toTime }: Unreadable,
    position: bigint,
    audience: Audience,
  ): Promise<LogRange> {
    if (BigInt(before) > position) return this.read(position, BigInt(before), audience);
    return this.#gapRange(BigInt(upTo), { from: fromTime, to: toTime, reason: INVALID });
  }

  /**
   * After a failed read: bisects the range to find the event whose field failed the whole delivery. The events before it are delivered; it
   * is skipped like an event that does not match its type once it has failed alone `MAX_TRIES` times. After any other failure, of the
   * log, the audit or a source, the same range is read again.
   */
  async #bisect(response: OperationResponse, position: bigint, upTo: bigint, audience: Audience): Promise<LogRange> {
    const { responseKey: key } = this.#prepared;
    // The only list in a delivery is that of its events, whatever its alias.
    const isOfEvent = response.errors?.some(
      ({ path, extensions }) => path?.[0] === key && typeof path[2] === 'number' && extensions?.['code'] === 'INTERNAL',
    );
    if (!isOfEvent) return this.#failure(position, response);
    if (upTo - position > 1n) return this.read(position, position + (upTo - position) / 2n, audience);
    const failed = withErrorIds(response, this.#log);
    const tries = this.#failing?.position === position ? this.#failing.tries + 1 : 1;
    this.#failing = { position, tries };
    if (tries < MAX_TRIES) return this.#failure(position, failed);
    const errorId = failed.errors?.find((error) => error.extensions?.['errorId'])?.extensions?.['errorId'];
    const fault = `a field failed ${MAX_TRIES} times; see errorId ${String(errorId)} in the log`;
    const range = { after: String(position), upTo: String(upTo), limit: 1, fault };
    const unreadable = await this.#unreadable(range, audience);
    return unreadable ? this.#beforeUnreadable(unreadable, position, audience) : this.#failure(position, failed);
  }

  #failure(position: bigint, response: OperationResponse): LogRange {
    return { upTo: position, delivery: null, cost: 0, failure: withErrorIds(response, this.#log) };
  }

  async #gapRange(upTo: bigint, gap: LostSpan): Promise<LogRange> {
    return { upTo, delivery: await this.gapDelivery(upTo, gap), cost: 0, failure: null };
  }

  /** Prepares the document again for a new graph. Throws a `HubError` when it is no longer valid. */
  #prepareForGraph(): void {
    if (this.#schema === this.#operations.graph.schema) return;
    this.#schema = this.#operations.graph.schema;
    try {
      this.#prepared = prepareSubscription(this.#operations, this.#request);
      [this.#eventCost, this.#batchSize] = this.#measure();
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      throw new HubError(error.code, `Subscription ended: it is not valid in the new graph. ${error.message}`);
    }
  }

  async #notice(token: object): Promise<Delivery> {
    this.#prepareForGraph();
    const response = await this.#run(this.#prepared.delivery, { isthmusToken_: JSON.stringify(token) }, this.#request);
    return createDelivery(clientPart(response));
  }

  #run(
    query: string,
    variables: Record<string, unknown>,
    { principal, readers }: Audience,
  ): Promise<OperationResponse> {
    return this.#operations.run({
      query,
      variables: { ...this.#request.variables, ...variables },
      principal,
      ...(readers ? { readers } : {}),
      signal: this.#request.signal,
      clientQuery: this.#request.query,
      internal: true,
    });
  }
}

/** Null when the response has no data. */
function startOf(response: OperationResponse): { position: bigint; gap: LostSpan | null } | null {
  const start = response.data?.['start'] as StartData | null | undefined;
  if (!start) return null;
  const { gapFrom, gapTo, gapReason } = start;
  const gap =
    gapFrom !== null && gapTo !== null ? { from: gapFrom, to: gapTo, reason: gapReason ?? 'RETENTION' } : null;
  return { position: BigInt(start.position), gap };
}

/** The members that clients receive. */
const clientPart = ({ data, errors, extensions }: OperationResponse): OperationResponse => ({
  ...(data === undefined ? {} : { data }),
  ...(errors ? { errors } : {}),
  ...(extensions ? { extensions } : {}),
});

function toHubError(response: OperationResponse): HubError {
  const first = response.errors?.[0];
  const { code = 'INTERNAL', ...extensions } = (first?.extensions ?? {}) as { code?: HubError['code'] };
  return new HubError(code, first?.message ?? 'Failed to start the subscription.', extensions);
}
