/** Watches isthmus.yaml while the hub runs, and applies each saved version or logs why it was rejected. */
import { unwatchFile, watchFile } from 'node:fs';
import type { Log } from '../../connectors/kit/log.ts';
import type { ConfigChange } from './source-registry.ts';

/** Milliseconds between checks of the file's modification time, which works on every file system. */
const POLL_INTERVAL = 1_000;

/** Calls `apply` after each save of the file, and on `reload` (SIGHUP); one at a time, in order. */
export function watchConfig(
  file: string,
  log: Log,
  apply: () => Promise<ConfigChange>,
): { reload(): void; close(): void } {
  let queue = Promise.resolve();
  const reload = (): void => {
    queue = queue.then(apply).then(
      ({ added, changed, removed }) => {
        const changes = Object.entries({ added, changed, removed }).filter(([, names]) => names.length > 0);
        const text = changes.map(([verb, names]) => `${verb} ${names.join(', ')}`).join('; ');
        log.warn(text ? `Applied ${file}: ${text}.` : `Applied ${file}: no changes.`);
      },
      (error: unknown) => {
        log.error(
          `Rejected ${file}, configuration unchanged: ${error instanceof Error ? error.message : String(error)}`,
        );
      },
    );
  };
  const onStat = (now: { mtimeMs: number }, before: { mtimeMs: number }): void => {
    if (now.mtimeMs !== before.mtimeMs && now.mtimeMs > 0) reload();
  };
  watchFile(file, { interval: POLL_INTERVAL, persistent: false }, onStat);
  return {
    reload,
    close: () => unwatchFile(file, onStat),
  };
}
