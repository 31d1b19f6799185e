/** Compares the tables that the entities declare with those that the migrations make. */
import type { DataSource } from 'typeorm';
import { partitionKeyOf } from '../entities/partition-by.ts';
import { readTables, type TableFacts, type Tables } from './read-tables.ts';

/** TypeORM's own table of the expressions of generated columns. */
const SYNCHRONIZE_TABLE = 'typeorm_metadata';

/** The tables that the entities declare, made by TypeORM in an empty database, which afterwards must not be used as the hub's. */
export async function declaredTables(empty: DataSource): Promise<Tables> {
  await empty.synchronize();
  const tables = new Map(await readTables(empty));
  tables.delete(SYNCHRONIZE_TABLE);
  for (const { target, tableName } of empty.entityMetadatas) {
    const facts = tables.get(tableName);
    if (facts) tables.set(tableName, { ...facts, partition: partitionKeyOf(target) });
  }
  return tables;
}

/** One sentence for each difference; empty when the entities declare what the migrations make. The order of columns may differ. */
export function entityDifferences(declared: Tables, made: Tables): string[] {
  return namesOf(declared, made)
    .sort()
    .flatMap((name) => {
      const [entity, table] = [declared.get(name), made.get(name)];
      if (entity && table) return tableDifferences(name, entity, table);
      return entity
        ? `Table ${name}: the entities declare it, the migrations make nothing. Add a migration, or remove the entity.`
        : `Table ${name}: the entities declare nothing, the migrations make it. Write an entity, or add a migration that drops it.`;
    });
}

function tableDifferences(table: string, declared: TableFacts, made: TableFacts): string[] {
  return [
    ...difference(`Partition key of ${table}`, unquoted(declared.partition), unquoted(made.partition)),
    ...differences((name) => `Column ${table}.${name}`, declared.columns, made.columns),
    ...differences((name) => `Constraint ${name} of ${table}`, declared.constraints, made.constraints),
    ...differences((name) => `Index ${name} of ${table}`, declared.indexes, made.indexes),
  ];
}

type Texts = ReadonlyMap<string, string>;

const differences = (title: (name: string) => string, declared: Texts, made: Texts): string[] =>
  namesOf(declared, made).flatMap((name) => difference(title(name), declared.get(name), made.get(name)));

/** One sentence, or none when both are equal. */
function difference(title: string, declared: string | undefined, made: string | undefined): string[] {
  if (declared === made) return [];
  const quoted = (text: string | undefined) => (text === undefined ? 'nothing' : `\`${text}\``);
  const advice =
    made === undefined
      ? 'Add a migration, or remove it from the entity.'
      : declared === undefined
        ? 'Declare it in the entity, or add a migration that drops it.'
        : 'Add a migration, or change the entity.';
  return [`${title}: the entities declare ${quoted(declared)}, the migrations make ${quoted(made)}. ${advice}`];
}

const namesOf = (one: ReadonlyMap<string, unknown>, other: ReadonlyMap<string, unknown>): string[] => [
  ...new Set([...one.keys(), ...other.keys()]),
];

/** PostgreSQL quotes some column names, such as `"time"`. */
const unquoted = (key: string | null): string | undefined => key?.replaceAll('"', '');
