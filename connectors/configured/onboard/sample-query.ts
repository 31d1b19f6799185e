/** One question to a system, as its declaration would ask it, and the first row of the answer in a line. */
import type { Ask, Entity } from '../core/declaration.ts';
import { at, rawRows } from '../core/mapping.ts';
import { operationOf, type Reader } from '../core/source-description.ts';

const TIME = 5_000;

/** A sentence about what came back. Rejects for no fault of the system: that is what the sentence says. */
export async function sample(reader: Reader, entity: Entity, key: string): Promise<string> {
  const list = entity.poll?.ask ?? entity.joins.find((join) => join.ask.argument === null)?.ask;
  const ask = list ?? entity.joins[0]?.ask ?? entity.byKey;
  if (!ask) return 'cannot be asked';
  try {
    const rows = await rowsOf(reader, ask, list ? null : key);
    if (rows.length === 0) return `answers (${ask.operation}), with no rows`;
    return firstOf(entity, rows);
  } catch (error) {
    return `does not answer ${ask.operation}: ${(error as Error).message}`;
  }
}

/** How many rows there are, and some fields of the first: none that needs a right. */
export function firstOf(entity: Entity, rows: readonly unknown[]): string {
  if (rows.length === 0) return 'no rows';
  const shown = entity.fields
    .filter((field) => field.scopes.length === 0)
    .slice(0, 4)
    .map((field) => `${field.name}: ${JSON.stringify(at(rows[0], field.from) ?? null)}`);
  return `${rows.length} rows; the first: { ${shown.join(', ')} }`;
}

async function rowsOf(reader: Reader, ask: Ask, key: string | null): Promise<unknown[]> {
  const list = operationOf(reader, ask.operation)?.arguments.find((one) => one.name === ask.argument)?.list;
  const given =
    ask.argument === null || key === null ? ask.given : { ...ask.given, [ask.argument]: list ? [key] : key };
  const answer = await reader.ask({ operation: ask.operation, given, absent: true }, AbortSignal.timeout(TIME));
  return rawRows(answer, { ...ask, match: null }).map((one) => one.raw);
}
