/** How long the machine itself let nobody work: a thread of its own that only looks at the clock. */
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
