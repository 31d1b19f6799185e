/**
 * The office schedule, one day at a time. A day runs from 4:00 to 4:00 local time. Who is inside at its start depends on the day's
 * number only, so a day can be computed without the days before.
 */
import { DRAW, SeededRandom } from './seeded-random.ts';
import type { DenialReason, Direction, Door, Lot, Person, Swipe, Vehicle, VehicleMovement, World } from './types.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
/** Asia/Shanghai is UTC+8 all year; the park's day starts at 4:00 local time, which is 20:00 UTC. */
const DAY_OFFSET = 4 * HOUR;

export const dayOf = (at: number): number => Math.floor((at + DAY_OFFSET) / DAY);
/** Local midnight of that day, as an instant. */
const midnight = (day: number): number => day * DAY - 8 * HOUR;
export const dayStart = (day: number): number => midnight(day) + DAY_OFFSET;
const isWorkday = (day: number): boolean => day % 7 !== 2 && day % 7 !== 3;

/** An arrival or departure of a person or car. */
export interface Step {
  readonly at: number;
  readonly direction: Direction;
  /** For cars: start of the stay. */
  readonly since: number;
}

/** Lookup tables and recent day schedules of a world. */
export class Schedule {
  readonly random: SeededRandom;
  readonly doors = new Map<string, Record<Direction, Door[]>>();
  readonly lots = new Map<string, Lot>();
  readonly peopleByPin = new Map<string, Person>();
  readonly vehiclesByPlate = new Map<string, Vehicle>();
  readonly buildingOf = new Map<string, string>();
  readonly #days = new Map<number, DaySchedule>();
  readonly world: World;

  constructor(world: World) {
    this.world = world;
    this.random = new SeededRandom(world.seed);
    for (const building of world.buildings) {
      const doors = world.doors.filter((door) => door.building === building.id);
      const having = (direction: Direction) => doors.filter((door) => door.readers.includes(direction));
      this.doors.set(building.id, { in: having('in'), out: having('out') });
    }
    for (const lot of world.lots) this.lots.set(lot.id, lot);
    for (const person of world.people) this.peopleByPin.set(person.pin, person);
    for (const car of world.vehicles) this.vehiclesByPlate.set(car.plate, car);
    for (const company of world.companies) this.buildingOf.set(company.uscc, company.building);
  }

