/** Tasks for the exit of this process, such as ending child processes and releasing locks. */
import type { ChildProcess } from 'node:child_process';

const tasks = new Set<() => void>();

function runAll(): void {
  for (const task of tasks) task();
}

/** Runs the synchronous task when the process exits. Returns a function that cancels it. */
export function onExit(task: () => void): () => void {
  if (tasks.size === 0) process.once('exit', runAll);
  tasks.add(task);
  return () => {
    tasks.delete(task);
    if (tasks.size === 0) process.removeListener('exit', runAll);
  };
}

/** Sends the signal to the child if this process exits first. Returns a function that cancels it. */
export function killOnExit(child: ChildProcess, signal: NodeJS.Signals): () => void {
  const cancel = onExit(() => child.kill(signal));
  child.once('exit', cancel).once('error', cancel);
  return cancel;
}
