/** A subscription as a sequence that is pulled: for faces that write one delivery after the other (SSE, multipart). */

import { callerOf } from '../../../connectors/kit/auth/principal.ts';
import type { HubError } from '../../../connectors/kit/errors.ts';
import type { UnreadBytes } from '../../trust/limits/unread-bytes.ts';
import type { SubscriptionRequest } from '../subscription-document.ts';
import type { Deliveries, Delivery, Sink } from '../subscription-registry.ts';

export type { SubscriptionRequest } from '../subscription-document.ts';

/** Deliveries that wait for the puller, in bytes; past it the listener is slow. */
const ROOM = 256 * 1024;

/**
 * Deliveries of one subscription, until the signal aborts or the sequence is left. Rejects with a `HubError` before the first when it
 * may not begin, and later when it may not go on. Who pulls slowly slows nobody else, is told `Lagged`, and misses nothing.
 */
export async function subscribe(
  parts: { readonly deliveries: Deliveries },
  request: SubscriptionRequest,
  /** Counts what the caller has not read; `sent`: bytes that were pulled and wait for the client. */
  way?: { readonly unread: UnreadBytes; sent(): number },
): Promise<AsyncGenerator<Delivery, void>> {
  const left = new AbortController();
  const signal = AbortSignal.any([request.signal, left.signal]);
  const queue: Delivery[] = [];
  let waiting = 0;
  const over: { error?: HubError | null } = {};
  let wake = (): void => undefined;
  let room = (): void => undefined;
  const unread = way?.unread.open(callerOf(request.principal), () => waiting + way.sent());
  const sink: Sink = {
    offer: (delivery) => {
      const behind = unread?.behind() ?? false;
      queue.push(delivery);
      waiting += delivery.bytes().length;
      unread?.note();
      wake();
      return waiting < ROOM && !behind;
    },
    ready: () =>
      new Promise((resolve) => {
        if (queue.length === 0 || signal.aborted) return resolve();
        room = () => {
          signal.removeEventListener('abort', room);
          resolve();
        };
        signal.addEventListener('abort', room, { once: true });
      }),
    end: (error) => {
      over.error = error;
      wake();
    },
  };
  try {
    await parts.deliveries.join({ ...request, signal }, sink);
  } catch (error) {
    unread?.close();
    throw error;
  }

  const inner = (async function* () {
    const abort = () => wake();
    signal.addEventListener('abort', abort);
    try {
      while (!signal.aborted) {
        const next = queue.shift();
        if (next) {
          waiting -= next.bytes().length;
          if (queue.length === 0) room();
          yield next;
        } else if (over.error !== undefined) {
          if (over.error) throw over.error;
          return;
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      signal.removeEventListener('abort', abort);
      left.abort();
      unread?.close();
    }
  })();
  // `return` while a pull is pending must end the wait first.
  const end = inner.return.bind(inner);
  inner.return = (value) => {
    left.abort();
    return end(value);
  };
  return inner;
}