  /** The schedule of a day; the last four are cached. */
  day(day: number): DaySchedule {
    let plan = this.#days.get(day);
    if (!plan) {
      plan = scheduleDay(this, day);
      if (this.#days.size >= 4) this.#days.delete(this.#days.keys().next().value as number);
      this.#days.set(day, plan);
    }
    return plan;
  }

  swipe(person: Person, at: number, direction: Direction, granted = true): Swipe {
    const doors = this.doors.get(this.buildingOf.get(person.company) as string)?.[direction] ?? [];
    const door = this.random.pick(doors, DRAW.door, person.index, Math.floor(at / 1_000));
    const reason: DenialReason | null = granted
      ? null
      : this.random.pick(
          ['no-right', 'no-right', 'outside-hours', 'expired'] as const,
          DRAW.reason,
          person.index,
          Math.floor(at / 1_000),
        );
    return { at: new Date(at), kind: 'swipe', person, door, direction, granted, reason };
  }

  movement(vehicle: Vehicle, step: Step): VehicleMovement {
    const kind = step.direction === 'in' ? 'enter' : 'exit';
    const lot = this.lots.get(vehicle.lot) as Lot;
    const session = sessionOf(vehicle, step.since);
    return { at: new Date(step.at), kind, vehicle, lot, session, enteredAt: new Date(step.since) };
  }
}

const schedules = new WeakMap<World, Schedule>();

/** The schedule of a world, created once. */
export function scheduleOf(world: World): Schedule {
  const plan = schedules.get(world) ?? new Schedule(world);
  schedules.set(world, plan);
  return plan;
}

/** Session number of a stay. */
export const sessionOf = (vehicle: Vehicle, since: number): string =>
  `${String(vehicle.index + 1).padStart(4, '0')}-${Math.floor(since / 1_000).toString(36)}`;

/** The office schedule of one day. */
export interface DaySchedule {
  /** Swipes and vehicle movements in order of time. */
  readonly moments: readonly (Swipe | VehicleMovement)[];
  /** Steps in order, by the person's index. */
  readonly people: readonly (readonly Step[])[];
  /** Steps in order, by the vehicle's index. */
  readonly cars: readonly (readonly Step[])[];
}

/** Whether the person is inside (or the car parked) at `at`, from the state at the start of the day and the day's steps. */
export function stateAt(steps: readonly Step[], at: number, stateAtDayStart: boolean): boolean {
  let state = stateAtDayStart;
  for (const step of steps) {
    if (step.at > at) break;
    state = step.direction === 'in';
  }
  return state;
}

/** Whether the person is inside at the start of the day. */
export const isInsideAtDayStart = (person: Person, day: number): boolean =>
  person.crew !== null && person.crew === day % 3;

function scheduleDay(plan: Schedule, day: number): DaySchedule {
  const moments: (Swipe | VehicleMovement)[] = [];
  const people: Step[][] = plan.world.people.map((person) => {
    const steps = personDay(plan.random, person, day);
    for (const step of steps) {
      // About one successful attempt in seventy is preceded by a denied one.
      if (step.direction === 'in' && plan.random.unit(DRAW.denied, person.index, step.at / 1_000) < 0.014)
        moments.push(plan.swipe(person, step.at - 8_000, 'in', false));
      moments.push(plan.swipe(person, step.at, step.direction));
    }
    return steps;
  });
  const cars = plan.world.vehicles.map((vehicle) => {
    const steps = carDay(plan, vehicle, day, people);
    for (const step of steps) moments.push(plan.movement(vehicle, step));
    return steps;
  });
  moments.sort(compareMoments);
  return { moments, people, cars };
}

/** Orders by time; at the same instant by kind and index, so that the order is total. */
export function compareMoments(a: Swipe | VehicleMovement, b: Swipe | VehicleMovement): number {
  return a.at.getTime() - b.at.getTime() || tieBreaker(a) - tieBreaker(b);
}
const tieBreaker = (one: Swipe | VehicleMovement): number =>
  one.kind === 'swipe' ? 1_000 + one.person.index : one.vehicle.index;

/** The granted steps of a person on that day, in whole seconds, in order. */
function personDay(dice: SeededRandom, person: Person, day: number): Step[] {
  const zero = midnight(day);
  const steps: Step[] = [];
  const p = person.index;
  const add = (hours: number, direction: Direction) => {
    const at = zero + Math.round(hours * 3_600) * 1_000;
    steps.push({ at, direction, since: at });
  };
  /** A few minutes outside; the members of a crew leave at different times. */
  const round = (from: number, every: number, slack: number, part: number) => {
    const hours = from + every * (Math.floor(p / 3) % 7) + slack * dice.unit(DRAW.round, p, day * 4 + part);
    add(hours, 'out');
    add(hours + (3 + 5 * dice.unit(DRAW.back, p, day * 4 + part)) / 60, 'in');
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
  if (!attends(dice, person, day)) return steps;
  add(arrivesAt(dice, person, day), 'in');
  if (isWorkday(day)) {
    const out = dice.unit(DRAW.lunch, p, day + 1e6) < 0.9 ? 11.6 : 14.2;
    const lunch = out + dice.unit(DRAW.lunch, p, day);
    add(lunch, 'out');
    add(lunch + (20 + 40 * dice.unit(DRAW.back, p, day)) / 60, 'in');
  }
  add(leavesAt(dice, person, day), 'out');
  return steps;
}

/** Whether a person with office hours comes to work on that day. */
const attends = (dice: SeededRandom, person: Person, day: number): boolean =>
  dice.unit(DRAW.attend, person.index, day) < (isWorkday(day) ? 0.93 : 0.08);

/** Local hour of the first swipe in. */
function arrivesAt(dice: SeededRandom, person: Person, day: number): number {
  const draw = dice.unit(DRAW.arrive, person.index, day);
  if (person.crew !== null) return (person.crew - (day % 3) + 3) % 3 === 2 ? 6.5 + 0.9 * draw : 19 + draw;
  if (!isWorkday(day)) return 9.5 + 2 * draw;
  return 8 + draw + dice.unit(DRAW.arrive, person.index, day + 1e6);
}

/** Local hour of the last swipe out. */
function leavesAt(dice: SeededRandom, person: Person, day: number): number {
  const draw = dice.unit(DRAW.leave, person.index, day);
  if (person.crew !== null) return person.crew === day % 3 ? 7.6 + 1.9 * draw : 20.2 + 1.3 * draw;
  if (!isWorkday(day)) return 13 + 4 * draw;
  return 17 + 1.5 * (draw + dice.unit(DRAW.leave, person.index, day + 1e6));
}

/** A car's steps on that day, in order. Owners drive to six of seven shifts; pool cars make a trip every third day. */
function carDay(plan: Schedule, vehicle: Vehicle, day: number, people: readonly (readonly Step[])[]): Step[] {
  const { random: dice } = plan;
  if (vehicle.owner === null) {
    if (!travels(vehicle, day)) return [];
    const out = tripOut(dice, vehicle, day);
    const back = tripBack(dice, vehicle, day);
    return [
      { at: out, direction: 'out', since: tripBack(dice, vehicle, day - 3) },
      { at: back, direction: 'in', since: back },
    ];
  }
  const owner = plan.peopleByPin.get(vehicle.owner) as Person;
  const own = people[owner.index] ?? [];
  const first = own[0];
  const last = own.at(-1);
  if (!first || !last) return [];
  const steps: Step[] = [];
  const early = isInsideAtDayStart(owner, day);
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

const leaving = (dice: SeededRandom, owner: Person, after: number, day: number, since: number): Step => ({
  at: after + 1_000 * dice.between(120, 480, DRAW.carOut, owner.index, day),
  direction: 'out',
  since,
});

/** Whether the owner drives to the shift that starts on that day. */
const drives = (dice: SeededRandom, owner: Person, day: number): boolean =>
  dice.unit(DRAW.drive, owner.index, day) < 0.86;

/** Arrival of the car: some minutes before its owner's first swipe. */
function carIn(dice: SeededRandom, owner: Person, day: number): number {
  const swipe = midnight(day) + Math.round(arrivesAt(dice, owner, day) * 3_600) * 1_000;
  return swipe - 1_000 * dice.between(90, 420, DRAW.carIn, owner.index, day);
}

const travels = (vehicle: Vehicle, day: number): boolean => (day + vehicle.index) % 3 === 0;
const tripOut = (dice: SeededRandom, vehicle: Vehicle, day: number): number =>
  midnight(day) + 9 * HOUR + 1_000 * dice.integer(6 * 3_600, DRAW.trip, vehicle.index, day);
const tripBack = (dice: SeededRandom, vehicle: Vehicle, day: number): number =>
  tripOut(dice, vehicle, day) + 1_000 * dice.between(2_400, 9_000, DRAW.trip, vehicle.index, day + 1_000_000);

/** Start of the car's stay if it is parked at the start of the day, else null. */
export function parkedSince(plan: Schedule, vehicle: Vehicle, day: number): number | null {
  if (vehicle.owner === null) {
    for (let past = day - 1; ; past--) if (travels(vehicle, past)) return tripBack(plan.random, vehicle, past);
  }
  const owner = plan.peopleByPin.get(vehicle.owner) as Person;
  return isInsideAtDayStart(owner, day) && drives(plan.random, owner, day - 1)
    ? carIn(plan.random, owner, day - 1)
    : null;
}
