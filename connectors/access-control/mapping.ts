/** Maps ZKAccess rows to the model. Pure; vendor terms are used in this file, the SQL statements and the simulator only. */
import { createHash } from 'node:crypto';
import { parseUscc } from '../../schema/graph/identifiers.ts';
import { malformed } from '../kit/errors.ts';
import type { AccessAttempt, Badge, Door, DoorCondition, DoorEvent, Occupant, Person, Tenant } from './model.ts';

/** A row as any of the drivers returns it: numbers may be strings, dates are strings. */
export type Row = Readonly<Record<string, unknown>>;

/** Functions of the installation that the mapping needs. */
export interface MappingContext {
  globalId(local: string): string;
  personId(pin: string): string;
  building(code: string): string | null;
  zone(device: number): string;
}

/** Event codes of granted access, duress codes included (vendor's manual, real-time event table). */
export const GRANTED_CODES = [0, 1, 2, 3, 4, 14, 15, 16, 17, 18, 19, 101, 103, 203] as const;

/** Reasons by event code of denied access. Code 26 (waiting for a second card) is not a denial. */
const DENIAL_REASONS: Readonly<Record<number, string>> = {
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
export const DENIED_CODES: readonly number[] = Object.keys(DENIAL_REASONS).map(Number);

/** Physical door state by event code. */
const CONDITIONS: Readonly<Record<number, DoorCondition>> = {
  28: 'HELD_OPEN',
  37: 'HELD_OPEN',
  102: 'FORCED',
  200: 'OPEN',
  201: 'CLOSED',
};
export const STATE_CODES: readonly number[] = Object.keys(CONDITIONS).map(Number);

/** `event_point_type` of a door; other values are auxiliary inputs and the controller itself. */
const DOOR_POINT = 0;

/** Maps a line of acc_monitor_log joined with `badge` and (in polls) `uscc`. Returns null for event codes that the hub does not use. */
export function mapLogLine(row: Row, context: MappingContext): DoorEvent | null {
  const code = integer(row, 'event_type');
  const condition = CONDITIONS[code];
  const granted = (GRANTED_CODES as readonly number[]).includes(code);
  if (!condition && !granted && DENIAL_REASONS[code] === undefined) return null;
  return {
    foreignId: foreignId(row),
    time: instant(row, context),
    kind: condition ? 'DOOR_STATE_CHANGED' : granted ? 'ACCESS_GRANTED' : 'ACCESS_DENIED',
    door: doorId(row, context),
    badge: condition ? null : badgeId(row, context),
    company: condition ? null : companyCode(row),
    reason: DENIAL_REASONS[code] ?? null,
    state: condition ?? null,
  };
}

/** Maps a line whose event code is known to be an access attempt. */
export function mapAttempt(row: Row, context: MappingContext): AccessAttempt {
  const code = integer(row, 'event_type');
  return {
    id: context.globalId(foreignId(row)),
    time: instant(row, context),
    granted: (GRANTED_CODES as readonly number[]).includes(code),
    reason: DENIAL_REASONS[code] ?? null,
    door: doorId(row, context),
    badge: badgeId(row, context),
    position: [localTime(row), integer(row, 'id')],
  };
}

/** Maps a row of acc_door joined with its controller's area. */
export function mapDoor(row: Row, context: MappingContext): Door & { readonly number: number } {
  const number = integer(row, 'id');
  const area = optionalText(row, 'area');
  return {
    number,
    id: context.globalId(`door-${number}`),
    name: optionalText(row, 'door_name') ?? `${number}`,
    building: area === null ? null : context.building(area),
  };
}

/** Maps a row of personnel_issuecard joined with its holder (USERINFO) and the holder's department. */
export function mapBadge(row: Row, context: MappingContext): Badge {
  const number = integer(row, 'id');
  return {
    id: context.globalId(`badge-${number}`),
    active: integer(row, 'isvalid') === 1 && (optionalText(row, 'cardstatus') ?? '1') === '1',
    company: companyCode(row),
    holder: optionalText(row, 'pin') === null ? null : mapPerson(row, context),
    order: number,
  };
}

/** Maps a row with `pin`, `name` and `uscc`. Throws SOURCE_MALFORMED when `pin` is empty. */
export function mapPerson(row: Row, context: MappingContext): Person {
  const pin = optionalText(row, 'pin');
  if (pin === null) throw malformed('pin is empty');
  return { id: context.personId(pin), name: optionalText(row, 'name'), company: companyCode(row) };
}

/** Maps a person's last granted swipe, joined with the door's area. */
export function mapOccupant(row: Row, context: MappingContext): Occupant {
  const area = optionalText(row, 'area');
  return {
    person: mapPerson(row, context),
    time: instant(row, context),
    building: area === null ? null : context.building(area),
  };
}

/** Maps the last log line that reported a door's state. */
export const mapCondition = (row: Row): DoorCondition => CONDITIONS[integer(row, 'event_type')] ?? 'UNKNOWN';

/** Maps a row of DEPARTMENTS. Returns null for departments without a valid credit code. */
export function mapTenant(row: Row): Tenant | null {
  const uscc = companyCode(row);
  return uscc === null ? null : { uscc, tenantNumber: optionalText(row, 'code') };
}

/** Hash of the vendor's own unique key of a line. The line number cannot be used: it changes when a controller uploads again. */
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

/** An integer column of a row. Throws SOURCE_MALFORMED for any other value. */
export function integer(row: Row, name: string): number {
  const value = row[name];
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number === 'boolean') return number ? 1 : 0;
  if (typeof number !== 'number' || !Number.isSafeInteger(number)) throw malformed(`${name} is not an integer`);
  return number;
}

