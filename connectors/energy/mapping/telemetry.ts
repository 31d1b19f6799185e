/** MQTT payloads to readings: JSON with the device's own time. */
import { malformed } from '../../kit/errors.ts';
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
const UNITS: Readonly<Record<string, string>> = { kWh: 'kWh', MWh: 'MWh', m3: 'm3', 'm³': 'm3', GJ: 'GJ' };

/** `<prefix>/<gateway>/<serial>/<kind>`. */
export function topic(name: string, prefix: string): { gateway: string; serial: string; kind: string } | null {
  const [gateway, serial, kind, more] = name.startsWith(`${prefix}/`) ? name.slice(prefix.length + 1).split('/') : [];
  return gateway && serial && kind && more === undefined ? { gateway, serial, kind } : null;
}

/** One value, or the stored values of a resend. */
export function readings(serial: string, payload: Buffer): Reading[] {
  const raw = json(payload);
  const all = Array.isArray(raw['values']) ? (raw['values'] as unknown[]) : [raw];
  return all.map((one, i) => {
    const each = one as Raw;
    const where = Array.isArray(raw['values']) ? `values[${i}].` : '';
    return {
      serial,
      time: time(each['ts'], `${where}ts`),
      value: decimal(each['register'], `${where}register`),
      quality: each['estimated'] === true ? 'ESTIMATED' : 'GOOD',
    };
  });
}

/** What the meter says of itself (retained). */
export function info(serial: string, payload: Buffer): MeterInfo {
  const raw = json(payload);
  const medium = MEDIA[String(raw['medium'])];
  const unit = UNITS[String(raw['unit'])];
  if (!medium) throw malformed('medium is not known');
  if (!unit) throw malformed('unit is not known');
  const uscc = raw['uscc'];
  return {
    serial,
    medium,
    unit,
    building: typeof raw['building'] === 'string' ? raw['building'] : null,
    company: typeof uscc === 'string' ? parseUscc(uscc) : null,
    customer: typeof raw['customer'] === 'string' ? raw['customer'] : null,
    modulus: raw['modulus'] == null ? null : decimal(raw['modulus'], 'modulus'),
  };
}

export function alarm(serial: string, payload: Buffer): Alarm {
  const raw = json(payload);
  const text = raw['text'];
  if (typeof text !== 'string') throw malformed('text is no text');
  return { serial, time: time(raw['ts'], 'ts'), text: text.slice(0, 200) };
}

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
  return made;
}

/** Registers come as texts, so that no digit is lost; a number is taken as it prints. */
function decimal(value: unknown, where: string): string {
  const text =
    typeof value === 'string' ? value : typeof value === 'number' && Number.isFinite(value) ? String(value) : '';
  if (!/^\d+(\.\d+)?$/.test(text)) throw malformed(`${where} is no register value`);
  return text.replace(/^0+(?=\d)/, '');
}
