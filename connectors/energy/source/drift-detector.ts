/** Detects meters that do not match their register map or payload format, or whose register runs backwards. */
import type { Drift } from '../../kit/connector.ts';

const REGISTER_FIELDS = ['Meter.register', 'Meter.latest', 'Meter.series', 'EnergySeries', 'MeterReadingTaken'];
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  telemetry: REGISTER_FIELDS,
  info: ['Meter.medium', 'Meter.unit', 'Meter.building', 'Meter.company'],
  alarm: ['MeterAlarm'],
};
/** Milliseconds. A register that ran backwards is reported for this long, because a replaced meter is normal afterwards. */
const BACKWARDS_REPORTED_FOR = 86_400_000;
/** Mismatches in a row before they are reported; a single one may be a transmission error. Rare message kinds are reported at once. */
const MISMATCH_THRESHOLD = 2;
const REPORTED_AT_ONCE = new Set(['info payload', 'alarm payload']);
const thresholdOf = (what: string): number => (REPORTED_AT_ONCE.has(what) ? 1 : MISMATCH_THRESHOLD);
/** Maximum number of meters tracked per kind of mismatch, so that invented serials cannot exhaust memory. */
const MAX_TRACKED_METERS = 1_000;
/** Maximum number of meters named in one message. */
const MAX_NAMED_METERS = 3;

/** Whether a counter that decreased rolled over: it was near its end and is near its start. Same rule as in consumption.ts. */
const rolledOver = (before: number, value: number, modulus: number | null): boolean =>
  modulus !== null && before > 0.9 * modulus && value < 0.1 * modulus;

export class DriftDetector {
  readonly #onChange: () => void;
  readonly #now: () => number;
  /** Number of mismatches in a row by meter, by kind, such as `register map pulse`. */
  readonly #mismatches = new Map<string, Map<string, number>>();
  /** Last known reason by kind. */
  readonly #reasons = new Map<string, string>();
  readonly #lastValues = new Map<string, number>();
  readonly #backwardsAt = new Map<string, number>();

  /** @param onChange called when the result of `drift` changes; `now`: the clock's `monotonic()` */
  constructor(onChange: () => void, now: () => number) {
    this.#onChange = onChange;
    this.#now = now;
  }

  /** Records that the meter does not match `what`, with the reason if it is known. */
  recordMismatch(what: string, serial: string, reason?: string): void {
    if (reason !== undefined) this.#reasons.set(what, reason);
    const all = this.#mismatches.get(what) ?? new Map<string, number>();
    if (all.size >= MAX_TRACKED_METERS && !all.has(serial)) return;
    const times = Math.min((all.get(serial) ?? 0) + 1, MISMATCH_THRESHOLD + 1);
    this.#mismatches.set(what, all.set(serial, times));
    if (times === thresholdOf(what)) this.#onChange();
  }

  recordMatch(what: string, serial: string): void {
    const all = this.#mismatches.get(what);
    if (!all?.delete(serial)) return;
    if (all.size === 0) this.#mismatches.delete(what);
    this.#onChange();
  }

  /** Records a counter value. A counter that decreases without a rollover may be another quantity. */
  recordCounter(serial: string, value: number, modulus: number | null): void {
    const last = this.#lastValues.get(serial);
    this.#lastValues.set(serial, value);
    if (last === undefined || value >= last || rolledOver(last, value, modulus)) return;
    this.#backwardsAt.set(serial, this.#now());
    this.#onChange();
  }

  /** Current mismatches and backward counters, with the graph fields affected. */
  drift(): Drift[] {
    const since = this.#now() - BACKWARDS_REPORTED_FOR;
    for (const [serial, at] of this.#backwardsAt) if (at < since) this.#backwardsAt.delete(serial);
    const mismatches = [...this.#mismatches].flatMap(([what, all]) => {
      const meters = [...all].filter(([, times]) => times >= thresholdOf(what)).map(([serial]) => serial);
      if (meters.length === 0) return [];
      const reason = this.#reasons.get(what);
      const sentence = `the ${what} does not match ${listMeters(meters)}${reason === undefined ? '' : `: ${reason}`}`;
      return [{ description: sentence, fields: FIELDS[what.split(' ')[0] ?? ''] ?? REGISTER_FIELDS }];
    });
    if (this.#backwardsAt.size === 0) return mismatches;
    const meters = listMeters([...this.#backwardsAt.keys()]);
    return [
      ...mismatches,
      {
        description: `the register of ${meters} ran backwards (replaced, or another register map)`,
        fields: REGISTER_FIELDS,
      },
    ];
  }
}

function listMeters(serials: readonly string[]): string {
  const more = serials.length > MAX_NAMED_METERS ? ` and ${serials.length - MAX_NAMED_METERS} more` : '';
  return `${serials.length > 1 ? 'meters' : 'meter'} ${serials.slice(0, MAX_NAMED_METERS).join(', ')}${more}`;
}
