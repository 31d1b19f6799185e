/** What changes by the clock alone: the company register, the tax office's files and the meters. All in closed form. */

import { DAY, planOf } from './schedule.ts';
import { ASK } from './seeded-random.ts';
import type { Company, Meter, RegisterChange, RegisterFacts, RegisterField, TaxFile, World } from './types.ts';
import { addressIn, personName, scopeOf } from './world.ts';

const HOUR = 3_600_000;
const LOCAL = 8 * HOUR;
const FIELDS: readonly RegisterField[] = ['capital', 'scope', 'address', 'legalRepresentative'];

/**
 * Register changes come in slots: every 40 s in the demo's cadence, before it two each working day. One slot concerns
 * one company and one field, in turns, so that the last change of a field is found without reading the story.
 */
interface Clock {
  readonly every: number;
  readonly offset: number;
}
const QUICK: Clock = { every: 40_000, offset: 11_000 };
const SLOW: Clock = { every: DAY / 2, offset: 2 * HOUR };
const COMPANIES = 40;
const STEP = 17;

const companyOf = (slot: number): number => (((slot * STEP) % COMPANIES) + COMPANIES) % COMPANIES;
const fieldOf = (slot: number): RegisterField =>
  FIELDS[((Math.floor(slot / COMPANIES) % FIELDS.length) + FIELDS.length) % FIELDS.length] as RegisterField;

/** The last slot at or before `slot` that concerns this company and field. */
function lastSlot(slot: number, company: number, field: RegisterField): number {
  for (let at = slot; ; at--) if (companyOf(at) === company && fieldOf(at) === field) return at;
}

const liveSince = (world: World): number =>
  world.liveFrom === null ? Number.NEGATIVE_INFINITY : world.liveFrom.getTime();

/** Instant of the last change of a field, by both clocks. */
function lastChange(world: World, company: number, field: RegisterField, at: number): number {
  const since = liveSince(world);
  const of = (clock: Clock, until: number) =>
    lastSlot(Math.floor((until - clock.offset) / clock.every), company, field) * clock.every + clock.offset;
  if (at >= since) {
    const quick = of(QUICK, at);
    if (quick >= since) return quick;
  }
  return of(SLOW, Math.min(at, since - 1));
}

/** What the register says of the company at that instant. */
export function registered(world: World, company: Company, at: Date): RegisterFacts {
  const { dice } = planOf(world);
  const times = new Map(FIELDS.map((field) => [field, lastChange(world, company.index, field, at.getTime())]));
  const drawn = (field: RegisterField) => Math.floor((times.get(field) as number) / 1_000);
  const changedAt = new Date(Math.max(...times.values()));
  const home = world.buildings.find((building) => building.id === company.building) as World['buildings'][number];
  const room = (part: number) => dice.between(1, 20, ASK.value, company.index, drawn('address') + part);
  return {
    legalRepresentative: personName(dice, 900_000 + company.index, drawn('legalRepresentative')),
    capital: `${Number(company.capital.slice(0, -3)) + 10_000 * dice.between(0, 500, ASK.value, company.index, drawn('capital'))}.00`,
    scope: `${company.scope}；${scopeOf(dice.whole(4, ASK.value, company.index, drawn('scope')))}`,
    address: addressIn(home, 100 * room(0) + room(1)),
    approvedOn: localDate(changedAt.getTime()),
    changedAt,
  };
}

/** Register changes in [from, to), in order. */
export function registerChanges(world: World, from: number, to: number): RegisterChange[] {
  const since = liveSince(world);
  const { dice } = planOf(world);
  const quick = slots(QUICK, Math.max(from, since), to);
  const slow = slots(SLOW, from, Math.min(to, since));
  return [...slow, ...quick].map(([slot, at]) => {
    const company = world.companies[companyOf(slot)] as Company;
    const filed = dice.unit(ASK.change, slot) < 0.35;
    return {
      at: new Date(at),
      kind: 'register-change',
      company,
      fields: [fieldOf(slot)],
      facts: registered(world, company, new Date(at)),
      case: filed ? `C${localDate(at).replaceAll('-', '')}-${Math.floor(at / 1_000) % 86_400}` : null,
    };
  });
}