/** A trimmed text column of a row; null when empty. Card numbers and pins are texts. */
function optionalText(row: Row, name: string): string | null {
  const value = row[name];
  if (value === null || value === undefined) return null;
  if (typeof value !== 'string') throw malformed(`${name} is not a string`);
  return value.trim() === '' ? null : value.trim();
}

const badgeId = (row: Row, context: MappingContext): string | null =>
  row['badge'] === null || row['badge'] === undefined ? null : context.globalId(`badge-${integer(row, 'badge')}`);

function doorId(row: Row, context: MappingContext): string | null {
  if (integer(row, 'event_point_type') !== DOOR_POINT) return null;
  const number = integer(row, 'event_point_id');
  return number > 0 ? context.globalId(`door-${number}`) : null;
}

function companyCode(row: Row): string | null {
  const code = optionalText(row, 'uscc');
  return code === null ? null : parseUscc(code);
}

const LOCAL = /^(\d{4})-(\d{2})-(\d{2})[ T](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,7}))?$/;

/** `time` as `2026-03-01 08:05:00`, with fractions only if there are any, in the same form for every driver. */
function localTime(row: Row): string {
  const value = row['time'];
  const parts = typeof value === 'string' ? LOCAL.exec(value) : null;
  if (!parts) throw malformed('time is not a date and time');
  const fraction = (parts[7] ?? '').replace(/0+$/, '');
  return `${parts[1]}-${parts[2]}-${parts[3]} ${parts[4]}:${parts[5]}:${parts[6]}${fraction ? `.${fraction}` : ''}`;
}

const instant = (row: Row, context: MappingContext): Date =>
  localToInstant(localTime(row), context.zone(row['device_id'] == null ? 0 : integer(row, 'device_id')));

/**
 * The instant of a local time in the zone. A time that occurs twice (clocks set back) is its first occurrence; one that does not
 * exist (clocks set forward) is moved forward. Throws SOURCE_MALFORMED when `local` is not a date and time.
 */
export function localToInstant(local: string, zone: string): Date {
  const wall = Date.parse(`${local.replace(' ', 'T')}Z`);
  if (Number.isNaN(wall)) throw malformed('time is not a date and time');
  // The first guess uses the offset some hours earlier; near a clock change that gives the first occurrence.
  const early = wall - offset(zone, wall - 14 * HOUR);
  if (early + offset(zone, early) === wall) return new Date(early);
  const late = wall - offset(zone, wall + 13 * HOUR);
  return new Date(late + offset(zone, late) === wall ? late : early);
}

/** Local time in the zone at that instant, as `2026-03-01 08:05:00` (with milliseconds if there are any). */
export function instantToLocal(time: Date, zone: string): string {
  const local = new Date(time.getTime() + offset(zone, time.getTime())).toISOString().slice(0, 23);
  return local.replace('T', ' ').replace(/\.000$/, '');
}

const HOUR = 3_600_000;
const formatters = new Map<string, Intl.DateTimeFormat>();
const offsets = new Map<string, number>();

/** Local time minus UTC, in milliseconds. Cached per zone and quarter of an hour. */
function offset(zone: string, at: number): number {
  const quarter = Math.floor(at / (HOUR / 4)) * (HOUR / 4);
  const key = `${zone} ${quarter}`;
  const cached = offsets.get(key);
  if (cached !== undefined) return cached;
  let clock = formatters.get(zone);
  if (!clock) {
    clock = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' },
    });
    formatters.set(zone, clock);
  }
  const part = Object.fromEntries(clock.formatToParts(quarter).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  const computed = Date.UTC(year, month - 1, day, hour, minute, second) - quarter;
  if (offsets.size > 20_000) offsets.clear();
  offsets.set(key, computed);
  return computed;
}
