/** A task that runs periodically. */

/**
 * Runs `task` now and every `interval` milliseconds, never twice at once; does not keep the process alive. Errors go to `onError`, and the
 * next run takes place. After `close` no run starts and no error is reported; `close` resolves when the current run has ended.
 */
export function startPeriodicTask(
  interval: number,
  task: () => Promise<void>,
  onError: (error: unknown) => void,
): { readonly first: Promise<void>; close(): Promise<void> } {
  let closed = false;
  const run = async (): Promise<void> => {
    if (closed) return;
    try {
      await task();
    } catch (error) {
      if (!closed) onError(error);
    }
  };
  const first = run();
  let running = first;
  const timer = setInterval(() => {
    running = running.then(run);
  }, interval);
  timer.unref();
  return {
    first,
    close: async () => {
      closed = true;
      clearInterval(timer);
      await running;
    },
  };
}
