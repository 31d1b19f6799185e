/**
 * The office rhythm, one day at a time. A day runs from 4:00 to 4:00 local time; whoever is inside at its beginning
 * follows from the day's number alone, so each day is known without the ones before.
 */
import { ASK, Dice } from './seeded-random.ts';
import type { Direction, Door, Drive, Lot, Person, Refusal, Swipe, Vehicle, World } from './types.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
/** Asia/Shanghai is eight hours ahead all year; the park's day begins at 4:00, which is 20:00 UTC. */
const DAWN = 4 * HOUR;

export const dayOf = (at: number): number => Math.floor((at + DAWN) / DAY);
/** Local midnight of that day, as an instant. */
const midnight = (day: number): number => day * DAY - 8 * HOUR;
export const dayStart = (day: number): number => midnight(day) + DAWN;
const works = (day: number): boolean => day % 7 !== 2 && day % 7 !== 3;

/** One person's or car's coming or going. */
export interface Step {
  readonly at: number;
  readonly direction: Direction;
  /** For cars: when the stay began. */
  readonly since: number;
}

/** Everything that the park's functions look up again and again. */
export class Plan {
  readonly dice: Dice;
  readonly doors = new Map<string, Record<Direction, Door[]>>();
  readonly lots = new Map<string, Lot>();
  readonly owners = new Map<string, Person>();
  readonly cars = new Map<string, Vehicle>();
  readonly buildingOf = new Map<string, string>();
  readonly #days = new Map<number, DayPlan>();
  readonly world: World;

  constructor(world: World) {
    this.world = world;
    this.dice = new Dice(world.seed);
    for (const building of world.buildings) {
      const doors = world.doors.filter((door) => door.building === building.id);
      const having = (direction: Direction) => doors.filter((door) => door.readers.includes(direction));
      this.doors.set(building.id, { in: having('in'), out: having('out') });
    }
    for (const lot of world.lots) this.lots.set(lot.id, lot);
    for (const person of world.people) this.owners.set(person.pin, person);
    for (const car of world.vehicles) this.cars.set(car.plate, car);
    for (const company of world.companies) this.buildingOf.set(company.uscc, company.building);
  }

