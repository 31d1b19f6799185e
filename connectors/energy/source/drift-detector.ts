/** Which meters do not speak as their register map, or the payloads' agreement, says. */
import type { Drift } from '../../kit/connector.ts';

const REGISTER = ['Meter.register', 'Meter.latest', 'Meter.series', 'EnergySeries', 'MeterReadingTaken'];
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  telemetry: REGISTER,
  info: ['Meter.medium', 'Meter.unit', 'Meter.building', 'Meter.company'],
  alarm: ['MeterAlarm'],
};
/** A register that has run backwards is told this long, in milliseconds: a meter that was replaced goes on like any other. */
const BACK_TOLD = 86_400_000;
/** So often in a row something must not fit: once may be a broken line. What comes seldom, and whole, is told at once. */
const NONSENSE = 2;
const ONCE = new Set(['info payload', 'alarm payload']);
const enough = (what: string): number => (ONCE.has(what) ? 1 : NONSENSE);
/** Meters that are followed for one fault: whoever makes up serials takes no memory with them. */
const FOLLOWED = 1_000;
/** Meters that are named in one sentence. */
const NAMED = 3;

/** Whether a counter that fell went over its end: it was near it and is near its beginning. The rule of energy-consumption.ts. */
const rolledOver = (before: number, value: number, modulus: number | null): boolean =>
  modulus !== null && before > 0.9 * modulus && value < 0.1 * modulus;

export class Fit {
  readonly #tell: () => void;
  readonly #now: () => number;
  /** By what does not fit, such as `register map pulse`: the meters, and how often in a row. */
  readonly #unfit = new Map<string, Map<string, number>>();
  /** Why it does not, as was found last. */
  readonly #why = new Map<string, string>();
  readonly #last = new Map<string, number>();
  readonly #back = new Map<string, number>();

  /** @param tell called when a comparison would find other than before; `now`: the clock's `monotonic()` */
  constructor(tell: () => void, now: () => number) {
    this.#tell = tell;
    this.#now = now;
  }

  /** `what` of the meter does not fit; and why, where that is known. */
  fails(what: string, serial: string, why?: string): void {
    if (why !== undefined) this.#why.set(what, why);
    const all = this.#unfit.get(what) ?? new Map<string, number>();
    if (all.size >= FOLLOWED && !all.has(serial)) return;
    const times = Math.min((all.get(serial) ?? 0) + 1, NONSENSE + 1);
    this.#unfit.set(what, all.set(serial, times));
    if (times === enough(what)) this.#tell();
  }

  fits(what: string, serial: string): void {
    const all = this.#unfit.get(what);
    if (!all?.delete(serial)) return;
    if (all.size === 0) this.#unfit.delete(what);
    this.#tell();
  }

  /** A value of the meter's counter; one that runs back, other than over its end, may be another quantity's. */
  counted(serial: string, value: number, modulus: number | null): void {
    const last = this.#last.get(serial);
    this.#last.set(serial, value);
    if (last === undefined || value >= last || rolledOver(last, value, modulus)) return;
    this.#back.set(serial, this.#now());
    this.#tell();
  }

  drift(): Drift[] {
    const since = this.#now() - BACK_TOLD;
    for (const [serial, at] of this.#back) if (at < since) this.#back.delete(serial);
    const unfit = [...this.#unfit].flatMap(([what, all]) => {
      const meters = [...all].filter(([, times]) => times >= enough(what)).map(([serial]) => serial);
      if (meters.length === 0) return [];
      const why = this.#why.get(what);
      const sentence = `the ${what} does not fit ${named(meters)}${why === undefined ? '' : `: ${why}`}`;
      return [{ what: sentence, fields: FIELDS[what.split(' ')[0] ?? ''] ?? REGISTER }];
    });
    if (this.#back.size === 0) return unfit;
    const back = named([...this.#back.keys()]);
    return [
      ...unfit,
      { what: `the register of ${back} ran backwards (replaced, or another register map)`, fields: REGISTER },
    ];
  }
}

function named(serials: readonly string[]): string {
  const more = serials.length > NAMED ? ` and ${serials.length - NAMED} more` : '';
  return `${serials.length > 1 ? 'meters' : 'meter'} ${serials.slice(0, NAMED).join(', ')}${more}`;
}
