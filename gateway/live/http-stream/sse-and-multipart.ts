/** The frame formats of deliveries over HTTP: server-sent events and multipart. */
import type { Delivery } from '../delivery.ts';

export interface StreamProtocol {
  readonly headers: Readonly<Record<string, string>>;
  readonly begin: string;
  readonly heartbeat: string;
  readonly complete: string;
  /** One response as JSON; `delivery` is given when it can have a cursor. */
  next(payload: Buffer, delivery: Delivery | null): Buffer;
  /** The errors, given as JSON, with which the stream ends. */
  error(errors: string): string;
}

const common = { 'cache-control': 'no-store', 'x-accel-buffering': 'no', 'x-content-type-options': 'nosniff' };

/** Distinct connections mode: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md */
export const SSE: StreamProtocol = {
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
  error: (errors) => `event: next\ndata: {"errors":${errors}}\n\n`,
};

const PART = '\r\ncontent-type: application/json\r\n\r\n';
const BOUNDARY = '\r\n--graphql';

/** Multipart subscriptions of Apollo's clients: the boundary follows each part at once, so that clients need not wait for the next part. */
export const MULTIPART: StreamProtocol = {
  headers: { 'content-type': 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0', ...common },
  begin: BOUNDARY,
  heartbeat: `${PART}{}${BOUNDARY}`,
  complete: '--\r\n',
  next: (payload) => Buffer.concat([Buffer.from(`${PART}{"payload":`), payload, Buffer.from(`}${BOUNDARY}`)]),
  error: (errors) => `${PART}{"payload":null,"errors":${errors}}${BOUNDARY}`,
};

/** The cursor if the client selects it. The hub's cursors contain no line breaks. */
function cursorOf({ response }: Delivery): string | null {
  for (const value of Object.values(response.data ?? {})) {
    const cursor = (value as { cursor?: unknown } | null)?.cursor;
    if (typeof cursor === 'string' && !/[\r\n\0]/.test(cursor)) return cursor;
  }
  return null;
}