  /** That day, from a small memory of the last ones. */
  day(day: number): DayPlan {
    let plan = this.#days.get(day);
    if (!plan) {
      plan = planDay(this, day);
      if (this.#days.size >= 4) this.#days.delete(this.#days.keys().next().value as number);
      this.#days.set(day, plan);
    }
    return plan;
  }

  swipe(person: Person, at: number, direction: Direction, granted = true): Swipe {
    const doors = this.doors.get(this.buildingOf.get(person.company) as string)?.[direction] ?? [];
    const door = this.dice.pick(doors, ASK.door, person.index, Math.floor(at / 1_000));
    const reason: Refusal | null = granted
      ? null
      : this.dice.pick(
          ['no-right', 'no-right', 'outside-hours', 'expired'] as const,
          ASK.reason,
          person.index,
          Math.floor(at / 1_000),
        );
    return { at: new Date(at), kind: 'swipe', person, door, direction, granted, reason };
  }

  drive(vehicle: Vehicle, step: Step): Drive {
    const kind = step.direction === 'in' ? 'enter' : 'exit';
    const lot = this.lots.get(vehicle.lot) as Lot;
    const session = sessionOf(vehicle, step.since);
    return { at: new Date(step.at), kind, vehicle, lot, session, enteredAt: new Date(step.since) };
  }
}

const plans = new WeakMap<World, Plan>();

/** The plan of a world, made once. */
export function planOf(world: World): Plan {
  const plan = plans.get(world) ?? new Plan(world);
  plans.set(world, plan);
  return plan;
}

/** Number of a stay. */
export const sessionOf = (vehicle: Vehicle, since: number): string =>
  `${String(vehicle.index + 1).padStart(4, '0')}-${Math.floor(since / 1_000).toString(36)}`;

/** The office rhythm of one day. */
export interface DayPlan {
  /** Swipes and drives in order of time. */
  readonly moments: readonly (Swipe | Drive)[];
  /** By the person's index: steps in order. */
  readonly people: readonly (readonly Step[])[];
  /** By the vehicle's index. */
  readonly cars: readonly (readonly Step[])[];
}

/** Inside (or parked) at `at` by these steps of the day; `first` says how the day began. */
export function stateAt(steps: readonly Step[], at: number, first: boolean): boolean {
  let state = first;
  for (const step of steps) {
    if (step.at > at) break;
    state = step.direction === 'in';
  }
  return state;
}

/** Whether the person is inside when the day begins. */
export const sleepsIn = (person: Person, day: number): boolean => person.crew !== null && person.crew === day % 3;

function planDay(plan: Plan, day: number): DayPlan {
  const moments: (Swipe | Drive)[] = [];
  const people: Step[][] = plan.world.people.map((person) => {
    const steps = personDay(plan.dice, person, day);
    for (const step of steps) {
      // One try in seventy fails before the one that opens.
      if (step.direction === 'in' && plan.dice.unit(ASK.denied, person.index, step.at / 1_000) < 0.014)
        moments.push(plan.swipe(person, step.at - 8_000, 'in', false));
      moments.push(plan.swipe(person, step.at, step.direction));
    }
    return steps;
  });
  const cars = plan.world.vehicles.map((vehicle) => {
    const steps = carDay(plan, vehicle, day, people);
    for (const step of steps) moments.push(plan.drive(vehicle, step));
    return steps;
  });
  moments.sort(byTime);
  return { moments, people, cars };
}

/** In order of time; at the same instant by kind and then by whom it concerns, so that the order is one. */
export function byTime(a: Swipe | Drive, b: Swipe | Drive): number {
  return a.at.getTime() - b.at.getTime() || rank(a) - rank(b);
}
const rank = (one: Swipe | Drive): number => (one.kind === 'swipe' ? 1_000 + one.person.index : one.vehicle.index);

/** The granted steps of a person that day, whole seconds, in order. */
function personDay(dice: Dice, person: Person, day: number): Step[] {
  const zero = midnight(day);
  const steps: Step[] = [];
  const p = person.index;
  const add = (hours: number, direction: Direction) => {
    const at = zero + Math.round(hours * 3_600) * 1_000;
    steps.push({ at, direction, since: at });
  };
  /** Out for a few minutes; `slot` keeps the crew from going together. */
  const round = (from: number, every: number, slack: number, part: number) => {
    const hours = from + every * (Math.floor(p / 3) % 7) + slack * dice.unit(ASK.round, p, day * 4 + part);
    add(hours, 'out');
    add(hours + (3 + 5 * dice.unit(ASK.back, p, day * 4 + part)) / 60, 'in');
  };
  if (person.crew !== null) {
    const part = (person.crew - (day % 3) + 3) % 3;
    if (part === 0) {
      if (p % 2 === 1) round(4.75, 0.25, 0.08, 0);
      add(leavesAt(dice, person, day), 'out');
    } else if (part === 2) {
      add(arrivesAt(dice, person, day), 'in');
      round(10, 1.25, 0.7, 1);
      add(leavesAt(dice, person, day), 'out');
    } else {
      add(arrivesAt(dice, person, day), 'in');
      round(22, 0.7, 0.4, 2);
    }
    return steps;
  }
  if (!comes(dice, person, day)) return steps;
  add(arrivesAt(dice, person, day), 'in');
  if (works(day)) {
    const out = dice.unit(ASK.lunch, p, day + 1e6) < 0.9 ? 11.6 : 14.2;
    const lunch = out + dice.unit(ASK.lunch, p, day);
    add(lunch, 'out');
    add(lunch + (20 + 40 * dice.unit(ASK.back, p, day)) / 60, 'in');
  }
  add(leavesAt(dice, person, day), 'out');
  return steps;
}

/** Whether somebody with office hours comes that day. */
const comes = (dice: Dice, person: Person, day: number): boolean =>
  dice.unit(ASK.attend, person.index, day) < (works(day) ? 0.93 : 0.08);

/** Local hour of the first swipe in. */
function arrivesAt(dice: Dice, person: Person, day: number): number {
  const draw = dice.unit(ASK.arrive, person.index, day);
  if (person.crew !== null) return (person.crew - (day % 3) + 3) % 3 === 2 ? 6.5 + 0.9 * draw : 19 + draw;
  if (!works(day)) return 9.5 + 2 * draw;
  return 8 + draw + dice.unit(ASK.arrive, person.index, day + 1e6);
}

/** Local hour of the last swipe out. */
function leavesAt(dice: Dice, person: Person, day: number): number {
  const draw = dice.unit(ASK.leave, person.index, day);
  if (person.crew !== null) return person.crew === day % 3 ? 7.6 + 1.9 * draw : 20.2 + 1.3 * draw;
  if (!works(day)) return 13 + 4 * draw;
  return 17 + 1.5 * (draw + dice.unit(ASK.leave, person.index, day + 1e6));
}

/** A car's steps that day, in order. Owners come by car to six shifts of seven; pool cars stand and make a trip each third day. */
function carDay(plan: Plan, vehicle: Vehicle, day: number, people: readonly (readonly Step[])[]): Step[] {
  const { dice } = plan;
  if (vehicle.owner === null) {
    if (!travels(vehicle, day)) return [];
    const out = tripOut(dice, vehicle, day);
    const back = tripBack(dice, vehicle, day);
    return [
      { at: out, direction: 'out', since: tripBack(dice, vehicle, day - 3) },
      { at: back, direction: 'in', since: back },
    ];
  }
  const owner = plan.owners.get(vehicle.owner) as Person;
  const own = people[owner.index] ?? [];
  const first = own[0];
  const last = own.at(-1);
  if (!first || !last) return [];
  const steps: Step[] = [];
  const early = sleepsIn(owner, day);
  if (early) {
    if (drives(dice, owner, day - 1)) steps.push(leaving(dice, owner, last.at, day, carIn(dice, owner, day - 1)));
    return steps;
  }
  if (!drives(dice, owner, day)) return steps;
  const at = carIn(dice, owner, day);
  steps.push({ at, direction: 'in', since: at });
  if (last.direction === 'out') steps.push(leaving(dice, owner, last.at, day, at));
  return steps;
}

const leaving = (dice: Dice, owner: Person, after: number, day: number, since: number): Step => ({
  at: after + 1_000 * dice.between(120, 480, ASK.carOut, owner.index, day),
  direction: 'out',
  since,
});

/** Whether the owner comes by car to the shift that begins that day. */
const drives = (dice: Dice, owner: Person, day: number): boolean => dice.unit(ASK.drive, owner.index, day) < 0.86;

/** The car comes some minutes before its owner's first swipe. */
function carIn(dice: Dice, owner: Person, day: number): number {
  const swipe = midnight(day) + Math.round(arrivesAt(dice, owner, day) * 3_600) * 1_000;
  return swipe - 1_000 * dice.between(90, 420, ASK.carIn, owner.index, day);
}

const travels = (vehicle: Vehicle, day: number): boolean => (day + vehicle.index) % 3 === 0;
const tripOut = (dice: Dice, vehicle: Vehicle, day: number): number =>
  midnight(day) + 9 * HOUR + 1_000 * dice.whole(6 * 3_600, ASK.trip, vehicle.index, day);
const tripBack = (dice: Dice, vehicle: Vehicle, day: number): number =>
  tripOut(dice, vehicle, day) + 1_000 * dice.between(2_400, 9_000, ASK.trip, vehicle.index, day + 1_000_000);

/** When the car that stands in its lot as the day begins came there; null when it does not stand there. */
export function standsSince(plan: Plan, vehicle: Vehicle, day: number): number | null {
  if (vehicle.owner === null) {
    for (let past = day - 1; ; past--) if (travels(vehicle, past)) return tripBack(plan.dice, vehicle, past);
  }
  const owner = plan.owners.get(vehicle.owner) as Person;
  return sleepsIn(owner, day) && drives(plan.dice, owner, day - 1) ? carIn(plan.dice, owner, day - 1) : null;
}
