/** Registers to exact decimals. */
import { malformed } from '../../kit/errors.ts';
import type { RegisterType } from './models.ts';

/** Registers (16 bit each) that a type takes. */
export const WORDS: Readonly<Record<RegisterType, number>> = {
  uint16: 1,
  uint32: 2,
  uint64: 4,
  int64: 4,
  float32: 2,
  float64: 4,
};

/**
 * The register's value times ten to the power of `scale`, exact. "Not there" (all bits set, a negative total) and what is no number is
 * malformed, naming the register.
 */
export function decode(bytes: Buffer, type: RegisterType, scale: number, name: string): string {
  if (bytes.length < WORDS[type] * 2) throw malformed(`${name}: ${bytes.length} bytes are too few`);
  if (type === 'float32' || type === 'float64') {
    const value = type === 'float32' ? bytes.readFloatBE(0) : bytes.readDoubleBE(0);
    if (!Number.isFinite(value) || value < 0) throw malformed(`${name} is no number`);
    return scaled(plain(type === 'float32' ? shortest(value) : value), scale);
  }
  const whole = integer(bytes, type);
  const absent = type === 'int64' ? whole < 0n : whole === (1n << BigInt(WORDS[type] * 16)) - 1n;
  if (absent) throw malformed(`${name} is not there`);
  return scaled(whole.toString(), scale);
}

function integer(bytes: Buffer, type: 'uint16' | 'uint32' | 'uint64' | 'int64'): bigint {
  if (type === 'uint16') return BigInt(bytes.readUInt16BE(0));
  if (type === 'uint32') return BigInt(bytes.readUInt32BE(0));
  return type === 'uint64' ? bytes.readBigUInt64BE(0) : bytes.readBigInt64BE(0);
}

/** A 32-bit float in the fewest digits that name it and no other: 1234.56, not 1234.56005859375. */
function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const near = Number(value.toPrecision(digits));
    if (Math.fround(near) === value) return near;
  }
  return Number(value.toPrecision(9));
}

const plain = (value: number): string => {
  const text = String(value);
  if (!text.includes('e')) return text;
  return text.includes('e+') ? BigInt(value).toString() : trim(value.toFixed(9));
};

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

function trim(text: string): string {
  const whole = text.replace(/^0+(?=\d)/, '');
  return whole.includes('.') ? whole.replace(/0+$/, '').replace(/\.$/, '') : whole;
}
