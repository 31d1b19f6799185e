/** The explorer: the folder of its built page, and its reference operations, which the query tests run too. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** An example operation, shown as a tab. */
export interface ReferenceOperation {
  /** Name of the file and of the operation. */
  readonly name: string;
  readonly query: string;
  /** May contain relative times such as `@now-24h`; empty if the operation has none. */
  readonly variables: Readonly<Record<string, unknown>>;
}

/** All reference operations, ordered by name. */
export function referenceOperations(): ReferenceOperation[] {
  const folder = join(import.meta.dirname, 'operations');
  return readdirSync(folder)
    .filter((file) => file.endsWith('.graphql'))
    .sort()
    .map((file) => {
      const variables = join(folder, file.replace(/graphql$/, 'json'));
      return {
        name: basename(file, '.graphql'),
        query: readFileSync(join(folder, file), 'utf8'),
        variables: existsSync(variables) ? JSON.parse(readFileSync(variables, 'utf8')) : {},
      };
    });
}

/** Folder of the built page, which is served under `/explorer/`; null if it has not been built. */
export function pageFolder(): string | null {
  // The source folder has no index.html, so that only the build output is served.
  const candidates = [
    join(import.meta.dirname, 'page'),
    join(import.meta.dirname, '..', '..', 'dist', 'gateway', 'explorer', 'page'),
  ];
  return candidates.find((folder) => existsSync(join(folder, 'index.html'))) ?? null;
}
