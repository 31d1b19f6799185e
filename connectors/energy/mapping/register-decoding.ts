/** Decodes registers to exact decimals. */
import { malformed } from '../../kit/errors.ts';
import type { RegisterType } from './register-maps.ts';

/** Number of 16-bit registers of each type. */
export const REGISTER_WORDS: Readonly<Record<RegisterType, number>> = {
  uint16: 1,
  uint32: 2,
  uint64: 4,
  int64: 4,
  float32: 2,
  float64: 4,
};

/**
 * The register's value times ten to the power of `scale`, exact. Throws SOURCE_MALFORMED, with `name`, when the meter marks the value
 * as not available (all bits set, or a negative total) or it is not a number.
 */
export function decodeRegister(bytes: Buffer, type: RegisterType, scale: number, name: string): string {
  if (bytes.length < REGISTER_WORDS[type] * 2) throw malformed(`${name} has only ${bytes.length} bytes`);
  if (type === 'float32' || type === 'float64') {
    const value = type === 'float32' ? bytes.readFloatBE(0) : bytes.readDoubleBE(0);
    if (!Number.isFinite(value) || value < 0) throw malformed(`${name} is not a number`);
    return scaleDecimal(toPlainDecimal(type === 'float32' ? shortestFloat32(value) : value), scale);
  }
  const whole = readInteger(bytes, type);
  const absent = type === 'int64' ? whole < 0n : whole === (1n << BigInt(REGISTER_WORDS[type] * 16)) - 1n;
  if (absent) throw malformed(`${name} is not available`);
  return scaleDecimal(whole.toString(), scale);
}

function readInteger(bytes: Buffer, type: 'uint16' | 'uint32' | 'uint64' | 'int64'): bigint {
  if (type === 'uint16') return BigInt(bytes.readUInt16BE(0));
  if (type === 'uint32') return BigInt(bytes.readUInt32BE(0));
  return type === 'uint64' ? bytes.readBigUInt64BE(0) : bytes.readBigInt64BE(0);
}

/** The shortest decimal that identifies the 32-bit float: 1234.56, not 1234.56005859375. */
function shortestFloat32(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const near = Number(value.toPrecision(digits));
    if (Math.fround(near) === value) return near;
  }
  return Number(value.toPrecision(9));
}

const toPlainDecimal = (value: number): string => {
  const text = String(value);
  if (!text.includes('e')) return text;
  return text.includes('e+') ? BigInt(value).toString() : trimZeros(value.toFixed(9));
};

/** `digits` times ten to the power of `scale`, exact. */
export function scaleDecimal(digits: string, scale: number): string {
  if (scale === 0) return digits;
  const [whole = '0', fraction = ''] = digits.split('.');
  const all = `${whole}${fraction}`;
  const places = fraction.length - scale;
  if (places <= 0) return trimZeros(`${all}${'0'.repeat(-places)}`);
  const padded = all.padStart(places + 1, '0');
  return trimZeros(`${padded.slice(0, -places)}.${padded.slice(-places)}`);
}

function trimZeros(text: string): string {
  const whole = text.replace(/^0+(?=\d)/, '');
  return whole.includes('.') ? whole.replace(/0+$/, '').replace(/\.$/, '') : whole;
}
