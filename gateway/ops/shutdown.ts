/** Ordered shutdown: every step runs once, each with a timeout. */
import type { Log } from '../../connectors/kit/log.ts';

export interface Shutdown {
  /** Adds a step; the last one added runs first. `name` is used in log lines. */
  add(name: string, step: () => Promise<void>): void;
  /** Runs all steps, whatever fails; a second call waits for the first. Never rejects. */
  run(): Promise<void>;
}

/** @param stepTimeout milliseconds for each step */
export function createShutdown(log: Log, stepTimeout = 15_000): Shutdown {
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
            timer = setTimeout(() => resolve('late'), stepTimeout);
          });
          const outcome = await Promise.race([step().catch((error: unknown) => error), late]);
          clearTimeout(timer);
          if (outcome === 'late')
            log.warn(`Shutdown step "${name}" exceeded ${stepTimeout.toLocaleString('en')} ms. Continuing.`);
          else if (outcome !== undefined) log.warn(`Shutdown step "${name}" failed. Continuing.`, { error: outcome });
        }
      })();
      return running;
    },
  };
}
