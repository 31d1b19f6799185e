/** MQTT payloads to readings: JSON with the device's own time. */
import { malformed, SourceError } from '../../kit/errors.ts';
import { parseUscc } from '../../kit/identifiers.ts';
import type { Alarm, Medium, MeterInfo, Reading } from '../model.ts';

type Raw = Readonly<Record<string, unknown>>;
const MEDIA: Readonly<Record<string, Medium>> = {
  electricity: 'ELECTRICITY',
  water: 'WATER',
  heat: 'HEAT',
  cooling: 'COOLING',
  gas: 'GAS',
};
const UNITS: Readonly<Record<string, string>> = {
  Wh: 'Wh',
  kWh: 'kWh',
  MWh: 'MWh',
  MJ: 'MJ',
  GJ: 'GJ',
  L: 'L',
  l: 'L',
  m3: 'm3',
  'm³': 'm3',
};
/** A device whose clock has never been set says 1970. */
const EARLIEST = Date.UTC(2000, 0, 1);

/** `<prefix>/<gateway>/<serial>/<kind>`. */
export function topic(name: string, prefix: string): { gateway: string; serial: string; kind: string } | null {
  const [gateway, serial, kind, more] = name.startsWith(`${prefix}/`) ? name.slice(prefix.length + 1).split('/') : [];
  return gateway && serial && kind && more === undefined ? { gateway, serial, kind } : null;
}

/** What one message said: the values that can be understood, and why the others cannot. */
export interface Told {
  readonly readings: readonly Reading[];
  readonly refused: readonly string[];
}

/** One value, or the stored `values` of a resend, of which each stands or falls by itself. */
export function readings(serial: string, payload: Buffer): Told {
  const raw = json(payload);
  const stored = raw['values'];
  if (stored === undefined) return { readings: [reading(serial, raw, '')], refused: [] };
  if (!Array.isArray(stored)) throw malformed('values is no list');
  const good: Reading[] = [];
  const refused: string[] = [];
  for (const [i, one] of (stored as unknown[]).entries()) {
    try {
      good.push(reading(serial, one, `values[${i}]`));
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      refused.push(error.detail);
    }
  }
  return { readings: good, refused };
}

function reading(serial: string, one: unknown, place: string): Reading {
  if (typeof one !== 'object' || one === null) throw malformed(`${place || 'the payload'} is no object`);
  const raw = one as Raw;
  const name = (field: string) => (place ? `${place}.${field}` : field);
  const estimated = raw['estimated'] ?? false;
  if (typeof estimated !== 'boolean') throw malformed(`${name('estimated')} is neither true nor false`);
  return {
    serial,
    time: time(raw['ts'], name('ts')),
    value: decimal(raw['register'], name('register')),
    quality: estimated ? 'ESTIMATED' : 'GOOD',
    ...(raw['revision'] === undefined ? {} : { revision: revision(raw['revision'], name('revision')) }),
  };
}

/** Meters count their corrections of one value from 1. */
function revision(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 0x7fff_ffff)
    throw malformed(`${where} is no number of a correction`);
  return value;
}

/** What a meter may leave out of its info, and what is known by it. */
const OPTIONAL = { uscc: 'company', building: 'building', modulus: 'modulus' } as const;

/**
 * What the meter says of itself (retained). It may say null of what it no longer has; what is `known` of it and not named any more has
 * been renamed or forgotten by who writes the payloads, and is no reason to forget it here.
 */
export function info(
  serial: string,
  payload: Buffer,
  before: Partial<Record<'company' | 'building' | 'modulus', string | null>> = {},
): MeterInfo {
  const raw = json(payload);
  for (const [name, as] of Object.entries(OPTIONAL))
    if (before[as] != null && !Object.hasOwn(raw, name)) throw malformed(`${name} is gone`);
  const medium = known(MEDIA, raw['medium']);
  const unit = known(UNITS, raw['unit']);
  if (!medium) throw malformed('medium is not known');
  if (!unit) throw malformed('unit is not known');
  const uscc = raw['uscc'] ?? null;
  const company = typeof uscc === 'string' ? parseUscc(uscc) : null;
  if (uscc !== null && company === null) throw malformed('uscc is no credit code');
  return {
    serial,
    medium,
    unit,
    building: text(raw['building'], 'building'),
    company,
    customer: text(raw['customer'], 'customer'),
    modulus: raw['modulus'] == null ? null : decimal(raw['modulus'], 'modulus'),
  };
}

/** The meter complains. */
export function alarm(serial: string, payload: Buffer): Alarm {
  const raw = json(payload);
  const text = raw['text'];
  if (typeof text !== 'string') throw malformed('text is no text');
  return { serial, time: time(raw['ts'], 'ts'), text: text.slice(0, 200) };
}

/** A text, or none: what has become something else is not taken for none. */
function text(value: unknown, where: string): string | null {
  if (value == null) return null;
  if (typeof value !== 'string') throw malformed(`${where} is no text`);
  return value;
}

const known = <T>(table: Readonly<Record<string, T>>, word: unknown): T | undefined =>
  typeof word === 'string' && Object.hasOwn(table, word) ? table[word] : undefined;

function json(payload: Buffer): Raw {
  let raw: unknown;
  try {
    raw = JSON.parse(payload.toString('utf8'));
  } catch (error) {
    throw malformed('the payload is not JSON', error);
  }
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw malformed('the payload is no object');
  return raw as Raw;
}

function time(value: unknown, where: string): Date {
  const made =
    typeof value === 'string' && /(Z|[+-]\d\d:\d\d)$/.test(value)
      ? new Date(value)
      : typeof value === 'number'
        ? new Date(value)
        : null;
  if (made === null || Number.isNaN(made.getTime())) throw malformed(`${where} is no time with its zone`);
  if (made.getTime() < EARLIEST) throw malformed(`${where} lies before 2000: the device's clock is not set`);
  return made;
}

/** Registers come as texts, so that no digit is lost; a number is taken as it prints. */
function decimal(value: unknown, where: string): string {
  const text =
    typeof value === 'string' ? value : typeof value === 'number' && Number.isFinite(value) ? String(value) : '';
  if (!/^\d{1,18}(\.\d{1,9})?$/.test(text)) throw malformed(`${where} is no register value`);
  return text.replace(/^0+(?=\d)/, '');
}
