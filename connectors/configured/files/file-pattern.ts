/** Finds the file of an operation: one by name, or the newest that matches a pattern with `*`. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { unavailable } from '../../kit/errors.ts';

export interface FoundFile {
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly modified: Date;
  /** Changes when the file is replaced or modified. */
  readonly fingerprint: string;
}

/** The newest file that matches. Rejects with `SourceError` (unavailable) if there is none. */
export async function findNewest(folder: string, pattern: string): Promise<FoundFile> {
  const names = pattern.includes('*')
    ? (await readdir(folder).catch((): string[] => [])).filter((name) => matchesPattern(pattern, name))
    : [pattern];
  const found = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      const stats = await stat(path).catch(() => null);
      if (!stats?.isFile()) return [];
      const fingerprint = `${name} ${stats.size} ${stats.mtimeMs}`;
      return [{ name, path, size: stats.size, modified: stats.mtime, fingerprint }];
    }),
  );
  const newest = found
    .flat()
    .sort((a, b) => b.modified.getTime() - a.modified.getTime() || (a.name < b.name ? 1 : -1))[0];
  if (!newest) throw unavailable(`there is no ${pattern}`);
  return newest;
}

/** Whether a file name matches the pattern. */
export function matchesPattern(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((text) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}
