/** A subscription as a sequence that is pulled: for faces that write one delivery after the other (SSE, multipart). */
import type { HubError } from '../../connectors/kit/errors.ts';
import type { Deliveries, Delivery, Sink } from './deliveries.ts';
import type { SubscriptionRequest } from './prepare.ts';

export type { SubscriptionRequest } from './prepare.ts';

/** Deliveries that wait for the puller, in bytes; past it the listener is slow. */
const ROOM = 256 * 1024;

/**
 * Deliveries of one subscription, until the signal aborts or the sequence is left. Rejects with a `HubError` before the first when it
 * may not begin, and later when it may not go on. Who pulls slowly slows nobody else, is told `Lagged`, and misses nothing.
 */
export async function subscribe(
  parts: { readonly deliveries: Deliveries },
  request: SubscriptionRequest,
): Promise<AsyncGenerator<Delivery, void>> {
  const left = new AbortController();
  const signal = AbortSignal.any([request.signal, left.signal]);
  const queue: Delivery[] = [];
  let waiting = 0;
  const over: { error?: HubError | null } = {};
  let wake = (): void => undefined;
  let room = (): void => undefined;
  const sink: Sink = {
    offer: (delivery) => {
      queue.push(delivery);
      waiting += delivery.bytes().length;
      wake();
      return waiting < ROOM;
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
  await parts.deliveries.join({ ...request, signal }, sink);

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
