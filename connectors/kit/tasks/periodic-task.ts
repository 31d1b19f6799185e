/** Upkeep that comes round. */

/**
 * Runs `work` now and every `pause` milliseconds, never two at once; the process is not kept alive by it. Faults go to `failed`, and the
 * next round comes all the same. After `close` none begins and none is told; it resolves when the one under way has ended.
 */
export function inRounds(
  pause: number,
  work: () => Promise<void>,
  failed: (error: unknown) => void,
): { readonly first: Promise<void>; close(): Promise<void> } {
  let closed = false;
  const round = async (): Promise<void> => {
    if (closed) return;
    try {
      await work();
    } catch (error) {
      if (!closed) failed(error);
    }
  };
  const first = round();
  let running = first;
  const timer = setInterval(() => {
    running = running.then(round);
  }, pause);
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
