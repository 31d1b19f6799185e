/** Drafts the entity of one table or file from its columns and a sample of rows; every guess is explained in the notes. Pure. */
import { type ColumnGuess, guessColumn } from './column-type.ts';
import {
  camelCase,
  type EntityDraft,
  entityName,
  MAX_FIELDS,
  PARK_NAME_PATTERNS,
  pluralFieldName,
} from './draft-entities.ts';

export interface TableSample {
  /** Name of the file or table in queries. */
  readonly name: string;
  readonly columns: readonly Column[];
  /** All rows or a sample. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** Primary key of the table; null: guess it. */
  readonly key: string | null;
  /** Interval at which the list is polled for events, such as `30s`. */
  readonly every: string;
}

export interface Column {
  readonly name: string;
  /** Type of the column in the database; null: guess it. */
  readonly type: ColumnGuess['type'] | null;
}

const KEY = /(^|[_\s-])(id|no|nr|num|number|code|key)$|编号|单号|号码/i;
/** Scope that fields about persons require. */
const PERSONS_SCOPE = 'access:persons';
/** Scope that fields with plates require. */
const PLATES_SCOPE = 'parking:plates';

/** The drafted entity; null if no column can be a field. `codes`: as in `guessColumn`. */
export function draftTable(table: TableSample, codes: ReadonlySet<string>): EntityDraft | null {
  const notes: string[] = [];
  const guesses = new Map(
    table.columns.map((column) => {
      const found = guessColumn(
        column.name,
        table.rows.map((row) => row[column.name]),
        codes,
      );
      return [
        column.name,
        column.type === null ? found : { ...found, type: column.type, evidence: 'from the database' },
      ];
    }),
  );
  const key = table.key ?? guessKey(table, guesses);
  if (table.key === null)
    notes.push(
      key === null
        ? 'key: no column is unique, so the rows have no id and no events'
        : `key: ${key}, unique in all ${table.rows.length} rows`,
    );
  const fields: Record<string, unknown> = {};
  const on: Record<string, unknown> = {};
  const name = entityName(
    table.name
      .replace(/\.(csv|tsv|txt|xlsx|json)$/i, '')
      .replace(/[^A-Za-z]+/g, ' ')
      .trim(),
  );
  for (const [i, { name: column }] of table.columns.entries()) {
    const found = guesses.get(column);
    if (!found || Object.keys(fields).length >= MAX_FIELDS) continue;
    const field = fieldName(column, i, fields);
    const link =
      found.link ??
      PARK_NAME_PATTERNS.find(({ link, pattern }) => link && table.rows.length === 0 && pattern.test(column))?.link ??
      null;
    const scope = found.plate ? PLATES_SCOPE : found.personal ? PERSONS_SCOPE : null;
    fields[field] = {
      from: column,
      ...(link ? { link } : { type: found.type }),
      ...(found.list ? { list: true } : {}),
      ...(scope ? { scopes: [scope] } : {}),
    };
    notes.push(
      `${field}: ${link ?? found.type} (${found.evidence})${scope ? `; ${found.plate ? 'a plate' : 'personal data'}: requires ${scope}` : ''}`,
    );
    const owner =
      link === 'Building.id' ? 'Building' : link === 'Company.uscc' ? 'Company' : found.plate ? 'Vehicle' : null;
    if (owner && !(`${owner}.${pluralFieldName(name)}` in on)) {
      on[`${owner}.${pluralFieldName(name)}`] = { operation: table.name, argument: column, many: true };
      notes.push(`${owner}.${pluralFieldName(name)}: one call for up to 100 keys`);
    }
  }
  if (Object.keys(fields).length === 0) return null;
  if (table.columns.length > MAX_FIELDS)
    notes.push(`${table.columns.length - MAX_FIELDS} more columns were left out; add those you need`);
  if (Object.keys(on).length === 0) {
    on[`Park.${pluralFieldName(name)}`] = { operation: table.name, many: true };
    notes.push(`Park.${pluralFieldName(name)}: the whole list, one call`);
  }
  const declaration = {
    ...(key === null
      ? {}
      : {
          key,
          fetch: { operation: table.name, argument: key },
          list: { operation: table.name, every: table.every },
        }),
    fields,
    on,
  };
  return { name, declaration, notes };
}

/** A unique column that is named like a key, `id` first; null if there is none. */
function guessKey(table: TableSample, guesses: ReadonlyMap<string, ColumnGuess>): string | null {
  const candidates = table.columns
    .map(({ name }) => name)
    .filter((name) => {
      const found = guesses.get(name);
      return found?.unique && !found.personal && !['Decimal', 'DateTime', 'Date', 'Boolean'].includes(found.type);
    });
  return candidates.find((name) => /^id$/i.test(name)) ?? candidates.find((name) => KEY.test(name)) ?? null;
}

/** The field name of a heading: `Unit No` gives `unitNo`; a heading that GraphQL does not allow gives `column` and its number. */
function fieldName(column: string, i: number, taken: Readonly<Record<string, unknown>>): string {
  const words = column.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  const plain = camelCase(words.map((word) => (/^[A-Z0-9]+$/.test(word) ? word.toLowerCase() : word)).join('_'));
  const isAllowed = /^[a-z][A-Za-z0-9]*$/.test(plain) && !/[^\x20-\x7e]/.test(column);
  const name = !isAllowed || ['provenance'].includes(plain) ? `column${i + 1}` : plain === 'id' ? 'number' : plain;
  return name in taken ? `${name}${i + 1}` : name;
}
