/** How deliveries are framed on plain HTTP. */
import type { Delivery } from '../subscription-registry.ts';

export type { Delivery } from '../subscription-registry.ts';

export interface Protocol {
  readonly headers: Readonly<Record<string, string>>;
  readonly begin: string;
  readonly heartbeat: string;
  readonly complete: string;
  /** One answer; `delivery` is given for those that have a cursor. */
  next(payload: Buffer, delivery: Delivery | null): Buffer;
  /** The stream's end with errors, given as JSON. */
  failed(errors: string): string;
}

const common = { 'cache-control': 'no-store', 'x-accel-buffering': 'no', 'x-content-type-options': 'nosniff' };

/** Distinct connections mode: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md */
export const SSE: Protocol = {
  headers: { 'content-type': 'text/event-stream; charset=utf-8', ...common },
  begin: ':\n\n',
  heartbeat: ':\n\n',
  complete: 'event: complete\ndata:\n\n',
  next: (payload, delivery) => {
    const cursor = delivery && cursorOf(delivery);
    return Buffer.concat([
      Buffer.from(`event: next\n${cursor ? `id: ${cursor}\n` : ''}data: `),
      payload,
      Buffer.from('\n\n'),
    ]);
  },
  failed: (errors) => `event: next\ndata: {"errors":${errors}}\n\n`,
};

const PART = '\r\ncontent-type: application/json\r\n\r\n';
const BOUNDARY = '\r\n--graphql';

/** Multipart subscriptions of Apollo's clients: a part is told from the next by a boundary that follows it at once. */
export const MULTIPART: Protocol = {
  headers: { 'content-type': 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0', ...common },
  begin: BOUNDARY,
  heartbeat: `${PART}{}${BOUNDARY}`,
  complete: '--\r\n',
  next: (payload) => Buffer.concat([Buffer.from(`${PART}{"payload":`), payload, Buffer.from(`}${BOUNDARY}`)]),
  failed: (errors) => `${PART}{"payload":null,"errors":${errors}}${BOUNDARY}`,
};

/** The cursor, where the client selects it. Ours are base64url and a dot: no line breaks. */
function cursorOf({ answer }: Delivery): string | null {
  for (const value of Object.values(answer.data ?? {})) {
    const cursor = (value as { cursor?: unknown } | null)?.cursor;
    if (typeof cursor === 'string' && !/[\r\n\0]/.test(cursor)) return cursor;
  }
  return null;
}
