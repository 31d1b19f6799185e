/**
 * Extra activity of the demo, so that every hour has events. People and cars without scheduled steps make short visits (in, out) or
 * errands (out, in). They are planned in blocks; each block can be computed without the others.
 *
 * Two interleaved chains of blocks mix arrivals and departures. Each person belongs to one fixed chain, so two blocks never use the
 * same person at once. A driver swipes half a minute after the car.
 */

import { dayOf, isInsideAtDayStart, parkedSince, type Schedule, type Step, stateAt } from './schedule.ts';
import { DRAW } from './seeded-random.ts';
import type { Direction, Person, Stay, Swipe, Vehicle, VehicleMovement } from './types.ts';

/** Milliseconds. Cars: 24 ten-minute stays per 20-minute block. People: 30 five-minute outings per ten-minute block, 30 s after the cars. */
const CARS = { block: 1_200_000, half: 600_000, slot: 25_000, count: 24, offset: 0 };
const PEOPLE = { block: 600_000, half: 300_000, slot: 10_000, count: 30, offset: 30_000 };
/** Milliseconds. Minimum distance between an outing and a scheduled step. */
const MARGIN = 120_000;

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
  /** Direction of the first step: `in` for visits, `out` for errands. */
  readonly direction: Direction;
  /** Whether a denied attempt precedes the first step. */
  readonly denied: boolean;
}

/** Start times of the chain's blocks that overlap [from, to). */
function* blocks(kind: typeof CARS, chain: 0 | 1, from: number, to: number): Generator<number> {
  const offset = kind.offset + chain * kind.half;
  for (let at = Math.floor((from - offset) / kind.block) * kind.block + offset; at < to; at += kind.block) yield at;
}

/** Extra swipes and vehicle movements in [from, to), unordered. */
export function extraActivity(plan: Schedule, from: number, to: number): (Swipe | VehicleMovement)[] {
  const found: (Swipe | VehicleMovement)[] = [];
  const within = (at: number) => at >= from && at < to;
  for (const visit of visits(plan, from, to)) {
    const { vehicle, enter, exit } = visit;
    if (within(enter)) found.push(plan.movement(vehicle, { at: enter, direction: 'in', since: enter }));
    if (within(exit)) found.push(plan.movement(vehicle, { at: exit, direction: 'out', since: enter }));
  }
  for (const { person, first, second, direction, denied } of outings(plan, from, to)) {
    if (denied && within(first - 4_000)) found.push(plan.swipe(person, first - 4_000, direction, false));
    if (within(first)) found.push(plan.swipe(person, first, direction));
    if (within(second)) found.push(plan.swipe(person, second, direction === 'in' ? 'out' : 'in'));
  }
  return found;
}

/** Stays of visiting cars that are parked at that instant. */
export const visitingStays = (plan: Schedule, at: number): Stay[] =>
  visits(plan, at, at + 1)
    .filter((visit) => visit.enter <= at && visit.exit > at)
    .map((visit) => {
      const { session, enteredAt, lot } = plan.movement(visit.vehicle, {
        at: visit.enter,
        direction: 'in',
        since: visit.enter,
      });
      return { session, vehicle: visit.vehicle, lot, enteredAt };
    });

/** People on a visit or errand at that instant, with the side of the door they are on: `in` on a visit, `out` on an errand. */
export const movedPeople = (plan: Schedule, at: number): Map<Person, Direction> =>
  new Map(
    outings(plan, at, at + 1)
      .filter((outing) => outing.first <= at && outing.second > at)
      .map((outing) => [outing.person, outing.direction]),
  );

const visits = (plan: Schedule, from: number, to: number): Visit[] =>
  ([0, 1] as const).flatMap((chain) =>
    [...blocks(CARS, chain, from, to)].flatMap((start) => visitsOf(plan, chain, start)),
  );

const outings = (plan: Schedule, from: number, to: number): Outing[] =>
  ([0, 1] as const).flatMap((chain) =>
    // A denied attempt is a few seconds early, so a block can start before its nominal time.
    [...blocks(PEOPLE, chain, from, to + 5_000)].flatMap((start) => outingsOf(plan, chain, start)),
  );

const blockCache = new WeakMap<Schedule, Map<string, readonly (Visit | Outing)[]>>();

