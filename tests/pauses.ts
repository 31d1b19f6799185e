/** How long the machine let nobody work, and how long this process itself was busy: what a measured time holds besides waiting. */
import { Worker } from 'node:worker_threads';

/** Between two looks, in milliseconds. */
const STEP = 5;

export interface Pauses {
  /** The longest pause since the last time this was asked, in milliseconds. */
  longest(): number;
  stop(): Promise<unknown>;
}

/** It hears nothing of what the hub does: a hub that blocks its own thread does not show here. */
export function watchPauses(): Pauses {
  const shared = new Int32Array(new SharedArrayBuffer(4));
  const look = `const { workerData } = require('node:worker_threads'); let last = performance.now();
    setInterval(() => { const now = performance.now(); const late = Math.round(now - last - ${STEP}); last = now;
      if (late > Atomics.load(workerData, 0)) Atomics.store(workerData, 0, late); }, ${STEP});`;
  const worker = new Worker(look, { eval: true, workerData: shared });
  return { longest: () => Atomics.exchange(shared, 0, 0), stop: () => worker.terminate() };
}

export interface Busy {
  /** Milliseconds, since the start, in which this process did or was made to do other than wait. */
  busy(): number;
  stop(): void;
}

/** Looks at the loop every few milliseconds: however late a look comes, so long the loop was busy or the machine elsewhere. */
export function watchLoop(): Busy {
  let busy = 0;
  let last = performance.now();
  const look = (): void => {
    const now = performance.now();
    busy += Math.max(now - last - STEP, 0);
    last = now;
  };
  const timer = setInterval(look, STEP);
  return {
    busy: () => {
      const late = performance.now() - last - STEP;
      return busy + Math.max(late, 0);
    },
    stop: () => clearInterval(timer),
  };
}
