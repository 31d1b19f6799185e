/** Asks for ranges of the log as one listener, or one group of them, may see it. */

import type { Principal } from '../../connectors/kit/auth/principal.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import type { Log } from '../../connectors/kit/log.ts';
import type { Operations } from '../operation/operations.ts';
import type { OperationAnswer } from '../operation/request.ts';
import { identified } from './internal-error.ts';
import { HELD, PROBE, type Prepared, prepare, type SubscriptionRequest } from './subscription-document.ts';
import type { Delivery } from './subscription-registry.ts';

/** Events of one delivery, at most. */
export const BATCH = 100;

/** A listener that has not read for so long, in milliseconds, may have lost something to retention. */
const LONG = 60_000;

/** The GapReason of events that do not fit their type, or cannot be shown. */
const INVALID = 'INVALID_EVENT';

/** So often in a row an event is tried alone before it is passed over. */
const TRIES = 3;

/** A span of the log that cannot be had. */
export interface LostSpan {
  readonly from: string;
  readonly to: string;
  /** A GapReason. */
  readonly reason: string;
}

/** Events in a row that do not fit their type. */
interface Unreadable {
  readonly before: string;
  readonly upTo: string;
  readonly fromTime: string;
  readonly toTime: string;
}

interface Begun {
  readonly position: string;
  readonly gapFrom: string | null;
  readonly gapTo: string | null;
  readonly gapReason: string | null;
}

/** Who gets what is read. */
export interface Readers {
  readonly principal: Principal | null;
  readonly readers?: readonly { readonly subject: string; readonly client: string }[];
}

/** One range of the log: `delivery` null when it held nothing for this listener. */
export interface Range {
  readonly upTo: bigint;
  readonly delivery: Delivery | null;
  /** What its events cost each caller who gets them, in points. */
  readonly points: number;
  /** The log could not be read: nothing is delivered, and the same range has to be asked again. */
  readonly failed: OperationAnswer | null;
}

/** Codes that asking again does not mend. */
const FINAL = new Set([
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'BAD_USER_INPUT',
  'GRAPHQL_VALIDATION_FAILED',
  'LIMIT_DEPTH',
  'LIMIT_COST',
]);

export class Reader {
  readonly #operations: Operations;
  readonly #request: SubscriptionRequest;
  readonly #log: Log;
  /** An event that could not be delivered alone, by the position before it, and how often. */
  #tried: { readonly position: bigint; readonly tries: number } | null = null;
  #prepared: Prepared;
  #schema: unknown;
  /** When it last read, as `performance.now()`. */
  #read = performance.now();
  /** Points of one event; and as many as a delivery holds at most, so that none costs more than one operation may. */
  #each: number;
  #batch: number;

