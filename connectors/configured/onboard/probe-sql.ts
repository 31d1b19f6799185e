import { readSettings } from '../../kit/config/settings.ts';
import { SourceError } from '../../kit/errors.ts';
import { openVendorDatabase, type VendorDatabase } from '../../kit/protocols/sql.ts';
import { queriesOf } from '../core/connector-family.ts';
import type { Entity } from '../core/declaration.ts';
import { tableOperations, withDeclaredTypes } from '../core/tabular-source.ts';
import type { EntityDraft } from '../draft/draft-entities.ts';
import { draftTable } from '../draft/draft-table.ts';
import { createSqlReader } from '../sql/index.ts';
import { sqlSettings, URL_SCHEMES } from '../sql/settings.ts';
import { dialectOf, quoteName, quoteTable, readCatalog, readWriteRights, type Table } from '../sql/table-catalog.ts';
import { OnboardError, type OnboardOptions, type OnboardTarget, type Probe } from './probe.ts';
import { describeFirstRow } from './sample-query.ts';

/** Rows from which links and personal columns are guessed. */
const SAMPLE_ROWS = 200;
/** A table with more rows is drafted without a list, since polling would read all of it every time. */
const MAX_LISTED_ROWS = 10_000;
/** Tables drafted without `--table`. */
const MAX_TABLES = 20;
/** Milliseconds for all catalog queries, and for a sample query. */
const TIMEOUT = 10_000;

/** Probes tables and views of a database. `source`: an environment variable with its URL, or a URL without a password. Rejects with `OnboardError`. */
export async function probeSql(options: OnboardOptions, place: OnboardTarget): Promise<Probe> {
  const { url, reference } = readAddress(options);
  const database = await openVendorDatabase(url, 5_000);
  const signal = AbortSignal.timeout(TIMEOUT);
  const all = await connected(readCatalog(database, dialectOf(url), signal), database);
  const names = options.tables.length > 0 ? [...options.tables] : [...all.keys()].slice(0, MAX_TABLES);
  const unknown = names.filter((name) => !all.has(name));
  if (unknown.length > 0) {
    await database.close();
    throw new OnboardError(
      `The account cannot see the table ${unknown.join(', ')}. It can see ${[...all.keys()].slice(0, MAX_TABLES).join(', ') || 'none'}.`,
    );
  }
  const drafts: EntityDraft[] = [];
  for (const name of names) {
    const draft = await draftTableOf(database, all.get(name) as Table, place.buildingCodes, signal);
    const base = draft?.name ?? '';
    const sameName = drafts.filter((other) => other.name.replace(/\d+$/, '') === base).length;
    if (draft) drafts.push(sameName === 0 ? draft : { ...draft, name: `${base}${sameName + 1}` });
  }
  const rights = await readWriteRights(database, dialectOf(url), names, signal);
  const warning =
    rights.tables.length > 0
      ? `; the account may write to ${rights.tables.join(', ')}: use a read-only account (GRANT SELECT)`
      : rights.unknownRoles.length > 0
        ? `; cannot determine whether the account may write: the server does not list the rights of its role ${rights.unknownRoles.join(', ')}`
        : '; the account is read-only';
  const omitted = all.size - names.length;
  return {
    summary: `${all.size} ${all.size === 1 ? 'table or view' : 'tables and views'}${omitted > 0 ? `, ${omitted} omitted (select tables with --table NAME)` : ''}${warning}`,
    drafts,
    emptyReason: 'The account can see no table with columns that the graph supports',
    family: 'sql',
    fileSettings: { database: reference },
    settings: { database: url },
    copy: null,
    sample: (entity) => runSample(url, options.system, entity, drafts),
    close: () => database.close(),
  };
}

