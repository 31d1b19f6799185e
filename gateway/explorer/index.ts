/** The explorer: the folder of its built page. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Folder of the built page, which is served under `/explorer/`; null if it has not been built. */
export function pageFolder(): string | null {
  // The source folder has no index.html, so that only the build output is served.
  const candidates = [
    join(import.meta.dirname, 'page'),
    join(import.meta.dirname, '..', '..', 'dist', 'gateway', 'explorer', 'page'),
  ];
  return candidates.find((folder) => existsSync(join(folder, 'index.html'))) ?? null;
}
