/** What is to be done when this process ends in any way that it can still notice: other programs ended, locks given back. */
import type { ChildProcess } from 'node:child_process';

const tasks = new Set<() => void>();

function runAll(): void {
  for (const task of tasks) task();
}

/** Runs the task, synchronously, when the process exits; the answer takes it back. */
export function onExit(task: () => void): () => void {
  if (tasks.size === 0) process.once('exit', runAll);
  tasks.add(task);
  return () => {
    tasks.delete(task);
    if (tasks.size === 0) process.removeListener('exit', runAll);
  };
}

/** The program gets the signal when this process exits before it does; the answer lets it go. */
export function endOnExit(child: ChildProcess, signal: NodeJS.Signals): () => void {
  const forget = onExit(() => child.kill(signal));
  child.once('exit', forget).once('error', forget);
  return forget;
}
