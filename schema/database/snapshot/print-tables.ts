import type { Tables } from './read-tables.ts';

/** The text of schema/database.sql: tables, columns, keys, indexes, in an order that does not change. The embedded server has no pg_dump. */
export function printTables(tables: Tables): string {
  const parts = [...tables].map(([name, { partition, columns, constraints, indexes }]) => {
    const lines = [...[...columns].map(([column, text]) => `${column} ${text}`), ...constraints.values()];
    const by = partition === null ? '' : ` PARTITION BY ${partition}`;
    const body = `CREATE TABLE ${name} (\n${lines.map((line) => `  ${line}`).join(',\n')}\n)${by};`;
    return [body, ...[...indexes.values()].map((text) => `${text};`)].join('\n');
  });
  return `-- The hub's database, printed by \`isthmus schema\`. Do not edit: write a migration.\n\n${parts.join('\n\n')}\n`;
}
