/** A ledger of timers: which of those that some work has begun are still running, whether or not they keep the process alive. */
import { AsyncLocalStorage, createHook } from 'node:async_hooks';

export interface TimerLedger {
  /** Does the work; its timers are entered, also those that begin later on its behalf. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Where each timer that still runs was begun. */
  running(): string[];
  stop(): void;
}

/** Timers of the suite itself and of its database, which outlives what is tested. */
const SUITE = /^[^\n]*\/kit\/testing\/|\/node_modules\/typeorm\//;

/** Only what `run` does is entered: other work of the process may go on beside it. */
export function timerLedger(): TimerLedger {
  const within = new AsyncLocalStorage<true>();
  const running = new Map<number, string>();
  const hook = createHook({
    init: (id, type) => {
      if (type !== 'Timeout' || !within.getStore()) return;
      const stack = begunAt();
      if (!SUITE.test(stack)) running.set(id, stack);
    },
    destroy: (id) => void running.delete(id),
  }).enable();
  return {
    run: (work) => within.run(true, work),
    running: () => [...running.values()],
    stop: () => void hook.disable(),
  };
}

/** The lines of the stack that lie outside of Node itself and of this file. */
function begunAt(): string {
  const lines = (new Error().stack ?? '').split('\n').slice(1);
  return lines.filter((line) => !/node:|testing\/timers\.ts/.test(line)).join('\n');
}
