/**
 * The demo's cadence: something happens at any hour. People and cars that the office rhythm leaves alone for a while
 * make short visits (in, out) or errands (out, in), in blocks of which each is known without the others.
 *
 * Two interleaved chains of blocks each, so that comings and goings mix. Who belongs to which chain is fixed, so that
 * nobody is wanted by two blocks at once. A car's driver swipes half a minute after the car.
 */

import { dayOf, type Plan, type Step, sleepsIn, standsSince, stateAt } from './schedule.ts';
import { ASK } from './seeded-random.ts';
import type { Direction, Drive, Person, Stay, Swipe, Vehicle } from './types.ts';

/** Cars: 24 stays of ten minutes in twenty. People: 30 outings of five minutes in ten, half a minute after the cars. */
const CARS = { block: 1_200_000, half: 600_000, slot: 25_000, count: 24, offset: 0 };
const PEOPLE = { block: 600_000, half: 300_000, slot: 10_000, count: 30, offset: 30_000 };
/** How far the office rhythm keeps away from an outing. */
const QUIET = 120_000;

interface Visit {
  readonly vehicle: Vehicle;
  readonly owner: Person;
  readonly enter: number;
  readonly exit: number;
}

interface Outing {
  readonly person: Person;
  readonly first: number;
  readonly second: number;
  /** Visits come first, errands go first. */
  readonly direction: Direction;
  /** A failed try before the first step. */
  readonly refused: boolean;
}

/** Starts of the chain's blocks that touch [from, to). */
function* blocks(kind: typeof CARS, chain: 0 | 1, from: number, to: number): Generator<number> {
  const offset = kind.offset + chain * kind.half;
  for (let at = Math.floor((from - offset) / kind.block) * kind.block + offset; at < to; at += kind.block) yield at;
}

/** The cadence's swipes and drives in [from, to), not in order. */
export function cadence(plan: Plan, from: number, to: number): (Swipe | Drive)[] {
  const found: (Swipe | Drive)[] = [];
  const within = (at: number) => at >= from && at < to;
  for (const visit of visits(plan, from, to)) {
    const { vehicle, enter, exit } = visit;
    if (within(enter)) found.push(plan.drive(vehicle, { at: enter, direction: 'in', since: enter }));
    if (within(exit)) found.push(plan.drive(vehicle, { at: exit, direction: 'out', since: enter }));
  }
  for (const { person, first, second, direction, refused } of outings(plan, from, to)) {
    if (refused && within(first - 4_000)) found.push(plan.swipe(person, first - 4_000, direction, false));
    if (within(first)) found.push(plan.swipe(person, first, direction));
    if (within(second)) found.push(plan.swipe(person, second, direction === 'in' ? 'out' : 'in'));
  }
  return found;
}

/** Cars of the cadence that stand in a lot at that instant. */
export const visiting = (plan: Plan, at: number): Stay[] =>
  visits(plan, at, at + 1)
    .filter((visit) => visit.enter <= at && visit.exit > at)
    .map((visit) => {
      const { session, enteredAt, lot } = plan.drive(visit.vehicle, {
        at: visit.enter,
        direction: 'in',
        since: visit.enter,
      });
      return { session, vehicle: visit.vehicle, lot, enteredAt };
    });

/** People whom the cadence has moved at that instant: in when they would be out, out when they would be in. */
export const moved = (plan: Plan, at: number): Map<Person, Direction> =>
  new Map(
    outings(plan, at, at + 1)
      .filter((outing) => outing.first <= at && outing.second > at)
      .map((outing) => [outing.person, outing.direction]),
  );

const visits = (plan: Plan, from: number, to: number): Visit[] =>
  ([0, 1] as const).flatMap((chain) =>
    [...blocks(CARS, chain, from, to)].flatMap((start) => visitsOf(plan, chain, start)),
  );

const outings = (plan: Plan, from: number, to: number): Outing[] =>
  ([0, 1] as const).flatMap((chain) =>
    // A failed try comes some seconds early, so a block may reach out of its time.
    [...blocks(PEOPLE, chain, from, to + 5_000)].flatMap((start) => outingsOf(plan, chain, start)),
  );

const remembered = new WeakMap<Plan, Map<string, readonly (Visit | Outing)[]>>();

/** The last few blocks are asked for again and again: each minute, each query. */
function remember<T extends Visit | Outing>(plan: Plan, key: string, make: () => T[]): T[] {
  const blocks = remembered.get(plan) ?? new Map<string, readonly (Visit | Outing)[]>();
  remembered.set(plan, blocks);
  const known = blocks.get(key) as T[] | undefined;
  if (known) return known;
  const made = make();
  if (blocks.size >= 24) blocks.delete(blocks.keys().next().value as string);
  blocks.set(key, made);
  return made;
}

