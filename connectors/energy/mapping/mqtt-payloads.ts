/** Parses MQTT payloads: JSON with the device's own time. */

import { parseUscc } from '../../../schema/graph/identifiers.ts';
import { malformed, SourceError } from '../../kit/errors.ts';
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
/** Earlier times mean that the device's clock was never set. */
const EARLIEST = Date.UTC(2000, 0, 1);

/** Parses `<prefix>/<gateway>/<serial>/<kind>`; null for any other topic. */
export function parseTopic(name: string, prefix: string): { gateway: string; serial: string; kind: string } | null {
  const [gateway, serial, kind, more] = name.startsWith(`${prefix}/`) ? name.slice(prefix.length + 1).split('/') : [];
  return gateway && serial && kind && more === undefined ? { gateway, serial, kind } : null;
}

/** Valid readings of a message, and the reasons why its other values are rejected. */
export interface ParsedReadings {
  readonly readings: readonly Reading[];
  readonly refused: readonly string[];
}

/** Parses one reading, or the `values` of a resend, each of which is accepted or rejected separately. */
export function parseReadings(serial: string, payload: Buffer): ParsedReadings {
  const raw = parseJson(payload);
  const stored = raw['values'];
  if (stored === undefined) return { readings: [parseReading(serial, raw, '')], refused: [] };
  if (!Array.isArray(stored)) throw malformed('values is not a list');
  const good: Reading[] = [];
  const refused: string[] = [];
  for (const [i, one] of (stored as unknown[]).entries()) {
    try {
      good.push(parseReading(serial, one, `values[${i}]`));
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      refused.push(error.detail);
    }
  }
  return { readings: good, refused };
}

function parseReading(serial: string, one: unknown, place: string): Reading {
  if (typeof one !== 'object' || one === null) throw malformed(`${place || 'the payload'} is not an object`);
  const raw = one as Raw;
  const name = (field: string) => (place ? `${place}.${field}` : field);
  const estimated = raw['estimated'] ?? false;
  if (typeof estimated !== 'boolean') throw malformed(`${name('estimated')} is not a boolean`);
  return {
    serial,
    time: parseTime(raw['ts'], name('ts')),
    value: parseDecimal(raw['register'], name('register')),
    quality: estimated ? 'ESTIMATED' : 'GOOD',
    ...(raw['revision'] === undefined ? {} : { revision: parseRevision(raw['revision'], name('revision')) }),
  };
}

/** Meters number their corrections of a value from 1. */
function parseRevision(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 0x7fff_ffff)
    throw malformed(`${where} is not a correction number`);
  return value;
}

/** Fields that `info` may omit, with the property of the stored meter. */
const OPTIONAL_FIELDS = { uscc: 'company', building: 'building', modulus: 'modulus' } as const;

/**
 * Parses the meter's description of itself (a retained message). Null removes a stored value. A field that is missing although a value
 * is stored (`before`) is an error: it was probably renamed, which must not remove the stored value.
 */
export function parseMeterInfo(
  serial: string,
  payload: Buffer,
  before: Partial<Record<'company' | 'building' | 'modulus', string | null>> = {},
): MeterInfo {
  const raw = parseJson(payload);
  for (const [name, property] of Object.entries(OPTIONAL_FIELDS))
    if (before[property] != null && !Object.hasOwn(raw, name)) throw malformed(`${name} is missing`);
  const medium = lookUp(MEDIA, raw['medium']);
  const unit = lookUp(UNITS, raw['unit']);
  if (!medium) throw malformed('medium is unknown');
  if (!unit) throw malformed('unit is unknown');
  const uscc = raw['uscc'] ?? null;
  const company = typeof uscc === 'string' ? parseUscc(uscc) : null;
  if (uscc !== null && company === null) throw malformed('uscc is not a valid credit code');
  return {
    serial,
    medium,
    unit,
    building: optionalText(raw['building'], 'building'),
    company,
    customer: optionalText(raw['customer'], 'customer'),
    modulus: raw['modulus'] == null ? null : parseDecimal(raw['modulus'], 'modulus'),
  };
}

/** Parses an alarm; its text is cut to 200 characters. */
export function parseAlarm(serial: string, payload: Buffer): Alarm {
  const raw = parseJson(payload);
  const text = raw['text'];
  if (typeof text !== 'string') throw malformed('text is not a string');
  return { serial, time: parseTime(raw['ts'], 'ts'), text: text.slice(0, 200) };
}

/** A string, or null when the value is missing or null. Throws SOURCE_MALFORMED for other types. */
function optionalText(value: unknown, where: string): string | null {
  if (value == null) return null;
  if (typeof value !== 'string') throw malformed(`${where} is not a string`);
  return value;
}

const lookUp = <T>(table: Readonly<Record<string, T>>, word: unknown): T | undefined =>
  typeof word === 'string' && Object.hasOwn(table, word) ? table[word] : undefined;

function parseJson(payload: Buffer): Raw {
  let raw: unknown;
  try {
    raw = JSON.parse(payload.toString('utf8'));
  } catch (error) {
    throw malformed('the payload is not JSON', error);
  }
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw malformed('the payload is not an object');
  return raw as Raw;
}

function parseTime(value: unknown, where: string): Date {
  const made =
    typeof value === 'string' && /(Z|[+-]\d\d:\d\d)$/.test(value)
      ? new Date(value)
      : typeof value === 'number'
        ? new Date(value)
        : null;
  if (made === null || Number.isNaN(made.getTime())) throw malformed(`${where} is not a time with a zone`);
  if (made.getTime() < EARLIEST) throw malformed(`${where} lies before 2000: the device's clock is not set`);
  return made;
}

/** Register values are strings, so that no digit is lost; a number is converted with `String`. */
function parseDecimal(value: unknown, where: string): string {
  const text =
    typeof value === 'string' ? value : typeof value === 'number' && Number.isFinite(value) ? String(value) : '';
  if (!/^\d{1,18}(\.\d{1,9})?$/.test(text)) throw malformed(`${where} is not a valid register value`);
  return text.replace(/^0+(?=\d)/, '');
}
