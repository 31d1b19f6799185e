/** Sessions and counter readings: computed from the scenario for the time before the start, recorded since. */
import { parkedStays, scenario, type VehicleMovement, type World } from '../../kit/testing/park/index.ts';
import type { SimulatorOptions } from '../../kit/testing/simulator.ts';
import type { Reading, Stay } from './apds-records.ts';

const QUARTER = 15 * 60_000;
const DAY = 86_400_000;
/** Recorded stays and readings kept in memory; older stays are computed from the scenario again. */
const MAX_ENDED = 2_000;
const MAX_READINGS = 5_000;

type ComputedStay = Stay & { readonly end: Date };

export class GateHistory {
  readonly #world: World;
  readonly #options: SimulatorOptions;
  /** Movements are recorded from this time on; earlier ones come from the scenario. */
  readonly #recordedSince: Date;
  readonly #open = new Map<string, Stay>();
  readonly #ended: Stay[] = [];
  readonly #counts = new Map<string, number>();
  readonly #live: Reading[] = [];
  #lastDay: { from: number; until: number; stays: ComputedStay[] } | null = null;

  constructor(options: SimulatorOptions) {
    this.#world = options.world;
    this.#options = options;
    this.#recordedSince = options.now();
    for (const [lot, stays] of parkedStays(this.#world, this.#recordedSince)) {
      this.#counts.set(lot, stays.length);
      for (const { session, vehicle, lot: at, enteredAt } of stays)
        this.#open.set(session, { id: session, vehicle, lot: at.id, start: enteredAt, end: null });
    }
  }

  /** Current count of the lot. */
  count(lot: string): number {
    return this.#counts.get(lot) ?? 0;
  }

  /** Records a movement. */
  drive({ kind, session, vehicle, lot, at, enteredAt }: VehicleMovement): { stay: Stay; reading: Reading } {
    const stay = this.#open.get(session) ?? { id: session, vehicle, lot: lot.id, start: enteredAt, end: null };
    if (kind === 'enter') this.#open.set(session, stay);
    else {
      stay.end = at;
      this.#open.delete(session);
      this.#ended.push(stay);
      if (this.#ended.length > MAX_ENDED) this.#ended.shift();
    }
    this.#counts.set(lot.id, Math.max(this.count(lot.id) + (kind === 'enter' ? 1 : -1), 0));
    const reading = { id: `live-${at.getTime()}-${session}`, lot: lot.id, at, count: this.count(lot.id) };
    this.#live.push(reading);
    if (this.#live.length > MAX_READINGS) this.#live.shift();
    return { stay, reading };
  }

  /** Open stays, newest first; unless `openOnly`, also those that ended since `since` (seconds; default: one day ago). */
  sessions({ openOnly, since }: { readonly openOnly: boolean; readonly since: number | null }): Stay[] {
    const open = [...this.#open.values()];
    if (openOnly) return open;
    // If no recorded stay was dropped, only the time before recording is computed.
    const until = this.#ended.length < MAX_ENDED ? this.#recordedSince : this.#options.now();
    const requested = since === null ? this.#options.now().getTime() - DAY : since * 1000;
    const from = new Date(Math.max(requested, this.#options.now().getTime() - this.#options.history));
    const known = new Map<string, Stay>([...open, ...this.#ended].map((stay) => [stay.id, stay]));
    for (const stay of this.#computedStays(from, until)) if (!known.has(stay.id)) known.set(stay.id, stay);
    return [...known.values()].sort((a, b) => b.start.getTime() - a.start.getTime() || (a.id < b.id ? -1 : 1));
  }

  /** Stays of the scenario that ended in [from, until). Those of the last day are kept, for later requests of a part of it. */
  #computedStays(from: Date, until: Date): ComputedStay[] {
    if (from >= until) return [];
    const kept = this.#lastDay;
    if (kept && kept.until === until.getTime() && kept.from <= from.getTime())
      return kept.stays.filter((stay) => stay.end >= from);
    const stays: ComputedStay[] = [];
    for (const moment of scenario(this.#world, from, until)) {
      if (moment.kind !== 'exit') continue;
      const { session, vehicle, lot, enteredAt, at } = moment;
      stays.push({ id: session, vehicle, lot: lot.id, start: enteredAt, end: at });
    }
    if (until.getTime() - from.getTime() <= DAY)
      this.#lastDay = { from: from.getTime(), until: until.getTime(), stays };
    return stays;
  }

  /** Readings after `after`, oldest first: one per quarter-hour before recording began, one per movement since. `until`: seconds. */
  readings(after: Date, until: number | null): Reading[] {
    const from = Math.max(after.getTime(), this.#options.now().getTime() - this.#options.history);
    const computed: Reading[] = [];
    let at = Math.ceil(from / QUARTER) * QUARTER;
    if (at <= this.#recordedSince.getTime()) {
      const counts = new Map([...parkedStays(this.#world, new Date(at))].map(([lot, stays]) => [lot, stays.length]));
      const moves = scenario(this.#world, new Date(at), this.#recordedSince);
      let next = moves.next();
      for (; at <= this.#recordedSince.getTime(); at += QUARTER) {
        for (; !next.done && next.value.at.getTime() <= at; next = moves.next()) {
          const { kind } = next.value;
          if (kind !== 'enter' && kind !== 'exit') continue;
          const { id } = next.value.lot;
          counts.set(id, (counts.get(id) ?? 0) + (kind === 'enter' ? 1 : -1));
        }
        for (const { id: lot } of this.#world.lots)
          computed.push({
            id: `q-${lot}-${at / QUARTER}`,
            lot,
            at: new Date(at),
            count: Math.max(counts.get(lot) ?? 0, 0),
          });
      }
    }
    const live = this.#live.filter((reading) => reading.at.getTime() >= from);
    return [...computed, ...live]
      .filter((reading) => until === null || reading.at.getTime() < (until + 1) * 1000)
      .sort((a, b) => a.at.getTime() - b.at.getTime() || (a.id < b.id ? -1 : 1));
  }
}
