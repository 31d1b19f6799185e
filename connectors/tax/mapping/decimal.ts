/** Exact decimal arithmetic: a bigint with a scale, never binary floats. */

export interface Decimal {
  readonly units: bigint;
  /** Digits after the decimal point. */
  readonly scale: number;
}

export const ZERO: Decimal = { units: 0n, scale: 0 };
const TEXT = /^([+-]?)(\d*)(?:\.(\d+))?$/;

/** Parses `1200`, `-3.50` or `.261`, with at most 30 digits; null for anything else. */
export function parseDecimal(text: string): Decimal | null {
  const found = TEXT.exec(text);
  const [, sign, whole = '', part = ''] = found ?? [];
  if (!found || whole + part === '' || whole.length + part.length > 30) return null;
  const units = BigInt(whole + part);
  return { units: sign === '-' ? -units : units, scale: part.length };
}

const unitsAt = (value: Decimal, scale: number): bigint => value.units * 10n ** BigInt(scale - value.scale);

export function addDecimals(a: Decimal, b: Decimal): Decimal {
  const scale = Math.max(a.scale, b.scale);
  return { units: unitsAt(a, scale) + unitsAt(b, scale), scale };
}

export const negate = (value: Decimal): Decimal => ({ units: -value.units, scale: value.scale });
export const subtractDecimals = (a: Decimal, b: Decimal): Decimal => addDecimals(a, negate(b));
export const sum = (all: readonly Decimal[]): Decimal => all.reduce(addDecimals, ZERO);
export const isEqual = (a: Decimal, b: Decimal): boolean => subtractDecimals(a, b).units === 0n;

/** Whether the values differ by less than `cents` hundredths. */
export function isClose(a: Decimal, b: Decimal, cents: number): boolean {
  const { units, scale } = subtractDecimals(a, b);
  const size = units < 0n ? -units : units;
  return size * 100n < BigInt(cents) * 10n ** BigInt(scale);
}

/** Formats with at least two decimals: `1000.00`, `23.3938`. */
export function formatDecimal(value: Decimal): string {
  const scale = Math.max(value.scale, 2);
  const units = unitsAt(value, scale);
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  return `${units < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** Formats with two decimals, rounded half away from zero, as SAF-T signatures require. */
export function formatRounded(value: Decimal): string {
  if (value.scale <= 2) return formatDecimal(value);
  const divisor = 10n ** BigInt(value.scale - 2);
  const size = value.units < 0n ? -value.units : value.units;
  const units = (size + divisor / 2n) / divisor;
  return formatDecimal({ units: value.units < 0n ? -units : units, scale: 2 });
}
