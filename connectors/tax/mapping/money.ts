/** Exact decimals: whole numbers with a scale, never binary floats. */

export interface Exact {
  readonly units: bigint;
  /** Digits behind the point. */
  readonly scale: number;
}

export const ZERO: Exact = { units: 0n, scale: 0 };
const TEXT = /^([+-]?)(\d*)(?:\.(\d+))?$/;

/** `1200`, `-3.50`, `.261`; null for anything else. */
export function exact(text: string): Exact | null {
  const found = TEXT.exec(text);
  const [, sign, whole = '', part = ''] = found ?? [];
  if (!found || whole + part === '' || whole.length + part.length > 30) return null;
  const units = BigInt(whole + part);
  return { units: sign === '-' ? -units : units, scale: part.length };
}

const raised = (one: Exact, scale: number): bigint => one.units * 10n ** BigInt(scale - one.scale);

export function plus(a: Exact, b: Exact): Exact {
  const scale = Math.max(a.scale, b.scale);
  return { units: raised(a, scale) + raised(b, scale), scale };
}

export const negated = (one: Exact): Exact => ({ units: -one.units, scale: one.scale });
export const minus = (a: Exact, b: Exact): Exact => plus(a, negated(b));
export const sum = (all: readonly Exact[]): Exact => all.reduce(plus, ZERO);
export const same = (a: Exact, b: Exact): boolean => minus(a, b).units === 0n;

/** Whether they differ by less than `cents` hundredths. */
export function close(a: Exact, b: Exact, cents: number): boolean {
  const { units, scale } = minus(a, b);
  const size = units < 0n ? -units : units;
  return size * 100n < BigInt(cents) * 10n ** BigInt(scale);
}

/** At least two digits behind the point: `1000.00`, `23.3938`. */
export function print(one: Exact): string {
  const scale = Math.max(one.scale, 2);
  const units = raised(one, scale);
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  return `${units < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** Rounded to two digits, half away from zero: as signatures have it. */
export function rounded(one: Exact): string {
  if (one.scale <= 2) return print(one);
  const by = 10n ** BigInt(one.scale - 2);
  const size = one.units < 0n ? -one.units : one.units;
  const units = (size + by / 2n) / by;
  return print({ units: one.units < 0n ? -units : units, scale: 2 });
}
