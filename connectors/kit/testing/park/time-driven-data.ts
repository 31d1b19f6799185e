/** Data that depends only on the time: register entries, tax files and meter values. Computed in closed form. */

import { DAY, scheduleOf } from './schedule.ts';
import { DRAW } from './seeded-random.ts';
import type { Company, Meter, RegisterChange, RegisterFacts, RegisterField, TaxFile, World } from './types.ts';
import { addressIn, personName, scopeOf } from './world.ts';

const HOUR = 3_600_000;
const LOCAL = 8 * HOUR;
const FIELDS: readonly RegisterField[] = ['capital', 'scope', 'address', 'legalRepresentative'];

/**
 * Register changes occur in slots: every 40 s from `liveFrom` on, two a day before. A slot changes one field of one company, in
 * turn, so that the last change of a field is found without iterating over the scenario.
 */
interface SlotClock {
  readonly every: number;
  readonly offset: number;
}
const LIVE_CHANGES: SlotClock = { every: 40_000, offset: 11_000 };
const OFFICE_CHANGES: SlotClock = { every: DAY / 2, offset: 2 * HOUR };
const COMPANIES = 40;
const STEP = 17;

const companyOf = (slot: number): number => (((slot * STEP) % COMPANIES) + COMPANIES) % COMPANIES;
const fieldOf = (slot: number): RegisterField =>
  FIELDS[((Math.floor(slot / COMPANIES) % FIELDS.length) + FIELDS.length) % FIELDS.length] as RegisterField;

/** The last slot at or before `slot` that changes this field of this company. */
function lastSlot(slot: number, company: number, field: RegisterField): number {
  for (let at = slot; ; at--) if (companyOf(at) === company && fieldOf(at) === field) return at;
}

const liveSince = (world: World): number =>
  world.liveFrom === null ? Number.NEGATIVE_INFINITY : world.liveFrom.getTime();

/** Time of the last change of a field, in milliseconds since the epoch. */
function lastChange(world: World, company: number, field: RegisterField, at: number): number {
  const since = liveSince(world);
  const of = (clock: SlotClock, until: number) =>
    lastSlot(Math.floor((until - clock.offset) / clock.every), company, field) * clock.every + clock.offset;
  if (at >= since) {
    const quick = of(LIVE_CHANGES, at);
    if (quick >= since) return quick;
  }
  return of(OFFICE_CHANGES, Math.min(at, since - 1));
}

/** The company's register entry at that instant. */
export function registerEntry(world: World, company: Company, at: Date): RegisterFacts {
  const { random: dice } = scheduleOf(world);
  const times = new Map(FIELDS.map((field) => [field, lastChange(world, company.index, field, at.getTime())]));
  const key = (field: RegisterField) => Math.floor((times.get(field) as number) / 1_000);
  const changedAt = new Date(Math.max(...times.values()));
  const home = world.buildings.find((building) => building.id === company.building) as World['buildings'][number];
  const room = (part: number) => dice.between(1, 20, DRAW.value, company.index, key('address') + part);
  return {
    legalRepresentative: personName(dice, 900_000 + company.index, key('legalRepresentative')),
    capital: `${Number(company.capital.slice(0, -3)) + 10_000 * dice.between(0, 500, DRAW.value, company.index, key('capital'))}.00`,
    scope: `${company.scope}；${scopeOf(dice.integer(4, DRAW.value, company.index, key('scope')))}`,
    address: addressIn(home, 100 * room(0) + room(1)),
    approvedOn: localDate(changedAt.getTime()),
    changedAt,
  };
}

/** Register changes in [from, to), in order. */
export function registerChanges(world: World, from: number, to: number): RegisterChange[] {
  const since = liveSince(world);
  const { random: dice } = scheduleOf(world);
  const quick = slots(LIVE_CHANGES, Math.max(from, since), to);
  const slow = slots(OFFICE_CHANGES, from, Math.min(to, since));
  return [...slow, ...quick].map(([slot, at]) => {
    const company = world.companies[companyOf(slot)] as Company;
    const filed = dice.unit(DRAW.change, slot) < 0.35;
    return {
      at: new Date(at),
      kind: 'register-change',
      company,
      fields: [fieldOf(slot)],
      facts: registerEntry(world, company, new Date(at)),
      case: filed ? `C${localDate(at).replaceAll('-', '')}-${Math.floor(at / 1_000) % 86_400}` : null,
    };
  });
}

