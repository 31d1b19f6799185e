import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isSoleTrader, parsePlate, parseUscc } from '../../../../schema/graph/identifiers.ts';
import {
  createWorld,
  type Moment,
  meterLoad,
  meterRegister,
  parkedStays,
  peopleInside,
  registerEntry,
  type Stay,
  type Swipe,
  scenario,
} from './index.ts';

const HOUR = 3_600_000;
const park = createWorld();
/** Local time of the park. */
const local = (text: string): Date => new Date(`${text}+08:00`);
const plus = (at: Date, milliseconds: number): Date => new Date(at.getTime() + milliseconds);
/** A text that identifies the moment. */
const momentKey = (moment: Moment): string =>
  JSON.stringify(moment, (key, value) =>
    key === 'companies' ? value.map((one: { uscc: string }) => one.uscc) : key === 'load' ? undefined : value,
  );

/** Noon and evening of a workday, the night, the start of the park's day, a weekend. */
const INSTANTS = [
  '2026-11-18T12:07:03',
  '2026-11-18T19:33:20',
  '2026-11-19T03:00:00',
  '2026-11-19T04:00:00',
  '2026-11-21T14:45:10',
  '2026-11-22T23:59:59',
].map(local);

describe('the world of the park', () => {
  test('is the same for the same seed and differs for another seed', () => {
    expect(JSON.stringify(createWorld())).toBe(JSON.stringify(park));
    expect(
      createWorld('elsewhere').people[0]?.name === park.people[0]?.name &&
        createWorld('elsewhere').vehicles[0]?.plate === park.vehicles[0]?.plate,
    ).toBe(false);
  });

  test('has the documented number of each kind of record', () => {
    expect(
      [park.buildings, park.companies, park.people, park.vehicles, park.lots, park.doors, park.meters].map(
        (l) => l.length,
      ),
    ).toEqual([12, 40, 800, 600, 3, 60, 120]);
    expect(park.meters.filter((meter) => meter.protocol === 'modbus')).toHaveLength(60);
    expect(park.companies.reduce((sum, one) => sum + one.headcount, 0)).toBe(800);
    for (const company of park.companies)
      expect(park.people.filter((person) => person.company === company.uscc)).toHaveLength(company.headcount);
    const green = park.vehicles.filter((vehicle) => vehicle.colour === 'green').length;
    expect(green).toBeGreaterThan(150);
    expect(green).toBeLessThan(250);
    expect(park.vehicles.filter((vehicle) => vehicle.colour === 'yellow').length).toBeGreaterThan(3);
  });

  test('has unique credit codes of its region that pass both checks, and no sole trader', () => {
    for (const { uscc } of park.companies) {
      expect(parseUscc(uscc)).toBe(uscc);
      expect(uscc.slice(2, 8)).toBe('500112');
      expect(isSoleTrader(uscc)).toBe(false);
    }
    expect(new Set(park.companies.map((one) => one.uscc)).size).toBe(40);
    expect(new Set(park.companies.map((one) => one.name)).size).toBe(40);
  });

  test('has unique plates that match their colour, and card numbers with leading zeros', () => {
    for (const { plate, colour } of park.vehicles) {
      expect(parsePlate(plate)).toBe(plate);
      expect(plate).toHaveLength(colour === 'green' ? 8 : 7);
    }
    expect(new Set(park.vehicles.map((one) => one.plate)).size).toBe(600);
    expect(new Set(park.people.map((one) => one.cardNo)).size).toBe(800);
    expect(new Set(park.people.map((one) => one.pin)).size).toBe(800);
    for (const { cardNo } of park.people) expect(cardNo).toMatch(/^00\d{8}$/);
  });

  test('has no dangling references, and each lot has more places than permits', () => {
    const buildings = new Set(park.buildings.map((one) => one.id));
    const companies = new Set(park.companies.map((one) => one.uscc));
    for (const person of park.people) {
      expect(companies.has(person.company)).toBe(true);
      if (person.vehicle) expect(park.vehicles.find((one) => one.plate === person.vehicle)?.owner).toBe(person.pin);
    }
    for (const one of [...park.companies, ...park.doors, ...park.meters])
      expect(buildings.has(one.building)).toBe(true);
    for (const lot of park.lots)
      expect(park.vehicles.filter((one) => one.lot === lot.id).length).toBeLessThan(lot.capacity);
  });
});

