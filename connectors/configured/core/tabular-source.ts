/** What SQL tables and files have in common: an operation is a table, an argument is a column that accepts many keys, types are declared. */
import { DeclarationError } from '../../kit/errors.ts';
import { queriesOf } from './connector-family.ts';
import type { Entity, RowQuery } from './declaration.ts';
import type { TypedEntity } from './mapping.ts';
import type { Argument, Operation } from './source-description.ts';

/** Sets `match` of each query to its argument, since that is the column that contains the key; a declared `match` is kept. */
export function matchByArgument(entities: readonly Entity[]): readonly Entity[] {
  const withMatch = (query: RowQuery): RowQuery =>
    query.argument !== null && query.match === null ? { ...query, match: query.argument } : query;
  return entities.map((entity) => ({
    ...entity,
    byKey: entity.byKey && withMatch(entity.byKey),
    poll: entity.poll && { ...entity.poll, ask: withMatch(entity.poll.ask) },
    joins: entity.joins.map((join) => ({ ...join, ask: withMatch(join.ask) })),
  }));
}

/**
 * The operations that the entities query. The tables themselves are not read, so that a hub starts without them. A field without a
 * type is a text. Throws `DeclarationError` for a query with `rows`, which a table does not have.
 */
export function tableOperations(entities: readonly Entity[]): Map<string, Operation> {
  const found = new Map<string, Map<string, Argument>>();
  for (const entity of entities) {
    for (const query of queriesOf(entity)) {
      if (query.rows !== null)
        throw new DeclarationError(`${entity.name}: a table has no path to its rows; remove rows: ${query.rows}`);
      const columns = found.get(query.operation) ?? new Map<string, Argument>();
      found.set(query.operation, columns);
      for (const name of [...Object.keys(query.given), ...(query.argument === null ? [] : [query.argument])])
        columns.set(name, { name, required: false, list: true, commaSeparated: false });
    }
  }
  return new Map(
    [...found].map(([name, columns]) => [
      name,
      {
        name,
        summary: null,
        arguments: [...columns.values()],
        resultAt: () => ({ type: 'String' as const, list: false, description: null, members: [] }),
      },
    ]),
  );
}

/** The entity with its declared types; a field without one is a text. */
export const withDeclaredTypes = (entity: Entity): TypedEntity => ({
  ...entity,
  types: new Map(entity.fields.map(({ name, link, type }) => [name, link ? 'String' : (type ?? 'String')])),
});

/** Columns of a table that queries filter by or match on. */
export const queriedColumns = (entities: readonly Entity[], operation: string): string[] => [
  ...new Set(
    entities
      .flatMap(queriesOf)
      .filter((query) => query.operation === operation)
      .flatMap((query) => [query.argument, query.match, ...Object.keys(query.given)].filter((name) => name !== null)),
  ),
];
