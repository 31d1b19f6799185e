import { readSettings } from '../../kit/config/settings.ts';
import { SourceError } from '../../kit/errors.ts';
import { openVendorDatabase, type VendorDatabase } from '../../kit/protocols/sql.ts';
import { asksOf } from '../core/connector-family.ts';
import type { Entity } from '../core/declaration.ts';
import { tableOperations, typedTable } from '../core/tabular-source.ts';
import type { Drafted } from '../draft/draft-entities.ts';
import { draftTable } from '../draft/draft-table.ts';
import { sqlReader } from '../sql/index.ts';
import { SCHEMES, sqlSettings } from '../sql/settings.ts';
import { catalogueOf, dialectOf, quotedName, quotedTable, type Table, writable } from '../sql/table-catalog.ts';
import { OnboardError, type OnboardOptions, type Place, type Probe } from './probe.ts';
import { firstOf } from './sample-query.ts';

/** Rows that links, and whose columns are about people, are guessed from. */
const SAMPLE = 200;
/** A longer table has no list of its own: following it would read it all again and again. */
const LISTED = 10_000;
const TABLES = 20;
const TIME = 10_000;

/** Tables and views of a database. `source` is the environment's variable that holds the address, or an address without a password. */
export async function probeSql(options: OnboardOptions, place: Place): Promise<Probe> {
  const { url, written } = addressOf(options);
  const database = await openVendorDatabase(url, 5_000);
  const signal = AbortSignal.timeout(TIME);
  const all = await reachable(catalogueOf(database, dialectOf(url), signal), database);
  const names = options.tables.length > 0 ? [...options.tables] : [...all.keys()].slice(0, TABLES);
  const unknown = names.filter((one) => !all.has(one));
  if (unknown.length > 0) {
    await database.close();
    throw new OnboardError(
      `There is no table ${unknown.join(', ')} that the account is shown; there are ${[...all.keys()].slice(0, TABLES).join(', ') || 'none'}.`,
    );
  }
  const drafted: Drafted[] = [];
  for (const name of names) {
    const one = await draftOf(database, all.get(name) as Table, place.codes, signal);
    const base = one?.name ?? '';
    const twice = drafted.filter((each) => each.name.replace(/\d+$/, '') === base).length;
    if (one) drafted.push(twice === 0 ? one : { ...one, name: `${base}${twice + 1}` });
  }
  const rights = await writable(database, dialectOf(url), names, signal);
  const warning =
    rights.tables.length > 0
      ? `; the account may write into ${rights.tables.join(', ')}: give the hub one that may only read (GRANT SELECT)`
      : rights.unknownRoles.length > 0
        ? `; whether the account may write is unknown: the rights of its role ${rights.unknownRoles.join(', ')} are not listed`
        : '; the account may only read';
  const left = all.size - names.length;
  return {
    found: `${all.size} ${all.size === 1 ? 'table or view' : 'tables and views'}${left > 0 ? `, ${left} left out (name those you want: --table NAME)` : ''}${warning}`,
    drafted,
    nothing: 'The account is shown no table with columns that the graph can show',
    connector: 'sql',
    written: { database: written },
    values: { database: url },
    copy: null,
    sample: (entity) => sampleOf(url, options.system, entity, drafted),
    close: () => database.close(),
  };
}

/** The address, and how isthmus.yaml says it: never with a password. */
function addressOf({ source, environment, system }: OnboardOptions): { url: string; written: string } {
  const variable = /^[A-Za-z_][A-Za-z0-9_]*$/.test(source) ? source : null;
  const url = variable === null ? source : environment[variable];
  const example = `${system.toUpperCase().replaceAll('-', '_')}_DB`;
  const how = `put it into the environment and name it: ${example}=postgres://... isthmus onboard sql ${example} --system ${system}`;
  if (!url) throw new OnboardError(`The environment has no ${source}; ${how}`);
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new OnboardError(`That is no address of a database; ${how}`);
  }
  if (!SCHEMES.some((one) => parsed.protocol === `${one}:`))
    throw new OnboardError(`The address must begin with ${SCHEMES.map((one) => `${one}://`).join(' or ')}; ${how}`);
  if (variable === null && parsed.password)
    throw new OnboardError(`An address with a password does not belong on a command line; ${how}`);
  return { url, written: variable === null ? url : `\${${variable}}` };
}

async function reachable<T>(asked: Promise<T>, database: VendorDatabase): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    await database.close().catch(() => undefined);
    const { message } = error as Error;
    const refused = error instanceof SourceError && error.code === 'SOURCE_REJECTED';
    throw new OnboardError(
      refused ? `The database refuses the account: ${message}.` : `The database does not answer: ${message}.`,
    );
  }
}

async function draftOf(database: VendorDatabase, table: Table, codes: ReadonlySet<string>, signal: AbortSignal) {
  const columns = [...table.columns].flatMap(([name, one]) =>
    one.type === null || /["`?{}\\]/.test(name) ? [] : [{ name, type: one.type }],
  );
  if (columns.length === 0) return null;
  const list = columns.map((one) => quotedName(one.name)).join(', ');
  const rows = await database.select(`SELECT ${list} FROM ${quotedTable(table.name)} {limit ${SAMPLE}}`, [], signal);
  const count = await database.select(
    `SELECT COUNT(*) AS "n" FROM (SELECT 1 AS "one" FROM ${quotedTable(table.name)} {limit ${LISTED + 1}}) AS "some"`,
    [],
    signal,
  );
  const drafted = draftTable({ name: table.name, columns, rows, key: table.key, every: '30s' }, codes);
  if (!drafted || Number(count[0]?.['n'] ?? 0) <= LISTED) return drafted;
  const { list: _list, on: joins, ...rest } = drafted.declaration as { list?: unknown; on: Record<string, unknown> };
  const on = Object.fromEntries(Object.entries(joins).filter(([where]) => !where.startsWith('Park.')));
  if (Object.keys(on).length === 0 && !('fetch' in rest)) return null;
  const reachedBy = Object.keys(on).length > 0 ? { on } : {};
  const notes = drafted.notes.filter((one) => !one.startsWith('Park.'));
  return {
    ...drafted,
    declaration: { ...rest, ...reachedBy },
    notes: [...notes, `more than ${LISTED} rows: no list of all, so no events`],
  };
}

/** One question as the declaration puts it: the keys of the rows that stand there, in one call. */
async function sampleOf(url: string, system: string, entity: Entity, drafted: readonly Drafted[]): Promise<string[]> {
  const entities = Object.fromEntries(drafted.map((one) => [one.name, one.declaration]));
  const read = readSettings(sqlSettings, { system, database: url, entities });
  if (read.values === null) throw new OnboardError(read.faults.map((one) => `${one.name} ${one.problem}`).join('\n'));
  const own = read.values.entities.map(typedTable);
  const reader = sqlReader(tableOperations(read.values.entities), read.values, own);
  try {
    const ask = entity.poll?.ask ?? asksOf(entity).find((one) => one.argument === null);
    if (!ask) return ['is asked by key only'];
    const answer = await reader.ask({ operation: ask.operation, given: {}, absent: false }, AbortSignal.timeout(TIME));
    return [firstOf(entity, answer as readonly unknown[])];
  } catch (error) {
    return [`does not answer: ${(error as Error).message}`];
  } finally {
    await reader.close();
  }
}
