/** Looks at one source now and again: whether it is there, and whether it still offers what its connector was written for. */

import type { HostPace } from '../config/sections/check-intervals.ts';
import type { Drift, Opened, Services } from '../connector.ts';
import type { Health } from '../health.ts';
import { driftSentence } from '../monitoring/drift.ts';
import { hubCall } from './services.ts';

/** A source that has drifted, or is suspected, is compared this often at most, in milliseconds. */
const CLOSELY = 10_000;

export interface LookoutParts {
  readonly services: Services;
  readonly health: Health;
  readonly pace: HostPace;
  /** Aborts when the installation is closed; nothing is looked at afterwards. */
  readonly signal: AbortSignal;
  /** What is looked at; null while it is not open. */
  readonly opened: () => Opened | null;
  /** Told after each look whose outcome counts. */
  readonly looked: () => void;
}

export class Lookout {
  readonly #parts: LookoutParts;
  #timer: NodeJS.Timeout | undefined;
  #checking: Promise<void> | null = null;
  #announced = false;
  #comparedAt: number | null = null;
  /** Whether the next comparison is due before its time. */
  #suspected = false;
  /** What was found at the last comparison. */
  #drift: string | null = null;

  constructor(parts: LookoutParts) {
    this.#parts = parts;
  }

  /** Whether a first look has told how the source is. */
  get announced(): boolean {
    return this.#announced;
  }

  /** Begins to look, at once. */
  start(): void {
    this.#next(0);
  }

  /** A call has failed: look at once, unless a look is under way or the source is known to be down. */
  soon(): void {
    if (this.#checking === null && this.#parts.health.state !== 'DOWN') this.#next(0);
  }

  /** Something in the source's answers is not as it was: compare soon. */
  suspect(): void {
    this.#suspected = true;
  }

  /** Looks now; resolves when the outcome is known. One look at a time. */
  check(): Promise<void> {
    const { health, pace } = this.#parts;
    this.#checking ??= this.#look().finally(() => {
      this.#checking = null;
      this.#next(health.state === 'UP' ? pace.checkUp : pace.checkDown);
    });
    return this.#checking;
  }

  /** No further look; the one under way goes on, see `ended`. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  /** Resolves when the look under way, if any, is over. */
  async ended(): Promise<void> {
    await this.#checking?.catch(() => undefined);
  }

  #next(pause: number): void {
    clearTimeout(this.#timer);
    if (this.#parts.signal.aborted) return;
    this.#timer = setTimeout(() => void this.check(), pause);
  }

  async #look(): Promise<void> {
    const { services, health, pace, signal } = this.#parts;
    const opened = this.#parts.opened();
    // What could not be opened has been told, and is asked nothing.
    if (opened === null) return;
    const call = hubCall(pace.checkTime, signal);
    const before = health.answers;
    try {
      await opened.check(call);
      services.guard.healed();
      health.complained(opened.complaint?.() ?? null);
      // UP is who has answered: a check that asked nothing does not show it.
      health.checked(null, health.answers > before);
      await this.#compare(opened);
    } catch (error) {
      if (signal.aborted) return;
      health.checked(error);
      if (!this.#announced) {
        // The state is DOWN from the start, so no change tells of a source that was never up.
        const { reason } = health.snapshot();
        services.log.warn(`The source ${services.installation.id} is down: it ${reason}.`, { error });
      }
    }
    this.#announced = true;
    this.#parts.looked();
  }

  /** Whether the source still offers what its connector was written for: at first, then now and again, and on suspicion. */
  async #compare(opened: Opened): Promise<void> {
    const { services, health, pace, signal } = this.#parts;
    if (!opened.drift || signal.aborted) return;
    const pause = this.#suspected ? Math.min(pace.drift, CLOSELY) : pace.drift;
    if (this.#comparedAt !== null && services.clock.monotonic() - this.#comparedAt < pause) return;
    this.#comparedAt = services.clock.monotonic();
    this.#suspected = false;
    let found: readonly Drift[];
    try {
      found = await opened.drift(hubCall(pace.checkTime, signal));
    } catch (error) {
      services.log.debug('What the source offers could not be compared.', { error });
      return;
    }
    const sentence = driftSentence(found);
    if (sentence && sentence !== this.#drift) services.log.warn(`The source ${services.installation.id} ${sentence}.`);
    this.#drift = sentence;
    this.#suspected ||= sentence !== null;
    health.drifted(sentence);
  }
}
