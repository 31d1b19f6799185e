/** Records which timers a piece of work has started and not cleared, including those that do not keep the process alive. */
import { AsyncLocalStorage, createHook } from 'node:async_hooks';

export interface TimerLedger {
  /** Runs the work and records its timers, including those started later in its async context. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Stack traces of where the timers that are still active were started. */
  running(): string[];
  /** Stops recording. */
  stop(): void;
}

/** Timers of the test suite and of its database connection, which outlives the code under test. */
const TEST_SUITE_FRAME = /^[^\n]*\/kit\/testing\/|\/node_modules\/typeorm\//;

/** Only timers started within `run` are recorded; other work of the process is ignored. */
export function timerLedger(): TimerLedger {
  const within = new AsyncLocalStorage<true>();
  const running = new Map<number, string>();
  const hook = createHook({
    init: (id, type) => {
      if (type !== 'Timeout' || !within.getStore()) return;
      const stack = callerStack();
      if (!TEST_SUITE_FRAME.test(stack)) running.set(id, stack);
    },
    destroy: (id) => void running.delete(id),
  }).enable();
  return {
    run: (work) => within.run(true, work),
    running: () => [...running.values()],
    stop: () => void hook.disable(),
  };
}

/** Stack frames outside Node and this file. */
function callerStack(): string {
  const lines = (new Error().stack ?? '').split('\n').slice(1);
  return lines.filter((line) => !/node:|testing\/timer-ledger\.ts/.test(line)).join('\n');
}
