/** Prints the database schema as SQL text: tables, columns, keys, indexes. The embedded server has no pg_dump. */
import type { DataSource } from 'typeorm';

interface Column {
  readonly table: string;
  readonly kind: string;
  readonly partition: string | null;
  readonly column: string;
  readonly type: string;
  readonly notnull: boolean;
  readonly fallback: string | null;
}

/** Resolves with the schema in an order that does not change. Daily and monthly partitions are left out. */
export async function databaseSnapshot(source: DataSource): Promise<string> {
  const columns: Column[] = await source.query(`
    SELECT c.relname AS "table", c.relkind::text AS kind, pg_get_partkeydef(c.oid) AS partition, a.attname AS "column",
      format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS notnull,
      CASE WHEN a.attgenerated = 's' THEN 'GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED'
        WHEN d.adbin IS NOT NULL THEN 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END AS fallback
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY c.relname, a.attnum`);
  const constraints: { table: string; text: string }[] = await source.query(`
    SELECT c.relname AS "table", pg_get_constraintdef(k.oid) AS text
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND NOT c.relispartition AND k.contype <> 'n' ORDER BY c.relname, k.contype DESC, text`);
  const indexes: { table: string; text: string }[] = await source.query(`
    SELECT t.relname AS "table", pg_get_indexdef(i.indexrelid) AS text
    FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE n.nspname = 'public' AND NOT t.relispartition
      AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid) ORDER BY t.relname, text`);
  const tables = [...new Set(columns.map((column) => column.table))];
  const parts = tables.map((table) => {
    const own = columns.filter((column) => column.table === table);
    const lines = own.map(
      (column) =>
        `  ${column.column} ${column.type}${column.notnull ? ' NOT NULL' : ''}${column.fallback ? ` ${column.fallback}` : ''}`,
    );
    const keys = constraints
      .filter((constraint) => constraint.table === table)
      .map((constraint) => `  ${constraint.text}`);
    const by = own[0]?.partition ? ` PARTITION BY ${own[0].partition}` : '';
    const body = `CREATE TABLE ${table} (\n${[...lines, ...keys].join(',\n')}\n)${by};`;
    const more = indexes
      .filter((index) => index.table === table)
      .map((index) => `${index.text.replaceAll('public.', '').replace(' ON ONLY ', ' ON ')};`);
    return [body, ...more].join('\n');
  });
  return `-- The hub's database, printed by \`isthmus schema\`. Do not edit: write a migration.\n\n${parts.join('\n\n')}\n`;
}
