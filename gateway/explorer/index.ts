/** The explorer: where its built page lies, and the reference operations that it shows and the query tests run. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** One of the explorer's tabs. */
export interface ReferenceOperation {
  /** As in the file's name and the document. */
  readonly name: string;
  readonly query: string;
  /** Times that move with the clock stand as `@now`, `@now-24h`, `@now-7d`; empty where the operation needs none. */
  readonly variables: Readonly<Record<string, unknown>>;
}

/** The operations, by name. */
export function operations(): ReferenceOperation[] {
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

/** The folder of the built page, to be served as it is under `/explorer/`; null where nobody has built it. */
export function pageFolder(): string | null {
  // Run from the sources, the page's own folder holds no index.html: only what the build made is ever served.
  const candidates = [
    join(import.meta.dirname, 'page'),
    join(import.meta.dirname, '..', '..', 'dist', 'gateway', 'explorer', 'page'),
  ];
  return candidates.find((folder) => existsSync(join(folder, 'index.html'))) ?? null;
}
