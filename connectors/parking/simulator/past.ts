/** What happened at the gates: the story so far, computed when it is asked for, and what has moved since the start. */
import { type Drive, parked, story, type World } from '../../kit/testing/park/index.ts';
import type { SimulatorOptions } from '../../kit/testing/simulator.ts';
import type { Reading, Stay } from './apds.ts';

const QUARTER = 15 * 60_000;
const DAY = 86_400_000;
/** Ended stays and readings that are held ready; older ones come out of the story again. */
const MOST_ENDED = 2_000;
const MOST_READINGS = 5_000;

export class Past {
  readonly #world: World;
  readonly #options: SimulatorOptions;
  /** Since when the gates are watched; before, the story tells. */
  readonly #founded: Date;
  readonly #open = new Map<string, Stay>();
  readonly #ended: Stay[] = [];
  readonly #counts = new Map<string, number>();
  readonly #live: Reading[] = [];

  constructor(options: SimulatorOptions) {
    this.#world = options.world;
    this.#options = options;
    this.#founded = options.now();
    for (const [lot, stays] of parked(this.#world, this.#founded)) {
      this.#counts.set(lot, stays.length);
      for (const { session, vehicle, lot: at, enteredAt } of stays)
        this.#open.set(session, { id: session, vehicle, lot: at.id, start: enteredAt, end: null });
    }
  }

  /** Cars in the lot, as its counter has it. */
  count(lot: string): number {
    return this.#counts.get(lot) ?? 0;
  }

  /** A car moves now. */
  drive({ kind, session, vehicle, lot, at, enteredAt }: Drive): { stay: Stay; reading: Reading } {
    const stay = this.#open.get(session) ?? { id: session, vehicle, lot: lot.id, start: enteredAt, end: null };
    if (kind === 'enter') this.#open.set(session, stay);
    else {
      stay.end = at;
      this.#open.delete(session);
      this.#ended.push(stay);
      if (this.#ended.length > MOST_ENDED) this.#ended.shift();
    }
    this.#counts.set(lot.id, Math.max(this.count(lot.id) + (kind === 'enter' ? 1 : -1), 0));
    const reading = { id: `live-${at.getTime()}-${session}`, lot: lot.id, at, count: this.count(lot.id) };
    this.#live.push(reading);
    if (this.#live.length > MOST_READINGS) this.#live.shift();
    return { stay, reading };
  }

  /** Open stays, and unless only those are wanted the ended ones, a day back or to `since` (seconds); newest first. */
  sessions(openOnly: boolean, since: number | null): Stay[] {
    const open = [...this.#open.values()];
    if (openOnly) return open;
    // What ended while the gates are watched is held; only what was before comes out of the story.
    const until = this.#ended.length < MOST_ENDED ? this.#founded : this.#options.now();
    const wanted = since === null ? this.#options.now().getTime() - DAY : since * 1000;
    const from = new Date(Math.max(wanted, this.#options.now().getTime() - this.#options.history));
    const known = new Map<string, Stay>([...open, ...this.#ended].map((one) => [one.id, one]));
    if (from < until)
      for (const moment of story(this.#world, from, until)) {
        if (moment.kind !== 'exit' || known.has(moment.session)) continue;
        const { session, vehicle, lot, enteredAt, at } = moment;
        known.set(session, { id: session, vehicle, lot: lot.id, start: enteredAt, end: at });
      }
    return [...known.values()].sort((a, b) => b.start.getTime() - a.start.getTime() || (a.id < b.id ? -1 : 1));
  }

  /** A reading each quarter of an hour until the gates were watched, and one at every movement since; oldest first. */
  readings(after: Date, until: number | null): Reading[] {
    const from = Math.max(after.getTime(), this.#options.now().getTime() - this.#options.history);
    const made: Reading[] = [];
    let at = Math.ceil(from / QUARTER) * QUARTER;
    if (at <= this.#founded.getTime()) {
      const counts = new Map([...parked(this.#world, new Date(at))].map(([lot, stays]) => [lot, stays.length]));
      const moves = story(this.#world, new Date(at), this.#founded);
      let next = moves.next();
      for (; at <= this.#founded.getTime(); at += QUARTER) {
        for (; !next.done && next.value.at.getTime() <= at; next = moves.next()) {
          const { kind } = next.value;
          if (kind !== 'enter' && kind !== 'exit') continue;
          const { id } = next.value.lot;
          counts.set(id, (counts.get(id) ?? 0) + (kind === 'enter' ? 1 : -1));
        }
        for (const { id: lot } of this.#world.lots)
          made.push({
            id: `q-${lot}-${at / QUARTER}`,
            lot,
            at: new Date(at),
            count: Math.max(counts.get(lot) ?? 0, 0),
          });
      }
    }
    const live = this.#live.filter((one) => one.at.getTime() >= from);
    return [...made, ...live]
      .filter((one) => until === null || one.at.getTime() < (until + 1) * 1000)
      .sort((a, b) => a.at.getTime() - b.at.getTime() || (a.id < b.id ? -1 : 1));
  }
}
