/** ZKAccess's rows to our model; pure. The vendor's words end here. */
import { createHash } from 'node:crypto';
import { malformed } from '../kit/errors.ts';
import { parseUscc } from '../kit/identifiers.ts';
import type { Badge, Door, DoorCondition, DoorEvent, Passage, Person, Sighting, Tenant } from './model.ts';

/** A row as any driver gives it: numbers may come as texts, dates are texts. */
export type Row = Readonly<Record<string, unknown>>;

/** What the mapping is lent: how local ids become global ones, and which zone a controller's clock shows. */
export interface Context {
  globalId(local: string): string;
  personId(pin: string): string;
  building(code: string): string | null;
  zone(device: number): string;
}

/** Event codes of the controllers (vendor's manual, real-time event table) that let somebody pass; duress included. */
export const GRANTED = [0, 1, 2, 3, 4, 14, 15, 16, 17, 18, 19, 101, 103, 203] as const;

/** Event codes that refuse, with our words for them. 26 (waiting for a second card) is no refusal. */
const REASONS: Readonly<Record<number, string>> = {
  20: 'too soon after the last try',
  21: 'the door is out of use at this time',
  22: 'not at this time',
  23: 'no right to this door',
  24: 'anti-passback: not out before in',
  25: 'interlock: another door is open',
  27: 'unknown card',
  29: 'the card has expired',
  30: 'wrong code',
  31: 'too soon after the last try',
  33: 'the right has expired',
  34: 'unknown person',
  35: 'the door is out of use at this time',
};
export const DENIED: readonly number[] = Object.keys(REASONS).map(Number);

/** Event codes that tell a door's physical state. */
const CONDITIONS: Readonly<Record<number, DoorCondition>> = {
  28: 'HELD_OPEN',
  37: 'HELD_OPEN',
  102: 'FORCED',
  200: 'OPEN',
  201: 'CLOSED',
};
export const STATE_CODES: readonly number[] = Object.keys(CONDITIONS).map(Number);

/** `event_point_type` of a door; others are auxiliary inputs and the controller itself. */
const DOOR_POINT = 0;

/** A line of acc_monitor_log, with `badge` and (when polled) `uscc` joined to it; null for codes that are no business of the park. */
export function mapLogLine(row: Row, context: Context): DoorEvent | null {
  const code = whole(row, 'event_type');
  const condition = CONDITIONS[code];
  const granted = (GRANTED as readonly number[]).includes(code);
  if (!condition && !granted && REASONS[code] === undefined) return null;
  return {
    foreignId: foreignId(row),
    time: instant(row, context),
    kind: condition ? 'DOOR_STATE_CHANGED' : granted ? 'ACCESS_GRANTED' : 'ACCESS_DENIED',
    door: doorOf(row, context),
    badge: condition ? null : badgeOf(row, context),
    company: condition ? null : companyOf(row),
    reason: REASONS[code] ?? null,
    state: condition ?? null,
  };
}

/** A line that is known to be a try to pass. */
export function mapPassage(row: Row, context: Context): Passage {
  const code = whole(row, 'event_type');
  return {
    id: context.globalId(foreignId(row)),
    time: instant(row, context),
    granted: (GRANTED as readonly number[]).includes(code),
    reason: REASONS[code] ?? null,
    door: doorOf(row, context),
    badge: badgeOf(row, context),
    place: [localTime(row), whole(row, 'id')],
  };
}

/** acc_door with its controller's area. */
export function mapDoor(row: Row, context: Context): Door & { readonly number: number } {
  const number = whole(row, 'id');
  const area = words(row, 'area');
  return {
    number,
    id: context.globalId(`door-${number}`),
    name: words(row, 'door_name') ?? `${number}`,
    building: area === null ? null : context.building(area),
  };
}

/** personnel_issuecard with its holder (USERINFO) and the holder's department. */
export function mapBadge(row: Row, context: Context): Badge {
  const number = whole(row, 'id');
  return {
    id: context.globalId(`badge-${number}`),
    active: whole(row, 'isvalid') === 1 && (words(row, 'cardstatus') ?? '1') === '1',
    company: companyOf(row),
    holder: words(row, 'pin') === null ? null : mapPerson(row, context),
    order: number,
  };
}

/** A row with `pin`, `name` and `uscc`. */
export function mapPerson(row: Row, context: Context): Person {
  const pin = words(row, 'pin');
  if (pin === null) throw malformed('pin is empty');
  return { id: context.personId(pin), name: words(row, 'name'), company: companyOf(row) };
}

/** Somebody's last granted swipe, with the door's area. */
export function mapSighting(row: Row, context: Context): Sighting {
  const area = words(row, 'area');
  return {
    person: mapPerson(row, context),
    time: instant(row, context),
    building: area === null ? null : context.building(area),
  };
}

