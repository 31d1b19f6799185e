// Runs other programs to their end; a signal that ends this process ends them first.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
/** How long a program may take to end after the signal before it is killed, in milliseconds. */
const PATIENCE = 3_000;
const running = new Set();
let ending = null;

/** From now on a signal ends the programs under way, and then this process by the same signal. */
export function endOnSignals() {
  for (const signal of SIGNALS) process.on(signal, () => void end(signal));
}

async function end(signal) {
  if (ending) return;
  ending = signal;
  const kill = (how) => {
    for (const child of running) child.kill(how);
  };
  kill('SIGTERM');
  const late = setTimeout(() => kill('SIGKILL'), PATIENCE);
  await Promise.all([...running].map((child) => new Promise((resolve) => child.once('close', resolve))));
  clearTimeout(late);
  for (const one of SIGNALS) process.removeAllListeners(one);
  process.kill(process.pid, signal);
  // The first process of a container is not ended by its own signal.
  setTimeout(() => process.exit(128 + constants.signals[signal]), 200);
}

/** Resolves when the program has ended well; otherwise this process ends with its code. */
export async function run(program, args, options) {
  if (ending) return new Promise(() => undefined);
  const child = spawn(program, args, options);
  running.add(child);
  const code = await new Promise((resolve) => {
    child.once('error', (error) => {
      console.error(`${program} cannot be started: ${error.message}`);
      resolve(1);
    });
    child.once('close', (status, signal) => resolve(status ?? 128 + constants.signals[signal]));
  });
  running.delete(child);
  // `end` ends this process.
  if (ending) return new Promise(() => undefined);
  if (code !== 0) process.exit(code);
}
