/** Which file is meant: one by name, or the newest of a pattern. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { unavailable } from '../../kit/errors.ts';

export interface Newest {
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly modified: Date;
  readonly mark: string;
}

/** The newest file of that name; rejects (SOURCE_UNAVAILABLE) where there is none. */
export async function newestOf(folder: string, pattern: string): Promise<Newest> {
  const names = pattern.includes('*')
    ? (await readdir(folder).catch((): string[] => [])).filter((name) => matches(pattern, name))
    : [pattern];
  const found = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      const about = await stat(path).catch(() => null);
      return about?.isFile()
        ? [{ name, path, size: about.size, modified: about.mtime, mark: `${name} ${about.size} ${about.mtimeMs}` }]
        : [];
    }),
  );
  const newest = found
    .flat()
    .sort((a, b) => b.modified.getTime() - a.modified.getTime() || (a.name < b.name ? 1 : -1))[0];
  if (!newest) throw unavailable(`there is no ${pattern}`);
  return newest;
}

/** Whether a file is called so. */
export function matches(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((one) => one.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}
