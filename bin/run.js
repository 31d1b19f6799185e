// Runs other programs. A signal to this process ends them first.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
/** Milliseconds after the signal before a program is killed. */
const KILL_AFTER = 3_000;
const running = new Set();
let ending = null;

/** From now on a signal first ends the running programs, then this process with the same signal. */
export function endOnSignals() {
  for (const signal of SIGNALS) process.on(signal, () => void end(signal));
}

async function end(signal) {
  if (ending) return;
  ending = signal;
  const kill = (childSignal) => {
    for (const child of running) child.kill(childSignal);
  };
  kill('SIGTERM');
  const killTimer = setTimeout(() => kill('SIGKILL'), KILL_AFTER);
  await Promise.all([...running].map((child) => new Promise((resolve) => child.once('close', resolve))));
  clearTimeout(killTimer);
  for (const name of SIGNALS) process.removeAllListeners(name);
  process.kill(process.pid, signal);
  // Process 1 of a container ignores its own signal.
  setTimeout(() => process.exit(128 + constants.signals[signal]), 200);
}

/** Resolves when the program has ended with code 0; otherwise this process exits with its code. */
export async function run(program, args, options) {
  if (ending) return new Promise(() => undefined);
  const child = spawn(program, args, options);
  running.add(child);
  const code = await new Promise((resolve) => {
    child.once('error', (error) => {
      console.error(`Failed to start ${program}: ${error.message}`);
      resolve(1);
    });
    child.once('close', (status, signal) => resolve(status ?? 128 + constants.signals[signal]));
  });
  running.delete(child);
  // `end` ends this process.
  if (ending) return new Promise(() => undefined);
  if (code !== 0) process.exit(code);
}