describe('the scenario of the park', () => {
  test('is deterministic, in order and within the requested range', () => {
    for (const from of INSTANTS) {
      const to = plus(from, HOUR);
      const once = [...scenario(park, from, to)];
      expect([...scenario(createWorld(), from, to)].map(momentKey)).toEqual(once.map(momentKey));
      let last = from.getTime();
      for (const { at } of once) {
        expect(at.getTime()).toBeGreaterThanOrEqual(last);
        expect(at.getTime()).toBeLessThan(to.getTime());
        last = at.getTime();
      }
    }
  });

  test('is additive: two adjacent ranges equal the whole range', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 14 * 86_400 }),
        fc.integer({ min: 0, max: 5_400_000 }),
        fc.integer({ min: 0, max: 5_400_000 }),
        (start, first, second) => {
          const a = plus(local('2026-11-09T00:00:00'), start * 1_000);
          const b = plus(a, first);
          const c = plus(b, second);
          const parts = [...scenario(park, a, b), ...scenario(park, b, c)].map(momentKey);
          expect(parts).toEqual([...scenario(park, a, c)].map(momentKey));
        },
      ),
      { numRuns: 25 },
    );
  });

  test('has events of every kind at any hour', () => {
    for (const from of INSTANTS) {
      const moments = [...scenario(park, from, plus(from, HOUR))];
      const gap = (kinds: string[]): number => {
        let last = from.getTime();
        let widest = 0;
        for (const moment of moments)
          if (kinds.includes(moment.kind)) {
            widest = Math.max(widest, moment.at.getTime() - last);
            last = moment.at.getTime();
          }
        return Math.max(widest, plus(from, HOUR).getTime() - last) / 1_000;
      };
      expect(gap(['swipe'])).toBeLessThanOrEqual(12);
      expect(gap(['enter', 'exit'])).toBeLessThanOrEqual(45);
      expect(gap(['register-change'])).toBeLessThanOrEqual(40);
      expect(gap(['tax-file'])).toBeLessThanOrEqual(45);
      expect(moments.filter((one) => one.kind === 'swipe').length).toBeGreaterThanOrEqual(700);
      expect(moments.filter((one) => one.kind === 'enter' || one.kind === 'exit').length).toBeGreaterThanOrEqual(280);
    }
  });

  test('is consistent: people and cars leave only after they have entered, and no lot overflows', () => {
    const from = local('2026-11-17T09:20:00');
    const people = new Map<string, boolean>(park.people.map((one) => [one.pin, false]));
    for (const list of peopleInside(park, from).values()) for (const person of list) people.set(person.pin, true);
    const stays = new Map<string, Stay>();
    for (const list of parkedStays(park, from).values()) for (const stay of list) stays.set(stay.vehicle.plate, stay);
    const first = plus(from, 1);
    for (const moment of scenario(park, first, plus(from, 5 * 24 * HOUR))) {
      if (moment.kind === 'swipe' && moment.granted) {
        if (people.get(moment.person.pin) !== (moment.direction === 'out'))
          expect.fail(`wrong direction: ${momentKey(moment)}`);
        if (!moment.door.readers.includes(moment.direction)) expect.fail(`${moment.door.id} has no such reader`);
        people.set(moment.person.pin, moment.direction === 'in');
      } else if (moment.kind === 'enter') {
        if (stays.has(moment.vehicle.plate)) expect.fail(`entered twice: ${momentKey(moment)}`);
        stays.set(moment.vehicle.plate, moment);
        const there = [...stays.values()].filter((stay) => stay.lot.id === moment.lot.id).length;
        if (there > moment.lot.capacity) expect.fail(`${moment.lot.id} holds ${there}`);
      } else if (moment.kind === 'exit') {
        const stay = stays.get(moment.vehicle.plate);
        expect(stay && { session: stay.session, since: stay.enteredAt, lot: stay.lot.id }).toEqual({
          session: moment.session,
          since: moment.enteredAt,
          lot: moment.lot.id,
        });
        stays.delete(moment.vehicle.plate);
      }
    }
    const last = plus(from, 5 * 24 * HOUR - 1);
    const now = [...peopleInside(park, last).values()].flat().map((person) => person.pin);
    expect(new Set(now)).toEqual(new Set([...people].filter(([, here]) => here).map(([pin]) => pin)));
    const standing = [...parkedStays(park, last).values()].flat().map((stay) => stay.session);
    expect(new Set(standing)).toEqual(new Set([...stays.values()].map((stay) => stay.session)));
  });

  test('has at least five people in each building and cars of 20 companies at every half hour of a week', () => {
    for (let half = 0; half < 7 * 48; half++) {
      const at = plus(local('2026-11-16T00:00:00'), (half * HOUR) / 2);
      const byBuilding = peopleInside(park, at);
      for (const list of byBuilding.values()) expect(list.length).toBeGreaterThanOrEqual(5);
      const byCompany = new Map<string, number>();
      for (const person of [...byBuilding.values()].flat())
        byCompany.set(person.company, (byCompany.get(person.company) ?? 0) + 1);
      expect([...byCompany.values()].filter((count) => count >= 6).length).toBeGreaterThanOrEqual(24);
      const cars = [...parkedStays(park, at).values()].flat();
      expect(new Set(cars.map((stay) => stay.vehicle.company)).size).toBeGreaterThanOrEqual(20);
    }
  });

  test('extra activity: has a swipe of the same company soon after each car arrives', () => {
    for (const from of INSTANTS) {
      const moments = [...scenario(park, from, plus(from, HOUR))];
      const swipes = moments.filter((one): one is Swipe => one.kind === 'swipe');
      const arrivals = moments.filter(
        (one) => one.kind === 'enter' && one.at.getTime() < plus(from, HOUR / 2).getTime(),
      );
      const followed = arrivals.filter((arrival) => {
        if (arrival.kind !== 'enter') return false;
        const at = arrival.at.getTime();
        return swipes.some(
          (one) =>
            one.person.company === arrival.vehicle.company &&
            one.at.getTime() > at &&
            one.at.getTime() < at + 10 * 60_000,
        );
      });
      expect(arrivals.length).toBeGreaterThan(60);
      expect(followed.length / arrivals.length).toBeGreaterThan(0.95);
    }
  });

  test('has only the office schedule before `liveFrom`, and generates two months quickly', () => {
    const to = local('2026-11-20T09:00:00');
    const quiet = createWorld('lakeside', to);
    const started = performance.now();
    const count: Record<string, number> = {};
    for (const { kind } of scenario(quiet, plus(to, -60 * 24 * HOUR), to)) count[kind] = (count[kind] ?? 0) + 1;
    // Takes two seconds on an idle machine; the limit allows for a busy one.
    expect(performance.now() - started).toBeLessThan(8_000);
    expect(count['swipe']).toBeGreaterThan(110_000);
    expect(count['swipe']).toBeLessThan(150_000);
    expect(count['register-change']).toBe(120);
    expect(count['tax-file']).toBe(180);
    const first = [...scenario(quiet, to, plus(to, 60_000))];
    expect(first.filter((one) => one.kind === 'swipe').length).toBeGreaterThanOrEqual(12);
    expect(first.filter((one) => one.kind === 'enter' || one.kind === 'exit').length).toBeGreaterThanOrEqual(4);
    expect(
      first.filter((one) => one.kind === 'register-change' || one.kind === 'tax-file').length,
    ).toBeGreaterThanOrEqual(2);
  });
});