/** Blocks begin a block early, so that the cadence is whole from its first second. */
function begun(plan: Plan, start: number): boolean {
  const { liveFrom } = plan.world;
  return liveFrom === null || start >= liveFrom.getTime() - CARS.block;
}

function visitsOf(plan: Plan, chain: 0 | 1, start: number): Visit[] {
  if (!begun(plan, start)) return [];
  return remember(plan, `cars ${chain} ${start}`, () => {
    const minute = start / 60_000;
    const taken = new Set<Vehicle>();
    const made: Visit[] = [];
    const cars = plan.world.vehicles;
    for (let slot = 0; slot < CARS.count; slot++) {
      // The first half of the cars come while the one chain of people has its first steps, the rest while the other has.
      const half = slot < CARS.count / 2 ? 0 : 1;
      for (let attempt = 0; attempt < 400; attempt++) {
        const vehicle = cars[plan.dice.whole(cars.length, ASK.visit, minute, slot * 1_000 + attempt)] as Vehicle;
        const owner = vehicle.owner === null ? undefined : plan.owners.get(vehicle.owner);
        if (!owner || (owner.index >> 1) % 2 !== chain || owner.index % 2 !== half || taken.has(vehicle)) continue;
        if (!away(plan, vehicle, owner, start)) continue;
        taken.add(vehicle);
        const jitter = plan.dice.whole(10, ASK.jitter, minute, slot) * 1_000;
        const enter = start + slot * CARS.slot + (chain * CARS.slot) / 2 + jitter;
        made.push({ vehicle, owner, enter, exit: enter + CARS.half });
        break;
      }
    }
    return made;
  });
}

/** Car and owner are both out and will be for the whole block. */
function away(plan: Plan, vehicle: Vehicle, owner: Person, start: number): boolean {
  const day = dayOf(start);
  const { cars } = plan.day(day);
  const steps = cars[vehicle.index] ?? [];
  if (stateAt(steps, start, standsSince(plan, vehicle, day) !== null)) return false;
  return quiet(steps, start, CARS.block) && inside(plan, owner, start, CARS.block) === false;
}

function outingsOf(plan: Plan, chain: 0 | 1, start: number): Outing[] {
  if (!begun(plan, start)) return [];
  return remember(plan, `people ${chain} ${start}`, () => {
    const minute = start / 60_000;
    const made: Outing[] = [];
    const taken = new Set<Person>();
    const slots = new Map<number, Person>();
    const early = start - PEOPLE.offset;
    for (const { owner, enter } of visits(plan, early, early + PEOPLE.half)) {
      if (enter < early || enter >= early + PEOPLE.half) continue;
      slots.set(Math.floor((enter - early) / PEOPLE.slot), owner);
      taken.add(owner);
    }
    const { people } = plan.world;
    for (let slot = 0; slot < PEOPLE.count; slot++) {
      let person = slots.get(slot);
      let direction: Direction = 'in';
      for (let attempt = 0; !person && attempt < 400; attempt++) {
        const one = people[plan.dice.whole(people.length, ASK.errand, minute, slot * 1_000 + attempt)] as Person;
        if (one.index % 2 !== chain || taken.has(one)) continue;
        const now = inside(plan, one, start, PEOPLE.block);
        // The watch stays where it is: at night it is what keeps groups above five.
        if (now === null || (now && one.crew !== null)) continue;
        person = one;
        direction = now ? 'out' : 'in';
      }
      if (!person) continue;
      taken.add(person);
      const jitter = plan.dice.whole(4, ASK.jitter, minute, 100 + slot) * 1_000 + 500;
      const first = start + slot * PEOPLE.slot + (chain * PEOPLE.slot) / 2 + jitter;
      const refused = direction === 'in' && plan.dice.unit(ASK.denied, minute, slot) < 0.05;
      made.push({ person, first, second: first + PEOPLE.half, direction, refused });
    }
    return made;
  });
}

/** Whether the office rhythm has the person inside for the whole block; null when it moves him meanwhile. */
function inside(plan: Plan, person: Person, start: number, length: number): boolean | null {
  const day = dayOf(start);
  const steps = plan.day(day).people[person.index] ?? [];
  return quiet(steps, start, length) ? stateAt(steps, start, sleepsIn(person, day)) : null;
}

/** No step near the block. The rhythm rests around the change of day, so the steps of one day are enough. */
const quiet = (steps: readonly Step[], start: number, length: number): boolean =>
  steps.every((step) => step.at < start - QUIET || step.at > start + length + QUIET);