const LIVE_FILES: SlotClock = { every: 45_000, offset: 23_000 };
/** Daily at 2:10 local time. */
const NIGHTLY_FILES: SlotClock = { every: DAY, offset: 2 * HOUR + 600_000 - LOCAL };
const FILE_KINDS: readonly TaxFile['nature'][] = ['filings', 'invoices', 'accounts'];

/** Deliveries of the tax office in [from, to): a full file of each kind every night, and small files every 45 s from `liveFrom` on. */
export function taxFiles(world: World, from: number, to: number): TaxFile[] {
  const { random: dice } = scheduleOf(world);
  const nightly = slots(NIGHTLY_FILES, from - 120_000, to).flatMap(([, at]) =>
    FILE_KINDS.map((nature, i) => taxFile(at + i * 60_000, nature, world.companies)),
  );
  const quick = slots(LIVE_FILES, Math.max(from, liveSince(world)), to).map(([slot, at]) => {
    const first = dice.integer(COMPANIES, DRAW.file, slot);
    const companies = Array.from({ length: 5 }, (_, i) => world.companies[(first + i * 7) % COMPANIES] as Company);
    return taxFile(at, dice.pick(FILE_KINDS, DRAW.file, slot, 1), companies);
  });
  return [...nightly, ...quick].filter((file) => file.at.getTime() >= from && file.at.getTime() < to);
}

function taxFile(at: number, nature: TaxFile['nature'], companies: readonly Company[]): TaxFile {
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

/** Slots in [from, to) with their times in milliseconds. */
function slots(clock: SlotClock, from: number, to: number): [number, number][] {
  const found: [number, number][] = [];
  for (let slot = Math.ceil((from - clock.offset) / clock.every); slot * clock.every + clock.offset < to; slot++)
    found.push([slot, slot * clock.every + clock.offset]);
  return found;
}

const localDate = (at: number): string => new Date(at + LOCAL).toISOString().slice(0, 10);

/** Monday 1 January 2024, 0:00 local time. */
const METER_EPOCH = Date.UTC(2024, 0, 1) - LOCAL;
const WEEK = 7 * DAY;

/** Load in the hour of the given instant, in thousandths of the unit per hour (electricity: watts). */
export function meterLoad(world: World, meter: Meter, at: Date): number {
  const hour = Math.floor((at.getTime() - METER_EPOCH) / HOUR);
  const place = ((hour % 168) + 168) % 168;
  return (meter.load[place] ?? 0) + loadShift(world, meter, hour, place);
}

/** Varies the load by day: moves a share of the load between the two hours of a pair, so that the pair's sum stays the same. */
function loadShift(world: World, meter: Meter, hour: number, place: number): number {
  const even = place - (place % 2);
  const least = Math.min(meter.load[even] ?? 0, meter.load[even + 1] ?? 0);
  const share = Math.round(
    least * (scheduleOf(world).random.unit(DRAW.load, meter.index + 1_000, Math.floor(hour / 2)) - 0.5) * 0.6,
  );
  return place % 2 === 0 ? share : -share;
}

/**
 * The cumulative register value, such as `81234.56`: base value plus the exact integral of the load since 2024. Never decreases;
 * before 2024 it equals the base value.
 */
export function meterRegister(world: World, meter: Meter, at: Date): string {
  const elapsed = Math.max(0, at.getTime() - METER_EPOCH);
  const weeks = Math.floor(elapsed / WEEK);
  const hour = Math.floor(elapsed / HOUR);
  const place = hour % 168;
  let milli = meter.baseRegister * 1_000;
  const even = place - (place % 2);
  for (let i = 0; i < 168; i++) milli += (meter.load[i] ?? 0) * (weeks + (i < even ? 1 : 0));
  if (place % 2 === 1) milli += meterLoad(world, meter, new Date(METER_EPOCH + (hour - 1) * HOUR));
  milli += Math.floor((meterLoad(world, meter, at) * (elapsed % HOUR)) / HOUR);
  const digits = String(milli).padStart(4, '0');
  return `${digits.slice(0, -3)}.${digits.slice(-3).slice(0, meter.decimals)}`;
}