  constructor(operations: Operations, prepared: Prepared, request: SubscriptionRequest, log: Log) {
    this.#operations = operations;
    this.#log = log;
    this.#prepared = prepared;
    this.#request = request;
    this.#schema = operations.schema;
    [this.#each, this.#batch] = this.#sizes();
  }

  #sizes(): [number, number] {
    const each = this.#operations.eventPoints(this.#request);
    const most = Math.floor(this.#operations.limits.cost / Math.max(each, 1));
    return [each, Math.max(1, Math.min(BATCH, most))];
  }

  /** What it costs to begin: as much as one event, in points. */
  get points(): number {
    return Math.max(this.#each, 1);
  }

  /** Where it begins, and what is gone before that. Rejects with a `HubError`: refused, or a cursor that is none of ours. */
  async start(head: bigint): Promise<{ position: bigint; gap: LostSpan | null }> {
    const answer = await this.#run(this.#prepared.start, { isthmusHead_: String(head) }, this.#request);
    return begun(answer) ?? Promise.reject(refusal(answer));
  }

  /** `Gap`: a span that cannot be had. */
  gap(position: bigint, gap: LostSpan): Promise<Delivery> {
    return this.#told({ type: 'gap', position: String(position), ...gap });
  }

  /** `Lagged`: how far behind the listener is. */
  lagged(position: bigint, head: bigint): Promise<Delivery> {
    return this.#told({ type: 'lagged', position: String(position), behind: Number(head - position) });
  }

  /** What stands behind `position`, up to `head` and `BATCH` events. Rejects with a `HubError` when it may not be asked any more. */
  async range(position: bigint, head: bigint, to: Readers): Promise<Range> {
    this.#renew();
    const most = this.#batch;
    const upTo = head - position > most ? position + BigInt(most) : head;
    const slow = upTo < head || performance.now() - this.#read > LONG;
    const { key, delivery } = this.#prepared;
    const asked = { after: String(position), upTo: String(upTo), limit: most };
    const token = JSON.stringify({ type: 'batch', ...asked });
    const answer = await this.#run(delivery, { isthmusToken_: token }, to);
    const batch = answer.data?.[key] as Record<string, unknown> | null | undefined;
    let unreadable: Unreadable | null = null;
    if (!batch) {
      const first = answer.errors?.[0];
      if (first && FINAL.has(String(first.extensions?.['code']))) throw refusal(answer);
      unreadable = await this.#unreadable(asked, to);
      if (!unreadable) return this.#narrowed(answer, position, upTo, to);
    }
    if (slow) {
      // Asked after the range was read: what was dropped before that is found, whatever is dropped now.
      const told = await this.#run(HELD, { isthmusPosition_: String(position), isthmusHead_: String(head) }, to);
      const held = begun(told);
      if (!held) return this.#failed(position, { ...told, data: { [key]: null } });
      if (held.gap) return this.#passed(held.position, held.gap);
    }
    this.#read = performance.now();
    if (!batch) return unreadable ? this.#upTo(unreadable, position, to) : this.#failed(position, answer);
    const { [PROBE]: events, ...rest } = batch;
    const count = Array.isArray(events) ? events.length : 1;
    if (count === 0) return { upTo, delivery: null, points: 0, failed: null };
    const made = asDelivery({ ...bare(answer), data: { ...answer.data, [key]: rest } });
    return { upTo, delivery: made, points: count * this.#each, failed: null };
  }

  /** Of a range that could not be delivered: its first events that do not fit their type; null when it has none, or the log cannot be read. */
  async #unreadable(range: object, to: Readers): Promise<Unreadable | null> {
    const token = JSON.stringify(range);
    const told = await this.#run(this.#prepared.unreadable, { isthmusToken_: token }, to);
    return (told.data?.['unreadable'] as Unreadable | null | undefined) ?? null;
  }

  /** What lies before unreadable events, if anything does; else the gap in their place. */
  #upTo({ before, upTo, fromTime, toTime }: Unreadable, position: bigint, to: Readers): Promise<Range> {
    if (BigInt(before) > position) return this.range(position, BigInt(before), to);
    return this.#passed(BigInt(upTo), { from: fromTime, to: toTime, reason: INVALID });
  }

  /**
   * The range failed. When a field of one event took the whole delivery along, the event is looked for by halves: those before it are
   * delivered, and where it fails again and again, alone, it is passed over like one that does not fit its type. Any other fault
   * is one of the log, of the audit or of a source: the same range is asked again.
   */
  async #narrowed(answer: OperationAnswer, position: bigint, upTo: bigint, to: Readers): Promise<Range> {
    const { key } = this.#prepared;
    // The one list of a delivery is that of its events, whatever the client calls it.
    const isOfEvent = answer.errors?.some(
      ({ path, extensions }) => path?.[0] === key && typeof path[2] === 'number' && extensions?.['code'] === 'INTERNAL',
    );
    if (!isOfEvent) return this.#failed(position, answer);
    if (upTo - position > 1n) return this.range(position, position + (upTo - position) / 2n, to);
    const failed = identified(answer, this.#log);
    const tries = this.#tried?.position === position ? this.#tried.tries + 1 : 1;
    this.#tried = { position, tries };
    if (tries < TRIES) return this.#failed(position, failed);
    const errorId = failed.errors?.find((one) => one.extensions?.['errorId'])?.extensions?.['errorId'];
    const fault = `a field of it failed ${TRIES} times; the log has the fault under errorId ${String(errorId)}`;
    const range = { after: String(position), upTo: String(upTo), limit: 1, fault };
    const unreadable = await this.#unreadable(range, to);
    return unreadable ? this.#upTo(unreadable, position, to) : this.#failed(position, failed);
  }

  #failed(position: bigint, answer: OperationAnswer): Range {
    return { upTo: position, delivery: null, points: 0, failed: identified(answer, this.#log) };
  }

  async #passed(upTo: bigint, gap: LostSpan): Promise<Range> {
    return { upTo, delivery: await this.gap(upTo, gap), points: 0, failed: null };
  }

  /** After another supergraph has come the document is prepared anew; one that is no longer valid ends with the reason. */
  #renew(): void {
    if (this.#schema === this.#operations.schema) return;
    this.#schema = this.#operations.schema;
    try {
      this.#prepared = prepare(this.#operations, this.#request);
      [this.#each, this.#batch] = this.#sizes();
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      throw new HubError(error.code, `The graph has changed and no longer answers this subscription: ${error.message}`);
    }
  }

  async #told(token: object): Promise<Delivery> {
    this.#renew();
    const answer = await this.#run(this.#prepared.delivery, { isthmusToken_: JSON.stringify(token) }, this.#request);
    return asDelivery(bare(answer));
  }

  #run(query: string, variables: Record<string, unknown>, { principal, readers }: Readers): Promise<OperationAnswer> {
    return this.#operations.run({
      query,
      variables: { ...this.#request.variables, ...variables },
      principal,
      ...(readers ? { readers } : {}),
      signal: this.#request.signal,
      asked: this.#request.query,
      internal: true,
    });
  }
}

/** Null: there was no answer. */
function begun(answer: OperationAnswer): { position: bigint; gap: LostSpan | null } | null {
  const start = answer.data?.['start'] as Begun | null | undefined;
  if (!start) return null;
  const { gapFrom, gapTo, gapReason } = start;
  const gap =
    gapFrom !== null && gapTo !== null ? { from: gapFrom, to: gapTo, reason: gapReason ?? 'RETENTION' } : null;
  return { position: BigInt(start.position), gap };
}

/** A delivery whose JSON is made when it is first wanted. */
export function asDelivery(answer: OperationAnswer): Delivery {
  let rest: Buffer | undefined;
  const made = (): Buffer => {
    rest ??= Buffer.from(`${JSON.stringify(answer)}}`);
    return rest;
  };
  return { answer, bytes: () => made().subarray(0, -1), rest: made };
}

/** Only what a client gets. */
const bare = ({ data, errors, extensions }: OperationAnswer): OperationAnswer => ({
  ...(data === undefined ? {} : { data }),
  ...(errors ? { errors } : {}),
  ...(extensions ? { extensions } : {}),
});

function refusal(answer: OperationAnswer): HubError {
  const first = answer.errors?.[0];
  const { code = 'INTERNAL', ...extensions } = (first?.extensions ?? {}) as { code?: HubError['code'] };
  return new HubError(code, first?.message ?? 'The subscription could not begin.', extensions);
}
