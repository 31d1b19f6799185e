/** Sends webhooks to the subscribers: signed, retried until accepted, and every seventh sent twice. */
import { createHmac } from 'node:crypto';
import type { Journal } from '../../kit/testing/simulator.ts';

export interface Subscription {
  readonly id: string;
  endpoint: string;
  topics: string[];
  lastModified: string;
}

/** Maximum scheduled retries; the oldest is dropped for a newer one. */
const MAX_RETRIES_WAITING = 5_000;
/** Milliseconds. */
const MAX_BACKOFF = 5_000;
/** Status codes that are not retried. */
const NON_RETRYABLE: readonly number[] = [401, 405, 422];

export class WebhookSender {
  readonly #secret: string;
  readonly #now: () => Date;
  readonly #journal: Journal;
  readonly #waiting = new Set<NodeJS.Timeout>();
  readonly #closed = new AbortController();
  #sent = 0;

  constructor(secret: string, now: () => Date, journal: Journal) {
    this.#secret = secret;
    this.#now = now;
    this.#journal = journal;
  }

  /** Sends an object to all subscribers of the topic. */
  send(subscriptions: readonly Subscription[], topic: string, at: Date, object: unknown): void {
    this.#sent++;
    for (const subscription of subscriptions) {
      if (!subscription.topics.includes(topic)) continue;
      const body = JSON.stringify({
        eventSubscriptionId: subscription.id,
        eventTime: at.toISOString(),
        topic,
        data: [object],
      });
      this.#post(subscription, body, 0);
      if (this.#sent % 7 === 0) this.#post(subscription, body, 0);
    }
  }

  #post(subscription: Subscription, body: string, retries: number): void {
    if (this.#closed.signal.aborted) return;
    const seconds = Math.floor(this.#now().getTime() / 1000);
    const signature = createHmac('sha256', this.#secret).update(`${seconds}.${body}`).digest('hex');
    fetch(subscription.endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-signature': `t=${seconds},v1=${signature}` },
      body,
      signal: AbortSignal.any([this.#closed.signal, AbortSignal.timeout(5_000)]),
    }).then(
      async (response) => {
        await response.arrayBuffer().catch(() => undefined);
        this.#journal.append({ operation: 'webhook', status: response.status, body: JSON.parse(body) as unknown });
        if (!response.ok && !NON_RETRYABLE.includes(response.status)) this.#scheduleRetry(subscription, body, retries);
      },
      () => this.#scheduleRetry(subscription, body, retries),
    );
  }

  #scheduleRetry(subscription: Subscription, body: string, retries: number): void {
    if (this.#closed.signal.aborted) return;
    const [oldest] = this.#waiting;
    if (oldest && this.#waiting.size >= MAX_RETRIES_WAITING) {
      clearTimeout(oldest);
      this.#waiting.delete(oldest);
    }
    const timer = setTimeout(
      () => {
        this.#waiting.delete(timer);
        this.#post(subscription, body, retries + 1);
      },
      Math.min(500 * 2 ** retries, MAX_BACKOFF),
    );
    this.#waiting.add(timer);
  }

  close(): void {
    this.#closed.abort();
    for (const timer of this.#waiting) clearTimeout(timer);
  }
}
