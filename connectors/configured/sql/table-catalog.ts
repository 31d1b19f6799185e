/** Reads a database's catalog: tables, columns, primary keys, and what the account may write to. */
import type { Row, VendorDatabase } from '../../kit/protocols/sql.ts';
import type { FieldType } from '../core/declaration.ts';

export interface Table {
  /** Name in queries: with its schema, unless that is the account's current one. */
  readonly name: string;
  readonly columns: ReadonlyMap<string, SqlColumn>;
  /** Column of the primary key; null if there is none or it has several columns. */
  readonly key: string | null;
}

export interface SqlColumn {
  /** Type name of the database, in lower case. */
  readonly sqlType: string;
  /** Null: the graph has no such type (bytes, nested objects, lists). */
  readonly type: FieldType | null;
}

const COLUMNS = `SELECT c."table_schema" AS "schema", c."table_name" AS "table", c."column_name" AS "column",
  c."data_type" AS "kind", c."ordinal_position" AS "place"
  FROM information_schema.columns c WHERE c."table_schema" NOT IN ('pg_catalog', 'information_schema', 'mysql', 'performance_schema', 'sys')
  ORDER BY c."table_schema", c."table_name", c."ordinal_position"`;

/** Columns of primary keys. The views of information_schema hide them from a read-only account. */
const PRIMARY_KEYS = {
  postgres: `SELECT n.nspname AS "schema", t.relname AS "table", a.attname AS "column" FROM pg_index i
    JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY(i.indkey) WHERE i.indisprimary`,
  mysql: `SELECT c."table_schema" AS "schema", c."table_name" AS "table", c."column_name" AS "column"
    FROM information_schema.columns c WHERE c."column_key" = 'PRI'`,
} as const;
const CURRENT_SCHEMA = {
  postgres: 'SELECT current_schema() AS "home"',
  mysql: 'SELECT database() AS "home"',
} as const;
export type Dialect = keyof typeof PRIMARY_KEYS;

/** The dialect for the scheme of a URL. */
export const dialectOf = (url: string): Dialect => (/^(mysql|mariadb):/.test(url) ? 'mysql' : 'postgres');

/** Tables and views that the account can see, by name. Rejects with `SourceError`. */
export async function readCatalog(
  database: VendorDatabase,
  dialect: Dialect,
  signal: AbortSignal,
): Promise<Map<string, Table>> {
  // In sequence, on one connection: a wrong password is tried once, so that the account is not locked.
  const [home] = await database.select(CURRENT_SCHEMA[dialect], [], signal);
  const columns = await database.select(COLUMNS, [], signal);
  const keys = await database.select(PRIMARY_KEYS[dialect], [], signal);
  const own = String(home?.['home'] ?? '');
  const nameOf = (row: Row): string =>
    row['schema'] === own ? String(row['table']) : `${row['schema']}.${row['table']}`;
  const tables = new Map<string, { name: string; columns: Map<string, SqlColumn>; key: string | null }>();
  for (const row of columns) {
    const name = nameOf(row);
    const table = tables.get(name) ?? { name, columns: new Map(), key: null };
    tables.set(name, table);
    const kind = String(row['kind']).toLowerCase();
    table.columns.set(String(row['column']), { sqlType: kind, type: graphTypeOf(kind) });
  }
  const keyColumns = new Map<string, string[]>();
  for (const row of keys) keyColumns.set(nameOf(row), [...(keyColumns.get(nameOf(row)) ?? []), String(row['column'])]);
  for (const [name, [first, ...rest]] of keyColumns) {
    const table = tables.get(name);
    if (table && first !== undefined && rest.length === 0) table.key = first;
  }
  return tables;
}

function graphTypeOf(kind: string): FieldType | null {
  if (/^(smallint|integer|int|mediumint|tinyint|year)$/.test(kind)) return 'Int';
  if (/^(numeric|decimal)$/.test(kind)) return 'Decimal';
  if (/^(real|double|double precision|float)$/.test(kind)) return 'Float';
  if (kind === 'boolean') return 'Boolean';
  if (kind === 'date') return 'Date';
  if (/^(timestamp|datetime)/.test(kind)) return 'DateTime';
  if (
    /^(bytea|json|jsonb|array|\w*blob|\w*binary|geometry|point|xml|tsvector|bit|interval|box|circle|line|lseg|path|polygon)$/.test(
      kind,
    )
  )
    return null;
  return 'String';
}

/** Whether a text is a valid value of that column. A database rejects the whole query for an invalid one. */
export function fitsColumn(kind: string, key: string): boolean {
  if (/^(smallint|tinyint|mediumint|integer|int|bigint|year)$/.test(kind))
    return /^-?\d{1,18}$/.test(key) && fitsInteger(kind, key);
  if (/^(numeric|decimal|real|double|double precision|float|money)$/.test(kind))
    return /^-?\d{1,30}(\.\d{1,30})?$/.test(key);
  if (kind === 'uuid') return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(key);
  if (/^(boolean|bit)$/.test(kind)) return /^(true|false|0|1)$/i.test(key);
  if (/^(date|timestamp|datetime)/.test(kind))
    return /^\d{4}-\d{2}-\d{2}/.test(key) && !Number.isNaN(new Date(key).getTime());
  return !key.includes('\0');
}