/** The URL, and its reference for isthmus.yaml, which never contains a password. Throws `OnboardError`. */
function readAddress({ source, environment, system }: OnboardOptions): { url: string; reference: string } {
  const variable = /^[A-Za-z_][A-Za-z0-9_]*$/.test(source) ? source : null;
  const url = variable === null ? source : environment[variable];
  const example = `${system.toUpperCase().replaceAll('-', '_')}_DB`;
  const remedy = `set an environment variable and pass its name: ${example}=postgres://... isthmus onboard sql ${example} --system ${system}`;
  if (!url) throw new OnboardError(`Environment variable ${source} is not set; ${remedy}`);
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new OnboardError(`The source is not the URL of a database; ${remedy}`);
  }
  if (!URL_SCHEMES.some((scheme) => parsed.protocol === `${scheme}:`))
    throw new OnboardError(
      `The URL must begin with ${URL_SCHEMES.map((scheme) => `${scheme}://`).join(' or ')}; ${remedy}`,
    );
  if (variable === null && parsed.password)
    throw new OnboardError(`Do not pass a password on the command line; ${remedy}`);
  return { url, reference: variable === null ? url : `\${${variable}}` };
}

/** The result; closes the database and throws `OnboardError` if the query fails. */
async function connected<T>(query: Promise<T>, database: VendorDatabase): Promise<T> {
  try {
    return await query;
  } catch (error) {
    await database.close().catch(() => undefined);
    const { message } = error as Error;
    const isRejected = error instanceof SourceError && error.code === 'SOURCE_REJECTED';
    throw new OnboardError(
      isRejected ? `The database rejected the account: ${message}.` : `The database is not reachable: ${message}.`,
    );
  }
}

async function draftTableOf(database: VendorDatabase, table: Table, codes: ReadonlySet<string>, signal: AbortSignal) {
  const columns = [...table.columns].flatMap(([name, { type }]) =>
    type === null || /["`?{}\\]/.test(name) ? [] : [{ name, type }],
  );
  if (columns.length === 0) return null;
  const list = columns.map(({ name }) => quoteName(name)).join(', ');
  const rows = await database.select(
    `SELECT ${list} FROM ${quoteTable(table.name)} {limit ${SAMPLE_ROWS}}`,
    [],
    signal,
  );
  const count = await database.select(
    `SELECT COUNT(*) AS "n" FROM (SELECT 1 AS "one" FROM ${quoteTable(table.name)} {limit ${MAX_LISTED_ROWS + 1}}) AS "some"`,
    [],
    signal,
  );
  const draft = draftTable({ name: table.name, columns, rows, key: table.key, every: '30s' }, codes);
  if (!draft || Number(count[0]?.['n'] ?? 0) <= MAX_LISTED_ROWS) return draft;
  const { list: _list, on: joins, ...rest } = draft.declaration as { list?: unknown; on: Record<string, unknown> };
  const on = Object.fromEntries(Object.entries(joins).filter(([field]) => !field.startsWith('Park.')));
  if (Object.keys(on).length === 0 && !('fetch' in rest)) return null;
  const reachedBy = Object.keys(on).length > 0 ? { on } : {};
  const notes = draft.notes.filter((note) => !note.startsWith('Park.'));
  return {
    ...draft,
    declaration: { ...rest, ...reachedBy },
    notes: [...notes, `more than ${MAX_LISTED_ROWS} rows: no full list, so no events`],
  };
}

/** Runs the list query of a drafted entity and describes the first row, or the error. */
async function runSample(
  url: string,
  system: string,
  entity: Entity,
  drafts: readonly EntityDraft[],
): Promise<string[]> {
  const entities = Object.fromEntries(drafts.map(({ name, declaration }) => [name, declaration]));
  const read = readSettings(sqlSettings, { system, database: url, entities });
  if (read.values === null)
    throw new OnboardError(read.errors.map(({ name, problem }) => `${name} ${problem}`).join('\n'));
  const own = read.values.entities.map(withDeclaredTypes);
  const reader = createSqlReader(tableOperations(read.values.entities), read.values, own);
  try {
    const query = entity.poll?.ask ?? queriesOf(entity).find(({ argument }) => argument === null);
    if (!query) return ['can be queried by key only'];
    const response = await reader.call(
      { operation: query.operation, args: {}, nullIfNotFound: false },
      AbortSignal.timeout(TIMEOUT),
    );
    return [describeFirstRow(entity, response as readonly unknown[])];
  } catch (error) {
    return [`query failed: ${(error as Error).message}`];
  } finally {
    await reader.close();
  }
}
