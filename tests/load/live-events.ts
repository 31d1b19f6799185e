/** Events of the subscription load test: each is identified by its time, and its latency is recorded on arrival. */

import type { Database } from '../../schema/database/database.ts';
import { appendEvents } from '../../schema/database/events/event-log.ts';

const of = (fields: string) =>
  `subscription { events { __typename ... on EventsBatch { cursor events { __typename ${fields} } } ... on Lagged { cursor behind } } }`;
/** The query of most clients. */
export const QUERY = of('id time kind');
/** A query with events as large as ones that join other sources. */
export const EVENTS = of(`time kind ${Array.from({ length: 12 }, (_, i) => `i${i}: id`).join(' ')}`);

/** Time of event 0; each next event is a millisecond later. */
const FIRST = 1_700_000_000_000;
/** One in this many clients is checked; for the others only messages are counted. */
const EACH = 10;

export class EventWriter {
  readonly #database: Database;
  /** When the write of each event began, by event number. */
  readonly begun: number[] = [];

  constructor(database: Database) {
    this.#database = database;
  }

  /** Appends that many events of the hub. */
  async write(count: number): Promise<void> {
    const now = performance.now();
    const times = Array.from({ length: count }, () => new Date(FIRST + this.begun.push(now) - 1));
    await this.#database.transaction((tx) =>
      appendEvents(
        tx,
        { installation: 'load', connector: 'hub', park: 'load', at: new Date() },
        times.map((time) => ({
          foreignId: `load ${time.getTime()}`,
          time,
          kind: 'SOURCE_STATE_CHANGED',
          data: { source: 'load', from: 'UP', to: 'DOWN', reason: null },
        })),
      ),
    );
  }
}

/** Results: times in milliseconds since the start of the writing transaction, memory in MB. */
export interface CheckResult {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Bytes per event in a delivery. */
  readonly bytes: number;
  readonly rss: number;
  readonly peak: number;
  readonly written: number;
  /** Of the stalled client: number of `Lagged`, events behind, and received events. */
  readonly lagged: number;
  readonly behind: number;
  readonly receivedByStalled: number;
  /** Null if every checked client received every event once, in order. */
  readonly wrong: string | null;
}

/** Checks the events received by many clients; one may be stalled. */
export class EventCheck {
  readonly #writer: EventWriter;
  readonly #first: number;
  readonly #stalled: number | null;
  /** Next expected event number of each checked client. */
  readonly #next = new Map<number, number>();
  readonly #late: number[] = [];
  #lagged = 0;
  #behind = 0;
  #bytes = 0;
  #wrong: string | null = null;

  constructor(writer: EventWriter, count: number, stalled: number | null) {
    this.#writer = writer;
    this.#first = writer.begun.length;
    this.#stalled = stalled;
    for (let client = 0; client < count; client++) if (this.watched(client)) this.#next.set(client, this.#first);
  }

  readonly watched = (client: number): boolean => client % EACH === 0;

  readonly onMessage = (message: Buffer, client: number): void => {
    const now = performance.now();
    const text = message.toString('latin1');
    const lagged = /"behind":(\d+)/.exec(text);
    if (lagged) {
      this.#lagged++;
      this.#behind = Number(lagged[1]);
    }
    let next = this.#next.get(client) ?? 0;
    const before = next;
    for (let at = text.indexOf('"time":"'); at >= 0; at = text.indexOf('"time":"', at + 8)) {
      const number = Date.parse(text.slice(at + 8, at + 32)) - FIRST;
      if (number !== next) this.#wrong ??= `client ${client} received event ${number}, expected ${next}`;
      next = number + 1;
      if (client !== this.#stalled) this.#late.push(now - (this.#writer.begun[number] ?? now));
    }
    if (next > before) this.#bytes = message.length / (next - before);
    this.#next.set(client, next);
  };

  /** Whether all checked clients have received all events. */
  isComplete(): boolean {
    return [...this.#next.values()].every((next) => next === this.#writer.begun.length);
  }

  result({ rss, peak }: { rss: number; peak: number }): CheckResult {
    const sorted = Float64Array.from(this.#late).sort();
    const percentile = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    const missing = [...this.#next].find(([, next]) => next !== this.#writer.begun.length);
    return {
      p50: percentile(0.5),
      p99: percentile(0.99),
      max: percentile(1),
      bytes: this.#bytes,
      rss,
      peak,
      written: this.#writer.begun.length - this.#first,
      lagged: this.#lagged,
      behind: this.#behind,
      receivedByStalled: this.#stalled === null ? 0 : (this.#next.get(this.#stalled) ?? 0) - this.#first,
      wrong:
        this.#wrong ??
        (missing ? `client ${missing[0]} received ${missing[1]} of ${this.#writer.begun.length} events` : null),
    };
  }
}
