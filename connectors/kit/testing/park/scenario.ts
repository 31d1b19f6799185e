/** The one story that all simulators tell. */
import { cadence, moved, visiting } from './rates.ts';
import { byTime, dayOf, type Plan, planOf, sessionOf, sleepsIn, standsSince, stateAt } from './schedule.ts';
import { registerChanges, taxFiles } from './time-driven-data.ts';
import type { Drive, Moment, Person, Stay, Swipe, Vehicle, World } from './types.ts';

/** How much is put in order at once. */
const WINDOW = 1_200_000;

/**
 * Everything that happens in [from, to), in order of time. Deterministic and additive: [a,b) and then [b,c) give exactly
 * what [a,c) gives. Lazy: holds a few days of the rhythm and twenty minutes of the cadence.
 */
export function* story(world: World, from: Date, to: Date): Generator<Moment> {
  const plan = planOf(world);
  const end = to.getTime();
  for (let at = from.getTime(); at < end; ) {
    const next = Math.min(end, (Math.floor(at / WINDOW) + 1) * WINDOW);
    yield* windowOf(plan, at, next);
    at = next;
  }
}

function windowOf(plan: Plan, from: number, to: number): Moment[] {
  const { world } = plan;
  const people: (Swipe | Drive)[] = [];
  for (let day = dayOf(from); day <= dayOf(to - 1); day++) {
    const { moments } = plan.day(day);
    for (let i = firstAt(moments, from); i < moments.length; i++) {
      const one = moments[i] as Swipe | Drive;
      if (one.at.getTime() >= to) break;
      people.push(one);
    }
  }
  people.push(...cadence(plan, from, to));
  people.sort(byTime);
  const papers: Moment[] = [...registerChanges(world, from, to), ...taxFiles(world, from, to)];
  if (papers.length === 0) return people;
  // A stable sort: papers of the same instant come before people, always in the same order.
  return [...papers, ...people].sort((a, b) => a.at.getTime() - b.at.getTime());
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

/** Who is inside which building at that instant (a moment at `at` has happened); every building has a list. */
export function inside(world: World, at: Date): Map<string, Person[]> {
  const plan = planOf(world);
  const instant = at.getTime();
  const day = dayOf(instant);
  const { people } = plan.day(day);
  const away = moved(plan, instant);
  const found = new Map<string, Person[]>(world.buildings.map((building) => [building.id, []]));
  for (const person of world.people) {
    const change = away.get(person);
    const here = change ? change === 'in' : stateAt(people[person.index] ?? [], instant, sleepsIn(person, day));
    if (here) found.get(plan.buildingOf.get(person.company) as string)?.push(person);
  }
  return found;
}

/** The stays that are open at that instant, by lot, in order of entering; every lot has a list. */
export function parked(world: World, at: Date): Map<string, Stay[]> {
  const plan = planOf(world);
  const instant = at.getTime();
  const day = dayOf(instant);
  const { cars } = plan.day(day);
  const found = new Map<string, Stay[]>(world.lots.map((lot) => [lot.id, []]));
  for (const vehicle of world.vehicles) {
    const since = openSince(plan, vehicle, day, cars[vehicle.index] ?? [], instant);
    if (since !== null) found.get(vehicle.lot)?.push(stayOf(plan, vehicle, since));
  }
  for (const stay of visiting(plan, instant)) found.get(stay.lot.id)?.push(stay);
  for (const stays of found.values()) stays.sort((a, b) => a.enteredAt.getTime() - b.enteredAt.getTime());
  return found;
}

function openSince(
  plan: Plan,
  vehicle: Vehicle,
  day: number,
  steps: readonly { at: number; direction: 'in' | 'out' }[],
  at: number,
): number | null {
  let since = standsSince(plan, vehicle, day);
  for (const step of steps) {
    if (step.at > at) break;
    since = step.direction === 'in' ? step.at : null;
  }
  return since;
}

const stayOf = (plan: Plan, vehicle: Vehicle, since: number): Stay => ({
  session: sessionOf(vehicle, since),
  vehicle,
  lot: plan.lots.get(vehicle.lot) as Stay['lot'],
  enteredAt: new Date(since),
});
