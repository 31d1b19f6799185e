/**
 * Time. Everything in gateway/ and connectors/ that needs to know the time asks a `Clock`: `now()` for moments that are shown, stored,
 * signed or compared with another machine's, `monotonic()` for what passes. `tests/clock-use.test.ts` refuses other ways.
 */
import type { Clock } from './connector.ts';

/** The system's clock. Node's timers follow `monotonic()`, too: setting the wall clock moves neither. */
export const systemClock: Clock = { now: () => new Date(), monotonic: () => performance.now() };

/** A timer waits this long at most before it looks at the wall clock again, in milliseconds: it may have been set meanwhile. */
const LOOK = 15_000;

/**
 * Calls `done` when the wall clock has reached `moment` (milliseconds since the epoch), also where it is set forward or back
 * meanwhile: then `done` is up to 15 s late, never early. Returns what cancels it.
 */
export function whenWall(clock: Clock, moment: number, done: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    const left = moment - clock.now().getTime();
    if (left <= 0) done();
    else timer = setTimeout(look, Math.min(left, LOOK));
  };
  look();
  return () => clearTimeout(timer);
}
