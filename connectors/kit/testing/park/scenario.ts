/** The scenario that all simulators play: every moment of the park in order. */
import { extraActivity, movedPeople, visitingStays } from './extra-activity.ts';
import {
  compareMoments,
  dayOf,
  isInsideAtDayStart,
  parkedSince,
  type Schedule,
  scheduleOf,
  sessionOf,
  stateAt,
} from './schedule.ts';
import { registerChanges, taxFiles } from './time-driven-data.ts';
import type { Moment, Person, Stay, Swipe, Vehicle, VehicleMovement, World } from './types.ts';

/** Milliseconds. Moments are sorted in windows of this length. */
const WINDOW = 1_200_000;

/**
 * All moments in [from, to), in order of time. Deterministic and additive: [a,b) followed by [b,c) equals [a,c). Lazy: keeps a few
 * days of the schedule and twenty minutes of extra activity in memory.
 */
export function* scenario(world: World, from: Date, to: Date): Generator<Moment> {
  const plan = scheduleOf(world);
  const end = to.getTime();
  for (let at = from.getTime(); at < end; ) {
    const next = Math.min(end, (Math.floor(at / WINDOW) + 1) * WINDOW);
    yield* momentsOfWindow(plan, at, next);
    at = next;
  }
}

function momentsOfWindow(plan: Schedule, from: number, to: number): Moment[] {
  const { world } = plan;
  const people: (Swipe | VehicleMovement)[] = [];
  for (let day = dayOf(from); day <= dayOf(to - 1); day++) {
    const { moments } = plan.day(day);
    for (let i = firstAt(moments, from); i < moments.length; i++) {
      const moment = moments[i] as Swipe | VehicleMovement;
      if (moment.at.getTime() >= to) break;
      people.push(moment);
    }
  }
  people.push(...extraActivity(plan, from, to));
  people.sort(compareMoments);
  const documents: Moment[] = [...registerChanges(world, from, to), ...taxFiles(world, from, to)];
  if (documents.length === 0) return people;
  // The sort is stable: documents come before people of the same instant, always in the same order.
  return [...documents, ...people].sort((a, b) => a.at.getTime() - b.at.getTime());
}

/** Index of the first moment at or after `at`. */
function firstAt(moments: readonly { at: Date }[], at: number): number {
  let low = 0;
  let high = moments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((moments[middle] as { at: Date }).at.getTime() < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** People inside each building at that instant (moments at `at` included); every building has a list. */
export function peopleInside(world: World, at: Date): Map<string, Person[]> {
  const plan = scheduleOf(world);
  const instant = at.getTime();
  const day = dayOf(instant);
  const { people } = plan.day(day);
  const onOuting = movedPeople(plan, instant);
  const found = new Map<string, Person[]>(world.buildings.map((building) => [building.id, []]));
  for (const person of world.people) {
    const side = onOuting.get(person);
    const isInside = side
      ? side === 'in'
      : stateAt(people[person.index] ?? [], instant, isInsideAtDayStart(person, day));
    if (isInside) found.get(plan.buildingOf.get(person.company) as string)?.push(person);
  }
  return found;
}

/** Open stays at that instant by lot, in order of entry; every lot has a list. */
export function parkedStays(world: World, at: Date): Map<string, Stay[]> {
  const plan = scheduleOf(world);
  const instant = at.getTime();
  const day = dayOf(instant);
  const { cars } = plan.day(day);
  const found = new Map<string, Stay[]>(world.lots.map((lot) => [lot.id, []]));
  for (const vehicle of world.vehicles) {
    const since = openSince(plan, vehicle, day, cars[vehicle.index] ?? [], instant);
    if (since !== null) found.get(vehicle.lot)?.push(stayOf(plan, vehicle, since));
  }
  for (const stay of visitingStays(plan, instant)) found.get(stay.lot.id)?.push(stay);
  for (const stays of found.values()) stays.sort((a, b) => a.enteredAt.getTime() - b.enteredAt.getTime());
  return found;
}

function openSince(
  plan: Schedule,
  vehicle: Vehicle,
  day: number,
  steps: readonly { at: number; direction: 'in' | 'out' }[],
  at: number,
): number | null {
  let since = parkedSince(plan, vehicle, day);
  for (const step of steps) {
    if (step.at > at) break;
    since = step.direction === 'in' ? step.at : null;
  }
  return since;
}

const stayOf = (plan: Schedule, vehicle: Vehicle, since: number): Stay => ({
  session: sessionOf(vehicle, since),
  vehicle,
  lot: plan.lots.get(vehicle.lot) as Stay['lot'],
  enteredAt: new Date(since),
});
