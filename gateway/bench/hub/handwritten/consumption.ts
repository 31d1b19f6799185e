/** Consumption by the hour from register readings, with the hub's rules for gaps, roll-overs and odd readings. */

/** One bucket of the series. */
export interface HourBucket {
  /** ISO 8601. */
  readonly start: string;
  /** A decimal; null: not measured. */
  readonly value: string | null;
}

const HOUR = 3_600_000;
/** Registers are added up in millionths, which a number holds exactly up to nine billion. */
const SCALE = 1_000_000;
const MAX_REGISTER = Number.MAX_SAFE_INTEGER / SCALE;

interface Step {
  readonly time: number;
  readonly value: number;
}

/** A register as an integer of millionths. Throws if that would lose digits. */
function toMillionths(text: string): number {
  const point = text.indexOf('.');
  const number = Number(text);
  if ((point >= 0 && text.length - point > 7) || Math.abs(number) > MAX_REGISTER)
    throw new Error(`The register ${text} has more digits than this program adds up exactly.`);
  return Math.round(number * SCALE);
}

/** A number of millionths as a decimal without trailing zeros. */
export function fromMillionths(value: number): string {
  const sign = value < 0 ? '-' : '';
  const absolute = Math.abs(value);
  const fraction = absolute % SCALE;
  const whole = `${sign}${Math.floor(absolute / SCALE)}`;
  return fraction === 0 ? whole : `${whole}.${String(fraction).padStart(6, '0').replace(/0+$/, '')}`;
}

/** Adds up the consumption of meters between two instants, in milliseconds since the epoch. */
export class HourlyConsumption {
  readonly #from: number;
  readonly #to: number;
  readonly #first: number;
  readonly #sums: (number | undefined)[];

  constructor(from: number, to: number) {
    this.#from = from;
    this.#to = to;
    this.#first = Math.floor(from / HOUR);
    this.#sums = new Array(Math.ceil(to / HOUR) - this.#first).fill(undefined);
  }

  /**
   * Adds the readings of a meter: `time value` pairs separated by commas, in order of time, with two beyond either end of the range.
   * `modulus`: where its register starts again at 0; null: not known.
   */
  add(readings: string, modulus: string | null): void {
    const steps = parseSteps(readings);
    const wrap = modulus === null ? null : toMillionths(modulus);
    let before: Step | null = null;
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i] as Step;
      const left = steps[i - 1];
      const right = steps[i + 1];
      // A single reading outside the range of its neighbours is ignored.
      if (left && right && right.value >= left.value && (step.value < left.value || step.value > right.value)) continue;
      if (before) this.#grow(before, step, wrap);
      before = step;
    }
  }

  #grow(before: Step, step: Step, wrap: number | null): void {
    // After a gap the increase belongs to the bucket in which the gap ends.
    const at = step.time - before.time > 2 * HOUR ? step.time - 0.001 : before.time;
    if (at < this.#from || at >= this.#to) return;
    let amount = step.value - before.value;
    if (amount < 0) {
      if (wrap === null || before.value <= 0.9 * wrap || step.value >= 0.1 * wrap) return;
      amount += wrap;
    }
    const index = Math.floor(at / HOUR) - this.#first;
    this.#sums[index] = (this.#sums[index] ?? 0) + amount;
  }

  /** The buckets in order, and their sum; null if nothing was measured. */
  result(): { readonly buckets: HourBucket[]; readonly total: string | null } {
    let total: number | null = null;
    const buckets = this.#sums.map((sum, i): HourBucket => {
      if (sum !== undefined) total = (total ?? 0) + sum;
      return {
        start: new Date((this.#first + i) * HOUR).toISOString(),
        value: sum === undefined ? null : fromMillionths(sum),
      };
    });
    return { buckets, total: total === null ? null : fromMillionths(total) };
  }
}

function parseSteps(readings: string): Step[] {
  if (readings === '') return [];
  return readings.split(',').map((reading) => {
    const space = reading.indexOf(' ');
    return { time: Number(reading.slice(0, space)), value: toMillionths(reading.slice(space + 1)) };
  });
}