const fitsInteger = (kind: string, key: string): boolean =>
  kind === 'bigint' || Math.abs(Number(key)) < (kind === 'smallint' ? 32_768 : 2_147_483_648);

const WRITABLE_TABLES = `SELECT n.nspname AS "schema", c.relname AS "table"
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')`;

/** What an account may write to, as far as the server lists it. */
export interface WriteRights {
  readonly tables: readonly string[];
  /** Roles of the account whose rights the server did not list; always empty for PostgreSQL, which includes them. */
  readonly unknownRoles: readonly string[];
}

/** Compiles a pattern of SQL's LIKE; `\_` and `\%` are literal. */
function likePattern(pattern: string): RegExp {
  const source = pattern.replace(/\\([_%])|[.*+?^${}()|[\]\\]|[_%]/g, (sign, literal?: string) => {
    if (literal) return literal;
    if (sign === '_') return '.';
    return sign === '%' ? '.*' : `\\${sign}`;
  });
  return new RegExp(`^${source}$`, 'i');
}

/**
 * Parses the lines of `SHOW GRANTS` of MySQL or MariaDB. `home`: schema of tables without one. A grant counts for its database only, since
 * MariaDB grants PUBLIC everything on `test`. MariaDB lists the rights of active roles, MySQL lists none.
 */
export function parseGrants(lines: readonly string[], home: string, tables: readonly string[]): WriteRights {
  const NAME = '`(?:[^`]|``)*`';
  const onTables = new RegExp(`^GRANT (.*?) ON (?:TABLE )?(\\*|${NAME})\\.(\\*|${NAME}) TO (${NAME})?`);
  const plain = (name: string): string => name.replace(/^`|`$/g, '').replaceAll('``', '`');
  const grants: { schema: string; table: string }[] = [];
  const listed = new Set<string>();
  const roles = new Set<string>();
  for (const line of lines) {
    const [, rights, schema = '', table = '', holder = ''] = onTables.exec(line) ?? [];
    if (rights !== undefined) {
      listed.add(plain(holder));
      if (/\b(ALL PRIVILEGES|INSERT|UPDATE|DELETE|DROP|ALTER)\b/.test(rights)) grants.push({ schema, table });
    } else {
      const granted = /^GRANT (.*) TO /.exec(line)?.[1] ?? '';
      for (const [role] of granted.replace(/@`[^`]*`/g, '').matchAll(new RegExp(NAME, 'g'))) roles.add(plain(role));
    }
  }
  const isGranted = (name: string): boolean => {
    const [first = '', second] = name.split('.');
    const schema = second === undefined ? home : first;
    const table = second ?? first;
    return grants.some((grant) => {
      if (grant.schema === '*') return true;
      // The database is a pattern in a grant on all of its tables, and a plain name in a grant on one table.
      if (grant.table === '*') return likePattern(plain(grant.schema)).test(schema);
      return plain(grant.schema) === schema && plain(grant.table) === table;
    });
  };
  return { tables: tables.filter(isGranted), unknownRoles: [...roles].filter((role) => !listed.has(role)) };
}

/** Which of these tables the account may write to; none for an account as it should be. Rejects with `SourceError`. */
export async function readWriteRights(
  database: VendorDatabase,
  dialect: Dialect,
  tables: readonly string[],
  signal: AbortSignal,
): Promise<WriteRights> {
  if (dialect === 'mysql') {
    const [grants, [home]] = await Promise.all([
      database.select('SHOW GRANTS', [], signal),
      database.select(CURRENT_SCHEMA.mysql, [], signal),
    ]);
    const lines = grants.flatMap((row) => Object.values(row).map(String));
    return parseGrants(lines, String(home?.['home']), tables);
  }
  const [rows, [home]] = await Promise.all([
    database.select(WRITABLE_TABLES, [], signal),
    database.select(CURRENT_SCHEMA.postgres, [], signal),
  ]);
  const names = new Set(
    rows.map((row) => (row['schema'] === home?.['home'] ? String(row['table']) : `${row['schema']}.${row['table']}`)),
  );
  return { tables: tables.filter((table) => names.has(table)), unknownRoles: [] };
}

/** Quotes the name of a table or column. Throws for quotes, `?`, braces, backslash and NUL. */
export function quoteName(name: string): string {
  if (/["`?{}\\\0]/.test(name))
    throw new Error(`The name ${JSON.stringify(name)} contains a character that is not supported.`);
  return `"${name}"`;
}

/** Quotes each part of `schema.table`. Throws as `quoteName` does. */
export const quoteTable = (name: string): string => name.split('.').map(quoteName).join('.');
