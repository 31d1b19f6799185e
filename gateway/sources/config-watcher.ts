/** Follows isthmus.yaml while the hub runs: what is saved takes its place, or is refused with the reason in the log. */
import { unwatchFile, watchFile } from 'node:fs';
import type { Log } from '../../connectors/kit/log.ts';
import type { Change } from './source-registry.ts';

/** How often the file's time is looked at; works on every file system. */
const LOOK = 1_000;

/** Calls `change` after each saving of the file, and by `again` (SIGHUP); one at a time, the newest state last. */
export function followFile(file: string, log: Log, change: () => Promise<Change>): { again(): void; close(): void } {
  let work = Promise.resolve();
  const again = (): void => {
    work = work.then(change).then(
      ({ added, changed, removed }) => {
        const told = [
          ...added.map((one) => `+ ${one}`),
          ...changed.map((one) => `~ ${one}`),
          ...removed.map((one) => `- ${one}`),
        ];
        log.warn(told.length > 0 ? `${file} is in force: ${told.join(', ')}.` : `${file} asks for nothing new.`);
      },
      (error: unknown) => {
        log.error(
          `${file} is refused, and all stays as it was: ${error instanceof Error ? error.message : String(error)}`,
        );
      },
    );
  };
  const looked = (now: { mtimeMs: number }, before: { mtimeMs: number }): void => {
    if (now.mtimeMs !== before.mtimeMs && now.mtimeMs > 0) again();
  };
  watchFile(file, { interval: LOOK, persistent: false }, looked);
  return {
    again,
    close: () => unwatchFile(file, looked),
  };
}
