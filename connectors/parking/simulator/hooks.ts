/** Who wants to be called, and the calls: signed, repeated until they are taken, each seventh made twice. */
import { createHmac } from 'node:crypto';
import type { Journal } from '../../kit/testing/simulator.ts';

export interface Subscription {
  readonly id: string;
  endpoint: string;
  topics: string[];
  lastModified: string;
}

/** Calls that wait at most; the oldest is given up for a newer one. */
const MOST_WAITING = 5_000;
/** Longest pause before a call is repeated, in milliseconds. */
const LONGEST_PAUSE = 5_000;
/** Answers that will not be other ones the next time. */
const FINAL: readonly number[] = [401, 405, 422];

export class Hooks {
  readonly #secret: string;
  readonly #now: () => Date;
  readonly #journal: Journal;
  readonly #waiting = new Set<NodeJS.Timeout>();
  readonly #gone = new AbortController();
  #told = 0;

  constructor(secret: string, now: () => Date, journal: Journal) {
    this.#secret = secret;
    this.#now = now;
    this.#journal = journal;
  }

  tell(subscriptions: readonly Subscription[], topic: string, at: Date, object: unknown): void {
    this.#told++;
    for (const one of subscriptions) {
      if (!one.topics.includes(topic)) continue;
      const body = JSON.stringify({
        eventSubscriptionId: one.id,
        eventTime: at.toISOString(),
        topic,
        data: [object],
      });
      this.#call(one, body, 0);
      if (this.#told % 7 === 0) this.#call(one, body, 0);
    }
  }

  #call(subscription: Subscription, body: string, tries: number): void {
    if (this.#gone.signal.aborted) return;
    const seconds = Math.floor(this.#now().getTime() / 1000);
    const signature = createHmac('sha256', this.#secret).update(`${seconds}.${body}`).digest('hex');
    fetch(subscription.endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-signature': `t=${seconds},v1=${signature}` },
      body,
      signal: AbortSignal.any([this.#gone.signal, AbortSignal.timeout(5_000)]),
    }).then(
      async (answer) => {
        await answer.arrayBuffer().catch(() => undefined);
        this.#journal.append({ operation: 'webhook', status: answer.status, body: JSON.parse(body) as unknown });
        if (!answer.ok && !FINAL.includes(answer.status)) this.#again(subscription, body, tries);
      },
      () => this.#again(subscription, body, tries),
    );
  }

  #again(subscription: Subscription, body: string, tries: number): void {
    if (this.#gone.signal.aborted) return;
    const [oldest] = this.#waiting;
    if (oldest && this.#waiting.size >= MOST_WAITING) {
      clearTimeout(oldest);
      this.#waiting.delete(oldest);
    }
    const timer = setTimeout(
      () => {
        this.#waiting.delete(timer);
        this.#call(subscription, body, tries + 1);
      },
      Math.min(500 * 2 ** tries, LONGEST_PAUSE),
    );
    this.#waiting.add(timer);
  }

  close(): void {
    this.#gone.abort();
    for (const timer of this.#waiting) clearTimeout(timer);
  }
}