describe('the register and the meters of the park', () => {
  test('a change contains the new register entry and changes only the fields it names', () => {
    const from = local('2026-11-18T10:00:00');
    for (const moment of scenario(park, from, plus(from, 2 * HOUR))) {
      if (moment.kind !== 'register-change') continue;
      const before = registerEntry(park, moment.company, plus(moment.at, -1));
      const after = registerEntry(park, moment.company, moment.at);
      expect(after).toEqual(moment.facts);
      expect(after.changedAt).toEqual(moment.at);
      for (const field of ['capital', 'scope', 'address', 'legalRepresentative'] as const)
        if (!moment.fields.includes(field)) expect(after[field]).toBe(before[field]);
    }
  });

  test('registers never decrease and grow by the load', () => {
    for (const meter of park.meters) {
      let last = -1;
      for (let minute = 0; minute < 36 * 60; minute += 7) {
        const register = meterRegister(park, meter, plus(local('2026-11-15T13:00:00'), minute * 60_000));
        expect(register).toMatch(meter.decimals === 2 ? /^\d+\.\d{2}$/ : /^\d+\.\d{3}$/);
        expect(Number(register)).toBeGreaterThanOrEqual(last);
        last = Number(register);
      }
      const hour = local('2026-11-18T15:00:00');
      const grown = Number(meterRegister(park, meter, plus(hour, HOUR))) - Number(meterRegister(park, meter, hour));
      expect(Math.abs(grown - meterLoad(park, meter, hour) / 1_000)).toBeLessThan(0.011);
    }
  });

  test('a week adds the load of all its hours', () => {
    const meter = park.meters[7]!;
    const from = local('2026-11-16T00:00:00');
    const grown =
      Number(meterRegister(park, meter, plus(from, 7 * 24 * HOUR))) - Number(meterRegister(park, meter, from));
    expect(grown).toBeCloseTo(meter.load.reduce((sum, one) => sum + one, 0) / 1_000, 1);
  });
});
