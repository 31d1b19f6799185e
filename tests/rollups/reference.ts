/** Consumption by the rules of docs/decisions/0035-rollups.md, from all readings of each meter and without sums: what the hub's answers must equal. */
import { bucketsOf } from './time-zone.ts';

export interface ReferenceReading {
  readonly time: number;
  /** With at most three decimals. */
  readonly value: string;
  readonly quality: string;
  readonly corrected: number | null;
}

export interface ReferenceMeter {
  readonly key: string;
  /** Thousandths of the unit. */
  readonly modulus: bigint | null;
  /** Of kWh or m3, as PostgreSQL writes it. */
  readonly factor: string;
  readonly base: string | null;
  readonly readings: readonly ReferenceReading[];
}

export interface ReferenceBucket {
  readonly start: number;
  readonly value: string | null;
  readonly quality: string;
  readonly corrected: number | null;
  readonly unit: string | null;
  readonly reported: number;
  readonly missing: number;
}

const GAPS: Readonly<Record<string, number>> = { QUARTER_HOUR: 0.5, HOUR: 2, DAY: 48, MONTH: 1_440, YEAR: 17_280 };
const HOUR = 3_600_000;
const MONTH = 31 * 24 * HOUR;

interface Part {
  readonly at: number;
  /** The instant just before `at` counts. */
  readonly atEnd: boolean;
  readonly amount: bigint | null;
  readonly estimated: boolean;
  readonly suspect: boolean;
  readonly corrected: number | null;
  readonly measured: (bucketStart: number) => number;
}

const thousandths = (value: string): bigint => {
  const [whole = '0', fraction = ''] = value.split('.');
  return BigInt(whole + fraction.padEnd(3, '0'));
};

/** An amount of thousandths by a factor, as billionths, rounded half away from zero. */
function converted(amount: bigint, factor: string): bigint {
  const [whole = '0', fraction = ''] = factor.split('.');
  const scale = 10n ** BigInt(fraction.length);
  // Thousandths times factor: shifted by 3 decimals and the factor's.
  const exact = amount * BigInt(whole + fraction) * 1_000_000n;
  const sign = exact < 0n ? -1n : 1n;
  return sign * ((sign * exact * 2n + scale) / (2n * scale));
}

function text(billionths: bigint): string {
  const digits = billionths.toString().padStart(10, '0');
  const fraction = digits.slice(-9).replace(/0+$/, '');
  return `${digits.slice(0, -9)}${fraction ? `.${fraction}` : ''}`;
}

const latest = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.max(a, b);

/** The intervals of a meter, placed in time for a bucket. */
function partsOf(meter: ReferenceMeter, gap: number, dropped: number | null): Part[] {
  const all = meter.readings.map((reading) => ({ ...reading, amount: thousandths(reading.value) }));
  const ignored = all.map(({ amount }, i) => {
    const [before, after] = [all[i - 1]?.amount, all[i + 1]?.amount];
    return before !== undefined && after !== undefined && after >= before && (amount < before || amount > after);
  });
  const parts: Part[] = [];
  let last: (typeof all)[number] | null = null;
  for (const [i, reading] of all.entries()) {
    if (ignored[i]) continue;
    if (last === null) {
      if (dropped !== null && reading.time >= dropped && reading.time < dropped + MONTH)
        parts.push({
          ...{ at: reading.time, atEnd: true, amount: null, estimated: false, suspect: true, corrected: null },
          measured: () => 0,
        });
    } else {
      const { modulus } = meter;
      const before: bigint = last.amount;
      const hasRolled =
        modulus !== null && reading.amount < before && 10n * before > 9n * modulus && 10n * reading.amount < modulus;
      const isDown = reading.amount < before && !hasRolled;
      const amount = isDown
        ? null
        : converted(reading.amount - before + (hasRolled ? (modulus as bigint) : 0n), meter.factor);
      const [since, time] = [last.time, reading.time];
      const isGap = time - since > gap;
      parts.push({
        at: isGap ? time : since,
        atEnd: isGap,
        amount,
        estimated: isGap || reading.quality === 'ESTIMATED',
        suspect: isDown || reading.quality === 'SUSPECT' || ignored[i - 1] === true,
        corrected: latest(reading.corrected, last.corrected),
        measured: (start) => (amount === null ? 0 : isGap ? time - Math.max(since, start) : time - since),
      });
    }
    last = reading;
  }
  return parts;
}

/** One row per bucket of the key. */
export function referenceBuckets(
  meters: readonly ReferenceMeter[],
  {
    from,
    to,
    bucket,
    zone,
  }: { readonly from: number; readonly to: number; readonly bucket: string; readonly zone: string },
  dropped: number | null,
): ReferenceBucket[] {
  const buckets = bucketsOf(bucket, from, to, zone);
  const placed = meters.map((meter) => ({ meter, parts: partsOf(meter, (GAPS[bucket] as number) * HOUR, dropped) }));
  const holds = (part: Part, start: number, stop: number) =>
    part.atEnd ? part.at > start && part.at <= stop : part.at >= start && part.at < stop;
  return buckets.map(({ start, stop }) => {
    const [first, end] = [Math.max(start, from), Math.min(stop, to)];
    let [sum, reported, measured] = [0n, 0, 0];
    let [estimated, suspect, corrected, found] = [false, false, null as number | null, false];
    const units: string[] = [];
    for (const { meter, parts } of placed) {
      const inside = parts.filter((part) => holds(part, first, end));
      if (inside.length === 0) continue;
      found = true;
      if (meter.base !== null) units.push(meter.base);
      const known = inside.flatMap(({ amount }) => (amount === null ? [] : [amount]));
      if (known.length > 0) reported++;
      for (const amount of known) sum += amount;
      estimated ||= inside.some((part) => part.estimated);
      suspect ||= inside.some((part) => part.suspect);
      for (const part of inside) corrected = latest(corrected, part.corrected);
      measured += Math.min(
        inside.reduce((total, part) => total + part.measured(start), 0),
        end - first,
      );
    }
    const unit = units.sort()[0] ?? null;
    if (dropped !== null && start < dropped)
      return { start, value: null, quality: 'SUSPECT', corrected, unit, reported: 0, missing: end - first };
    return {
      ...{ start, value: reported > 0 ? text(sum) : null, corrected, unit, reported },
      quality: suspect ? 'SUSPECT' : !found ? 'MISSING' : estimated ? 'ESTIMATED' : 'GOOD',
      missing: end - first - measured / meters.length,
    };
  });
}
