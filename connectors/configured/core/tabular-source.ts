/** What SQL tables and files have in common: an operation is a table, its arguments are columns, each takes many keys, and types are declared. */
import { DeclarationError } from '../../kit/connector.ts';
import { asksOf } from './connector-family.ts';
import type { Ask, Entity } from './declaration.ts';
import type { TypedEntity } from './mapping.ts';
import type { Argument, Operation } from './source-description.ts';

/** Questions by column: where a row names the key is that column, unless it is said otherwise. */
export function tabular(entities: readonly Entity[]): readonly Entity[] {
  const whole = (ask: Ask): Ask =>
    ask.argument !== null && ask.match === null ? { ...ask, match: ask.argument } : ask;
  return entities.map((entity) => ({
    ...entity,
    byKey: entity.byKey && whole(entity.byKey),
    poll: entity.poll && { ...entity.poll, ask: whole(entity.poll.ask) },
    joins: entity.joins.map((join) => ({ ...join, ask: whole(join.ask) })),
  }));
}

/**
 * Operations as the entities ask them: what stands behind them is looked at when it is asked, so that a hub starts without it.
 * A field without a type is a text. Throws `DeclarationError` for what makes no sense of a table.
 */
export function tableOperations(entities: readonly Entity[]): Map<string, Operation> {
  const found = new Map<string, Map<string, Argument>>();
  for (const entity of entities) {
    for (const ask of asksOf(entity)) {
      if (ask.rows !== null)
        throw new DeclarationError(
          `${entity.name}: a table has no rows within its answer; leave out rows: ${ask.rows}`,
        );
      const columns = found.get(ask.operation) ?? new Map<string, Argument>();
      found.set(ask.operation, columns);
      for (const name of [...Object.keys(ask.given), ...(ask.argument === null ? [] : [ask.argument])])
        columns.set(name, { name, required: false, list: true, many: false });
    }
  }
  return new Map(
    [...found].map(([name, columns]) => [
      name,
      {
        name,
        summary: null,
        arguments: [...columns.values()],
        at: () => ({ type: 'String' as const, list: false, description: null, parts: [] }),
      },
    ]),
  );
}

/** An entity whose types are all declared. */
export const typedTable = (entity: Entity): TypedEntity => ({
  ...entity,
  types: new Map(entity.fields.map((one) => [one.name, one.link ? 'String' : (one.type ?? 'String')])),
});

/** Columns of an operation that questions are asked by, and where rows name their keys. */
export const askedColumns = (entities: readonly Entity[], operation: string): string[] => [
  ...new Set(
    entities
      .flatMap(asksOf)
      .filter((ask) => ask.operation === operation)
      .flatMap((ask) => [ask.argument, ask.match, ...Object.keys(ask.given)].filter((one) => one !== null)),
  ),
];