/** Caches the last 24 blocks of a schedule; every query reads them. */
function cached<T extends Visit | Outing>(plan: Schedule, key: string, make: () => T[]): T[] {
  const blocks = blockCache.get(plan) ?? new Map<string, readonly (Visit | Outing)[]>();
  blockCache.set(plan, blocks);
  const known = blocks.get(key) as T[] | undefined;
  if (known) return known;
  const made = make();
  if (blocks.size >= 24) blocks.delete(blocks.keys().next().value as string);
  blocks.set(key, made);
  return made;
}

/** Whether extra activity is on in this block. It starts one block before `liveFrom`, so that it is complete from then on. */
function isActive(plan: Schedule, start: number): boolean {
  const { liveFrom } = plan.world;
  return liveFrom === null || start >= liveFrom.getTime() - CARS.block;
}

function visitsOf(plan: Schedule, chain: 0 | 1, start: number): Visit[] {
  if (!isActive(plan, start)) return [];
  return cached(plan, `cars ${chain} ${start}`, () => {
    const minute = start / 60_000;
    const taken = new Set<Vehicle>();
    const made: Visit[] = [];
    const cars = plan.world.vehicles;
    for (let slot = 0; slot < CARS.count; slot++) {
      // The first half of the cars arrives during the first steps of one chain of people, the rest during those of the other.
      const half = slot < CARS.count / 2 ? 0 : 1;
      for (let attempt = 0; attempt < 400; attempt++) {
        const vehicle = cars[plan.random.integer(cars.length, DRAW.visit, minute, slot * 1_000 + attempt)] as Vehicle;
        const owner = vehicle.owner === null ? undefined : plan.peopleByPin.get(vehicle.owner);
        if (!owner || (owner.index >> 1) % 2 !== chain || owner.index % 2 !== half || taken.has(vehicle)) continue;
        if (!isAway(plan, vehicle, owner, start)) continue;
        taken.add(vehicle);
        const jitter = plan.random.integer(10, DRAW.jitter, minute, slot) * 1_000;
        const enter = start + slot * CARS.slot + (chain * CARS.slot) / 2 + jitter;
        made.push({ vehicle, owner, enter, exit: enter + CARS.half });
        break;
      }
    }
    return made;
  });
}

/** Whether car and owner are both outside for the whole block. */
function isAway(plan: Schedule, vehicle: Vehicle, owner: Person, start: number): boolean {
  const day = dayOf(start);
  const { cars } = plan.day(day);
  const steps = cars[vehicle.index] ?? [];
  if (stateAt(steps, start, parkedSince(plan, vehicle, day) !== null)) return false;
  return isQuiet(steps, start, CARS.block) && isInsideThroughout(plan, owner, start, CARS.block) === false;
}

function outingsOf(plan: Schedule, chain: 0 | 1, start: number): Outing[] {
  if (!isActive(plan, start)) return [];
  return cached(plan, `people ${chain} ${start}`, () => {
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
        const candidate = people[
          plan.random.integer(people.length, DRAW.errand, minute, slot * 1_000 + attempt)
        ] as Person;
        if (candidate.index % 2 !== chain || taken.has(candidate)) continue;
        const now = isInsideThroughout(plan, candidate, start, PEOPLE.block);
        // The watch stays inside: at night it keeps groups above five people.
        if (now === null || (now && candidate.crew !== null)) continue;
        person = candidate;
        direction = now ? 'out' : 'in';
      }
      if (!person) continue;
      taken.add(person);
      const jitter = plan.random.integer(4, DRAW.jitter, minute, 100 + slot) * 1_000 + 500;
      const first = start + slot * PEOPLE.slot + (chain * PEOPLE.slot) / 2 + jitter;
      const denied = direction === 'in' && plan.random.unit(DRAW.denied, minute, slot) < 0.05;
      made.push({ person, first, second: first + PEOPLE.half, direction, denied });
    }
    return made;
  });
}

/** Whether the person is scheduled to be inside for the whole block; null when a scheduled step falls into it. */
function isInsideThroughout(plan: Schedule, person: Person, start: number, length: number): boolean | null {
  const day = dayOf(start);
  const steps = plan.day(day).people[person.index] ?? [];
  return isQuiet(steps, start, length) ? stateAt(steps, start, isInsideAtDayStart(person, day)) : null;
}

/** Whether no step is near the block. There are no steps around the start of a day, so the steps of one day suffice. */
const isQuiet = (steps: readonly Step[], start: number, length: number): boolean =>
  steps.every((step) => step.at < start - MARGIN || step.at > start + length + MARGIN);
