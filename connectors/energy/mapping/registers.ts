/** Meter models as tables of registers: a new model is a row, not code. Sources: the vendors' register lists. */
import { malformed } from '../../kit/errors.ts';

export type RegisterType = 'uint16' | 'uint32' | 'int64' | 'float32';

export interface RegisterMap {
  readonly description: string;
  /** 3: holding registers, 4: input registers. */
  readonly functionCode: 3 | 4;
  /** Address of the imported-energy register, as on the wire. */
  readonly address: number;
  readonly type: RegisterType;
  /** Power of ten between the register and the unit. */
  readonly scale: number;
  /** Where the register starts anew, in the unit; null when the vendor does not say. */
  readonly modulus: string | null;
}

export const REGISTER_MAPS: Readonly<Record<string, RegisterMap>> = {
  dtsu666: {
    description: 'Chint DTSU666: holding, float, kWh',
    functionCode: 3,
    address: 0x101e,
    type: 'float32',
    scale: 0,
    modulus: null,
  },
  sdm630: {
    description: 'Eastron SDM630: input, float, kWh',
    functionCode: 4,
    address: 0x0048,
    type: 'float32',
    scale: 0,
    modulus: null,
  },
  iem3000: {
    description: 'Schneider iEM3000: holding, 64 bit, Wh',
    functionCode: 3,
    address: 0x0c83,
    type: 'int64',
    scale: -3,
    modulus: null,
  },
  pulse: {
    description: 'Pulse counter: holding, 32 bit, thousandths',
    functionCode: 3,
    address: 0,
    type: 'uint32',
    scale: -3,
    modulus: '4294967.296',
  },
  steel: {
    description: 'Plant meter: holding, 32 bit, hundredths',
    functionCode: 3,
    address: 0,
    type: 'uint32',
    scale: -2,
    modulus: '42949672.96',
  },
};

/** Registers (16 bit each) that a type takes. */
export const WORDS: Readonly<Record<RegisterType, number>> = { uint16: 1, uint32: 2, float32: 2, int64: 4 };

/** The register's value as an exact decimal; "not there" and what is no number is malformed, naming the register. */
export function decode(bytes: Buffer, type: RegisterType, scale: number, name: string): string {
  if (bytes.length < WORDS[type] * 2) throw malformed(`${name}: ${bytes.length} bytes are too few`);
  if (type === 'float32') {
    const value = bytes.readFloatBE(0);
    if (!Number.isFinite(value) || value < 0) throw malformed(`${name} is no number`);
    // A float holds seven digits: what it shows in print is all that it knows.
    return scaled(plain(Number(value.toPrecision(9))), scale);
  }
  const whole =
    type === 'uint16'
      ? BigInt(bytes.readUInt16BE(0))
      : type === 'uint32'
        ? BigInt(bytes.readUInt32BE(0))
        : bytes.readBigInt64BE(0);
  const absent = type === 'uint16' ? whole === 0xffffn : type === 'uint32' ? whole === 0xffffffffn : whole < 0n;
  if (absent) throw malformed(`${name} is not there`);
  return scaled(whole.toString(), scale);
}

const plain = (value: number): string =>
  (/e/.test(String(value)) ? value.toFixed(6) : String(value)).replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '');

/** `digits` times ten to the power of `scale`, exact. */
export function scaled(digits: string, scale: number): string {
  if (scale === 0) return digits;
  const [whole = '0', fraction = ''] = digits.split('.');
  const all = `${whole}${fraction}`;
  const places = fraction.length - scale;
  if (places <= 0) return trim(`${all}${'0'.repeat(-places)}`);
  const padded = all.padStart(places + 1, '0');
  return trim(`${padded.slice(0, -places)}.${padded.slice(-places)}`);
}

const trim = (text: string): string =>
  text
    .replace(/^0+(?=\d)/, '')
    .replace(/(\.\d*?)0+$/, '$1')
    .replace(/\.$/, '');
