/** The events of the live load runs: written with a time that names each, heard with the time they took. */

import type { Database } from '../../schema/database/database.ts';
import { appendEvents } from '../../schema/database/events/event-log.ts';

const of = (fields: string) =>
  `subscription { events { __typename ... on EventsBatch { cursor events { __typename ${fields} } } ... on Lagged { cursor behind } } }`;
/** What most clients ask. */
export const QUERY = of('id time kind');
/** Each event as large as one that joins other islands. */
export const EVENTS = of(`time kind ${Array.from({ length: 12 }, (_, i) => `i${i}: id`).join(' ')}`);

/** Times of events: from here on, a millisecond each. */
const FIRST = 1_700_000_000_000;
/** Of so many clients one is looked into; the others are only counted. */
const EACH = 10;

export class Writer {
  readonly #database: Database;
  /** When the writing of each began, by number. */
  readonly begun: number[] = [];

  constructor(database: Database) {
    this.#database = database;
  }

  /** Appends that many as the hub's own. */
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

/** What was heard; times in milliseconds from the beginning of the writing transaction, memory in MB. */
export interface Heard {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Of one event in a delivery. */
  readonly bytes: number;
  readonly rss: number;
  readonly peak: number;
  readonly written: number;
  /** Of the stalled one: how often it was told `Lagged`, how far behind, and events it has got. */
  readonly lagged: number;
  readonly behind: number;
  readonly woken: number;
  /** Null: every client that was looked into has got every event, in order, once. */
  readonly wrong: string | null;
}

/** Listens to a crowd, one of them perhaps stalled. */
export class Listening {
  readonly #writer: Writer;
  readonly #first: number;
  readonly #stalled: number | null;
  /** Of each client that is looked into: the number of the event that comes next. */
  readonly #next = new Map<number, number>();
  readonly #late: number[] = [];
  #lagged = 0;
  #behind = 0;
  #bytes = 0;
  #wrong: string | null = null;

  constructor(writer: Writer, count: number, stalled: number | null) {
    this.#writer = writer;
    this.#first = writer.begun.length;
    this.#stalled = stalled;
    for (let client = 0; client < count; client++) if (this.watched(client)) this.#next.set(client, this.#first);
  }

  readonly watched = (client: number): boolean => client % EACH === 0;

  readonly got = (message: Buffer, client: number): void => {
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
      if (number !== next) this.#wrong ??= `client ${client} got event ${number} where ${next} should come`;
      next = number + 1;
      if (client !== this.#stalled) this.#late.push(now - (this.#writer.begun[number] ?? now));
    }
    if (next > before) this.#bytes = message.length / (next - before);
    this.#next.set(client, next);
  };

  /** Whether all have got all. */
  all(): boolean {
    return [...this.#next.values()].every((next) => next === this.#writer.begun.length);
  }

  heard({ rss, peak }: { rss: number; peak: number }): Heard {
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
      woken: this.#stalled === null ? 0 : (this.#next.get(this.#stalled) ?? 0) - this.#first,
      wrong:
        this.#wrong ??
        (missing ? `client ${missing[0]} stands at ${missing[1]} of ${this.#writer.begun.length}` : null),
    };
  }
}
