/** What is to be done when this process ends in any way that it can still notice: other programs ended, locks given back. */

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
