/** Measures stalls of the machine and the busy time of this process, which measured times include besides waiting. */
import { Worker } from 'node:worker_threads';

/** Sampling interval in milliseconds. */
const STEP = 5;

export interface StallMonitor {
  /** The longest stall since the last call, in milliseconds. */
  takeLongest(): number;
  stop(): Promise<unknown>;
}

/** Measures on a separate thread, so a hub that blocks the main thread is not counted. */
export function watchStalls(): StallMonitor {
  const shared = new Int32Array(new SharedArrayBuffer(4));
  const look = `const { workerData } = require('node:worker_threads'); let last = performance.now();
    setInterval(() => { const now = performance.now(); const late = Math.round(now - last - ${STEP}); last = now;
      if (late > Atomics.load(workerData, 0)) Atomics.store(workerData, 0, late); }, ${STEP});`;
  const worker = new Worker(look, { eval: true, workerData: shared });
  return { takeLongest: () => Atomics.exchange(shared, 0, 0), stop: () => worker.terminate() };
}

export interface LoopMonitor {
  /** Milliseconds since the start in which the event loop was busy or the process was not scheduled. */
  busyMs(): number;
  stop(): void;
}

/** Measures busy time of this event loop by how late its timer fires. */
export function watchEventLoop(): LoopMonitor {
  let busy = 0;
  let last = performance.now();
  const look = (): void => {
    const now = performance.now();
    busy += Math.max(now - last - STEP, 0);
    last = now;
  };
  const timer = setInterval(look, STEP);
  return {
    busyMs: () => {
      const late = performance.now() - last - STEP;
      return busy + Math.max(late, 0);
    },
    stop: () => clearInterval(timer),
  };
}
