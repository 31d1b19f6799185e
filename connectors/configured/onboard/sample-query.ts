/** Runs one query of a declared entity and describes the first row. */
import type { Entity, RowQuery } from '../core/declaration.ts';
import { extractRows, valueAt } from '../core/mapping.ts';
import { findOperation, type Reader } from '../core/source-description.ts';

/** Milliseconds. */
const TIMEOUT = 5_000;

/** Describes the result of one query. Errors of the system are in the message; it does not reject for them. */
export async function runSampleQuery(reader: Reader, entity: Entity, key: string): Promise<string> {
  const list = entity.poll?.ask ?? entity.joins.find((join) => join.ask.argument === null)?.ask;
  const query = list ?? entity.joins[0]?.ask ?? entity.byKey;
  if (!query) return 'has no query';
  try {
    const rows = await readRows(reader, query, list ? null : key);
    if (rows.length === 0) return `no rows (${query.operation})`;
    return describeFirstRow(entity, rows);
  } catch (error) {
    return `${query.operation} failed: ${(error as Error).message}`;
  }
}

/** The number of rows and up to four fields of the first, without fields that require a scope. */
export function describeFirstRow(entity: Entity, rows: readonly unknown[]): string {
  if (rows.length === 0) return 'no rows';
  const fields = entity.fields
    .filter((field) => field.scopes.length === 0)
    .slice(0, 4)
    .map((field) => `${field.name}: ${JSON.stringify(valueAt(rows[0], field.from) ?? null)}`);
  return `${rows.length} rows; the first: { ${fields.join(', ')} }`;
}

async function readRows(reader: Reader, query: RowQuery, key: string | null): Promise<unknown[]> {
  const isList = findOperation(reader, query.operation)?.arguments.find(({ name }) => name === query.argument)?.list;
  const args =
    query.argument === null || key === null ? query.given : { ...query.given, [query.argument]: isList ? [key] : key };
  const response = await reader.call(
    { operation: query.operation, args, nullIfNotFound: true },
    AbortSignal.timeout(TIMEOUT),
  );
  return extractRows(response, { ...query, match: null }).map(({ raw }) => raw);
}