/** The last line that told a door's state. */
export const mapCondition = (row: Row): DoorCondition => CONDITIONS[whole(row, 'event_type')] ?? 'UNKNOWN';

/** DEPARTMENTS; null for departments that are no company of the park. */
export function mapTenant(row: Row): Tenant | null {
  const uscc = companyOf(row);
  return uscc === null ? null : { uscc, tenantNumber: words(row, 'code') };
}

/** The vendor's own unique key of a line, hashed: the number of a line changes when a controller uploads again. */
export function foreignId(row: Row): string {
  const key = [
    localTime(row),
    ...['pin', 'card_no', 'device_id', 'verified', 'state', 'event_type', 'description', 'event_point_type'].map(
      (name) => String(row[name] ?? ''),
    ),
    String(row['event_point_id'] ?? ''),
  ];
  return createHash('sha256').update(JSON.stringify(key)).digest('base64url');
}

/** A whole number of a row. */
export function whole(row: Row, name: string): number {
  const value = row[name];
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number === 'boolean') return number ? 1 : 0;
  if (typeof number !== 'number' || !Number.isSafeInteger(number)) throw malformed(`${name} is not a whole number`);
  return number;
}

/** A text of a row without padding; null when empty. Numbers of cards and persons stay texts. */
function words(row: Row, name: string): string | null {
  const value = row[name];
  if (value === null || value === undefined) return null;
  if (typeof value !== 'string') throw malformed(`${name} is not a text`);
  return value.trim() === '' ? null : value.trim();
}

const badgeOf = (row: Row, context: Context): string | null =>
  row['badge'] === null || row['badge'] === undefined ? null : context.globalId(`badge-${whole(row, 'badge')}`);

function doorOf(row: Row, context: Context): string | null {
  if (whole(row, 'event_point_type') !== DOOR_POINT) return null;
  const number = whole(row, 'event_point_id');
  return number > 0 ? context.globalId(`door-${number}`) : null;
}

function companyOf(row: Row): string | null {
  const code = words(row, 'uscc');
  return code === null ? null : parseUscc(code);
}

const LOCAL = /^(\d{4})-(\d{2})-(\d{2})[ T](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,7}))?$/;

/** `time` as `2026-03-01 08:05:00`, fractions only where there are any: the same for every driver. */
function localTime(row: Row): string {
  const value = row['time'];
  const parts = typeof value === 'string' ? LOCAL.exec(value) : null;
  if (!parts) throw malformed('time is not a date and time');
  const fraction = (parts[7] ?? '').replace(/0+$/, '');
  return `${parts[1]}-${parts[2]}-${parts[3]} ${parts[4]}:${parts[5]}:${parts[6]}${fraction ? `.${fraction}` : ''}`;
}

const instant = (row: Row, context: Context): Date =>
  instantOf(localTime(row), context.zone(row['device_id'] == null ? 0 : whole(row, 'device_id')));

/** The instant at which clocks of the zone show that time. An hour that comes twice is the first; one that never comes is moved on. */
export function instantOf(local: string, zone: string): Date {
  const wall = Date.parse(`${local.replace(' ', 'T')}Z`);
  if (Number.isNaN(wall)) throw malformed('time is not a date and time');
  // The first guess takes the offset some hours before: near a change of clocks that is the earlier reading.
  const early = wall - offset(zone, wall - 14 * HOUR);
  if (early + offset(zone, early) === wall) return new Date(early);
  const late = wall - offset(zone, wall + 13 * HOUR);
  return new Date(late + offset(zone, late) === wall ? late : early);
}

/** What a clock of the zone shows at that instant, as `2026-03-01 08:05:00` (with milliseconds where there are any). */
export function localOf(time: Date, zone: string): string {
  const shown = new Date(time.getTime() + offset(zone, time.getTime())).toISOString().slice(0, 23);
  return shown.replace('T', ' ').replace(/\.000$/, '');
}

const HOUR = 3_600_000;
const clocks = new Map<string, Intl.DateTimeFormat>();
const offsets = new Map<string, number>();

/** Local time minus UTC in milliseconds. Asked of the platform once per zone and quarter of an hour. */
function offset(zone: string, at: number): number {
  const quarter = Math.floor(at / (HOUR / 4)) * (HOUR / 4);
  const key = `${zone} ${quarter}`;
  const known = offsets.get(key);
  if (known !== undefined) return known;
  let clock = clocks.get(zone);
  if (!clock) {
    clock = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' },
    });
    clocks.set(zone, clock);
  }
  const part = Object.fromEntries(clock.formatToParts(quarter).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  const found = Date.UTC(year, month - 1, day, hour, minute, second) - quarter;
  if (offsets.size > 20_000) offsets.clear();
  offsets.set(key, found);
  return found;
}
