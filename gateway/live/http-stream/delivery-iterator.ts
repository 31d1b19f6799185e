/** The deliveries of a subscription as an async iterator with a buffer limit, for transports that write one at a time (SSE, multipart). */

import { callerKey } from '../../../connectors/kit/auth/principal.ts';
import type { HubError } from '../../../connectors/kit/errors.ts';
import type { UnreadBytes } from '../../trust/limits/unread-bytes.ts';
import type { Delivery, DeliverySink } from '../delivery.ts';
import type { SubscriptionRequest } from '../subscription-document.ts';
import type { SubscriptionRegistry } from '../subscription-registry.ts';

/** Bytes of queued deliveries, from which on the subscriber is slow. */
const MAX_QUEUED = 256 * 1024;

/**
 * Iterates over the deliveries of one subscription until the signal aborts or the iterator returns. Rejects with a `HubError` when the
 * subscription cannot start; the iterator throws one when it cannot continue. A slow reader delays nobody, receives `Lagged` and
 * misses nothing.
 */
export async function iterateDeliveries(
  options: { readonly subscriptions: SubscriptionRegistry },
  request: SubscriptionRequest,
  /** Counts the caller's unread bytes; `sent`: bytes that were written and wait for the client. */
  unreadOptions?: { readonly unread: UnreadBytes; sent(): number },
): Promise<AsyncGenerator<Delivery, void>> {
  const abandoned = new AbortController();
  const signal = AbortSignal.any([request.signal, abandoned.signal]);
  const queue: Delivery[] = [];
  let queuedBytes = 0;
  const ended: { error?: HubError | null } = {};
  let wakeReader = (): void => undefined;
  let notifyRoom = (): void => undefined;
  const unread = unreadOptions?.unread.addConnection(
    callerKey(request.principal),
    () => queuedBytes + unreadOptions.sent(),
  );
  const sink: DeliverySink = {
    offer: (delivery) => {
      const isBehind = unread?.isBehind() ?? false;
      queue.push(delivery);
      queuedBytes += delivery.bytes().length;
      unread?.measure();
      wakeReader();
      return queuedBytes < MAX_QUEUED && !isBehind;
    },
    waitForRoom: () =>
      new Promise((resolve) => {
        if (queue.length === 0 || signal.aborted) return resolve();
        notifyRoom = () => {
          signal.removeEventListener('abort', notifyRoom);
          resolve();
        };
        signal.addEventListener('abort', notifyRoom, { once: true });
      }),
    end: (error) => {
      ended.error = error;
      wakeReader();
    },
  };
  try {
    await options.subscriptions.subscribe({ ...request, signal }, sink);
  } catch (error) {
    unread?.close();
    throw error;
  }

  const iterator = (async function* () {
    const onAbort = () => wakeReader();
    signal.addEventListener('abort', onAbort);
    try {
      while (!signal.aborted) {
        const next = queue.shift();
        if (next) {
          queuedBytes -= next.bytes().length;
          if (queue.length === 0) notifyRoom();
          yield next;
        } else if (ended.error !== undefined) {
          if (ended.error) throw ended.error;
          return;
        } else {
          await new Promise<void>((resolve) => {
            wakeReader = resolve;
          });
        }
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      abandoned.abort();
      unread?.close();
    }
  })();
  // `return` during a pending `next` must end its wait first.
  const end = iterator.return.bind(iterator);
  iterator.return = (value) => {
    abandoned.abort();
    return end(value);
  };
  return iterator;
}
