/** The way down: every step once, in order, each within its time. */
import type { Log } from '../../connectors/kit/log.ts';

export interface Shutdown {
  /** A step; the last one added runs first. */
  add(name: string, step: () => Promise<void>): void;
  /** Runs all steps once; the second call waits for the first. */
  run(): Promise<void>;
}

export function makeShutdown(log: Log, stepTime = 15_000): Shutdown {
  const steps: { name: string; step: () => Promise<void> }[] = [];
  let running: Promise<void> | undefined;
  return {
    add: (name, step) => void steps.push({ name, step }),
    run: () => {
      running ??= (async () => {
        for (let next = steps.pop(); next !== undefined; next = steps.pop()) {
          const { name, step } = next;
          let timer: NodeJS.Timeout | undefined;
          const late = new Promise<'late'>((resolve) => {
            timer = setTimeout(() => resolve('late'), stepTime);
          });
          const outcome = await Promise.race([step().catch((error: unknown) => error), late]);
          clearTimeout(timer);
          if (outcome === 'late') log.warn(`${name} did not stop within ${stepTime} ms.`);
          else if (outcome !== undefined) log.warn(`${name} did not stop cleanly.`, { error: outcome });
        }
      })();
      return running;
    },
  };
}
