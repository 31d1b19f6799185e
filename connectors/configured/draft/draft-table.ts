/** A first declaration of one table or file, from its columns and a sample of its rows; what was guessed is told. Pure. */

import { type Guess, guess } from './column-type.ts';
import { camel, type Drafted, entityName, MOST_FIELDS, PARK_WORDS, plural } from './draft-entities.ts';

export interface Table {
  /** As it is asked: name of the file or table. */
  readonly name: string;
  readonly columns: readonly Column[];
  /** A sample, at least. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** Column that the system itself calls the key; null: to be guessed. */
  readonly key: string | null;
  /** How often the whole list is looked at for events. */
  readonly every: string;
}

export interface Column {
  readonly name: string;
  /** As the system declares it; null: to be guessed. */
  readonly type: Guess['type'] | null;
}

const KEY = /(^|[_\s-])(id|no|nr|num|number|code|key)$|编号|单号|号码/i;
/** The right without which nobody sees what is about a person. */
const PERSONS = 'access:persons';
/** The right without which plates are masked. */
const PLATES = 'parking:plates';

/** One entity; null where no column can be a field. */
export function draftTable(table: Table, codes: ReadonlySet<string>): Drafted | null {
  const notes: string[] = [];
  const guesses = new Map(
    table.columns.map((column) => {
      const found = guess(
        column.name,
        table.rows.map((row) => row[column.name]),
        codes,
      );
      return [column.name, column.type === null ? found : { ...found, type: column.type, why: 'as the system says' }];
    }),
  );
  const key = table.key ?? keyOf(table, guesses);
  if (table.key === null)
    notes.push(
      key === null
        ? 'key: no column tells the rows apart, so they have no id and no events'
        : `key: ${key}, every one of ${table.rows.length} rows has another`,
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
    if (!found || Object.keys(fields).length >= MOST_FIELDS) continue;
    const field = fieldName(column, i, fields);
    const link =
      found.link ??
      PARK_WORDS.find((one) => one.link && table.rows.length === 0 && one.words.test(column))?.link ??
      null;
    const scope = found.plate ? PLATES : found.personal ? PERSONS : null;
    fields[field] = {
      from: column,
      ...(link ? { link } : { type: found.type }),
      ...(found.list ? { list: true } : {}),
      ...(scope ? { scopes: [scope] } : {}),
    };
    notes.push(
      `${field}: ${link ?? found.type} (${found.why})${scope ? `; it looks like ${found.plate ? 'a plate' : "a person's"}, so it needs ${scope}` : ''}`,
    );
    const place =
      link === 'Building.id' ? 'Building' : link === 'Company.uscc' ? 'Company' : found.plate ? 'Vehicle' : null;
    if (place && !(`${place}.${plural(name)}` in on)) {
      on[`${place}.${plural(name)}`] = { operation: table.name, argument: column, many: true };
      notes.push(`${place}.${plural(name)}: one call for up to 100`);
    }
  }
  if (Object.keys(fields).length === 0) return null;
  if (table.columns.length > MOST_FIELDS)
    notes.push(`${table.columns.length - MOST_FIELDS} further columns are left out; add those that somebody asks for`);
  if (Object.keys(on).length === 0) {
    on[`Park.${plural(name)}`] = { operation: table.name, many: true };
    notes.push(`Park.${plural(name)}: the whole list, one call`);
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

/** A column in which no two rows are the same: one that is called so before any other, and never a value that only happens to differ. */
function keyOf(table: Table, guesses: ReadonlyMap<string, Guess>): string | null {
  const sound = table.columns
    .map((one) => one.name)
    .filter((name) => {
      const found = guesses.get(name);
      return found?.unique && !found.personal && !['Decimal', 'DateTime', 'Date', 'Boolean'].includes(found.type);
    });
  return sound.find((name) => /^id$/i.test(name)) ?? sound.find((name) => KEY.test(name)) ?? null;
}

/** `Unit No` is unitNo; a heading that GraphQL cannot write is called by its place. */
function fieldName(column: string, i: number, taken: Readonly<Record<string, unknown>>): string {
  const words = column.split(/[^A-Za-z0-9]+/).filter((one) => one !== '');
  const plain = camel(words.map((one) => (/^[A-Z0-9]+$/.test(one) ? one.toLowerCase() : one)).join('_'));
  const good = /^[a-z][A-Za-z0-9]*$/.test(plain) && !/[^\x20-\x7e]/.test(column);
  const name = !good || ['provenance'].includes(plain) ? `column${i + 1}` : plain === 'id' ? 'number' : plain;
  return name in taken ? `${name}${i + 1}` : name;
}
