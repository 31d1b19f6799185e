/** The explorer's reference operations, which the query tests run too. */
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