const FILES: Clock = { every: 45_000, offset: 23_000 };
/** At 2:10 local. */
const NIGHTLY: Clock = { every: DAY, offset: 2 * HOUR + 600_000 - LOCAL };
const NATURES: readonly TaxFile['nature'][] = ['filings', 'invoices', 'accounts'];

/** Deliveries of the tax office in [from, to): a full one of each nature every night, and small ones in the demo's cadence. */
export function taxFiles(world: World, from: number, to: number): TaxFile[] {
  const { dice } = planOf(world);
  const nightly = slots(NIGHTLY, from - 120_000, to).flatMap(([, at]) =>
    NATURES.map((nature, i) => fileOf(at + i * 60_000, nature, world.companies)),
  );
  const quick = slots(FILES, Math.max(from, liveSince(world)), to).map(([slot, at]) => {
    const first = dice.whole(COMPANIES, ASK.file, slot);
    const companies = Array.from({ length: 5 }, (_, i) => world.companies[(first + i * 7) % COMPANIES] as Company);
    return fileOf(at, dice.pick(NATURES, ASK.file, slot, 1), companies);
  });
  return [...nightly, ...quick].filter((file) => file.at.getTime() >= from && file.at.getTime() < to);
}

function fileOf(at: number, nature: TaxFile['nature'], companies: readonly Company[]): TaxFile {
  const local = new Date(at + LOCAL);
  const before = new Date(Date.UTC(local.getUTCFullYear(), local.getUTCMonth() - 1, 1));
  return {
    at: new Date(at),
    kind: 'tax-file',
    number: Math.floor(at / 1_000),
    nature,
    period: before.toISOString().slice(0, 7),
    companies,
  };
}

/** The clock's slots in [from, to) with their instants. */
function slots(clock: Clock, from: number, to: number): [number, number][] {
  const found: [number, number][] = [];
  for (let slot = Math.ceil((from - clock.offset) / clock.every); slot * clock.every + clock.offset < to; slot++)
    found.push([slot, slot * clock.every + clock.offset]);
  return found;
}

const localDate = (at: number): string => new Date(at + LOCAL).toISOString().slice(0, 10);

/** Monday 1 January 2024, 0:00 local. */
const METER_ZERO = Date.UTC(2024, 0, 1) - LOCAL;
const WEEK = 7 * DAY;

/** The load of the hour to which the instant belongs, in thousandths of the unit per hour (electricity: watts). */
export function meterLoad(world: World, meter: Meter, at: Date): number {
  const hour = Math.floor((at.getTime() - METER_ZERO) / HOUR);
  const place = ((hour % 168) + 168) % 168;
  return (meter.load[place] ?? 0) + shift(world, meter, hour, place);
}

/** Days differ: of each pair of hours one gives a share of its load to the other, so that the pair's sum stays. */
function shift(world: World, meter: Meter, hour: number, place: number): number {
  const even = place - (place % 2);
  const least = Math.min(meter.load[even] ?? 0, meter.load[even + 1] ?? 0);
  const share = Math.round(
    least * (planOf(world).dice.unit(ASK.load, meter.index + 1_000, Math.floor(hour / 2)) - 0.5) * 0.6,
  );
  return place % 2 === 0 ? share : -share;
}

/**
 * The cumulative register, such as `81234.56`: the integral of the load since 2024, exact, never falling. Before 2024 it
 * stands at its base.
 */
export function meterRegister(world: World, meter: Meter, at: Date): string {
  const passed = Math.max(0, at.getTime() - METER_ZERO);
  const weeks = Math.floor(passed / WEEK);
  const hour = Math.floor(passed / HOUR);
  const place = hour % 168;
  let milli = meter.baseRegister * 1_000;
  const even = place - (place % 2);
  for (let i = 0; i < 168; i++) milli += (meter.load[i] ?? 0) * (weeks + (i < even ? 1 : 0));
  if (place % 2 === 1) milli += meterLoad(world, meter, new Date(METER_ZERO + (hour - 1) * HOUR));
  milli += Math.floor((meterLoad(world, meter, at) * (passed % HOUR)) / HOUR);
  const digits = String(milli).padStart(4, '0');
  return `${digits.slice(0, -3)}.${digits.slice(-3).slice(0, meter.decimals)}`;
}
