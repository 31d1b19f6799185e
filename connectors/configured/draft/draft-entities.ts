/** A first declaration from a description: what looks like a list of things with ids, and what looks like a link to the park. Pure. */
import type { Argument, Operation, Place } from '../core/source-description.ts';

type Operations = ReadonlyMap<string, Operation>;

/** One drafted entity: as it would stand in isthmus.yaml, and what a person should know about it. */
export interface Drafted {
  readonly name: string;
  readonly declaration: Record<string, unknown>;
  /** Sentences: what was found, what it costs, what is missing. */
  readonly notes: readonly string[];
}

/** Words in names of arguments and fields that speak of the park's own entities. */
export const PARK_WORDS = [
  { type: 'Building', link: 'Building.id', words: /building|^sites?$|address_?id|premises/i },
  { type: 'Company', link: 'Company.uscc', words: /uscc|credit_?code|account_?id|tenant/i },
  { type: 'Vehicle', link: null, words: /plate/i },
] as const;
export const MOST_FIELDS = 24;
const NAME = /^[a-z][A-Za-z0-9]*$/;

/** Entities for every list operation that can be asked without arguments, or by something of the park. */
export function draftEntities(operations: Operations): Drafted[] {
  const taken = new Set<string>();
  return [...operations.values()].flatMap((operation) => {
    const rows = rowsOf(operation);
    if (!rows?.place.list) return [];
    const name = entityName(operation.name);
    if (taken.has(name) || rows.place.parts.length === 0) return [];
    const drafted = draft(name, operation, rows, operations);
    if (drafted) taken.add(name);
    return drafted ? [drafted] : [];
  });
}

interface Rows {
  readonly path: string | null;
  readonly place: Place;
}

/** Where the rows stand: the answer itself, or its one list of objects (of several, the one called data, items, results or last). */
function rowsOf(operation: Operation): Rows | null {
  const whole = operation.at([]);
  if (!whole) return null;
  if (whole.list) return { path: null, place: whole };
  const lists = whole.parts.flatMap((part) => {
    const place = operation.at([part]);
    return place?.list ? [{ path: part, place }] : [];
  });
  // A list whose rows the description leaves open is for a person to declare; another list of the answer would not be it.
  return lists.find((one) => /^(data|items|results|rows|value)$/.test(one.path)) ?? lists.at(-1) ?? null;
}

function draft(name: string, operation: Operation, rows: Rows, operations: Operations): Drafted | null {
  const notes: string[] = [];
  const at = (part: string) => operation.at([...(rows.path ? [rows.path] : []), ...part.split('.')]);
  const required = operation.arguments.filter((one) => one.required);
  const key =
    rows.place.parts.find((part) => /^id$/i.test(part)) ??
    rows.place.parts.find((part) => /(_id|Id|number|code)$/.test(part)) ??
    null;
  const fields: Record<string, unknown> = {};
  const add = (path: string) => {
    const place = at(path);
    const field = camel(path);
    if (
      !place?.type ||
      Object.keys(fields).length >= MOST_FIELDS ||
      !NAME.test(field) ||
      ['id', 'provenance'].includes(field) ||
      field in fields
    )
      return;
    const link = place.list ? undefined : PARK_WORDS.find((one) => one.link && one.words.test(path))?.link;
    fields[field] = link ? { from: path, link } : place.list ? { from: path, list: true } : path;
  };
  for (const part of rows.place.parts) {
    const place = at(part);
    if (place?.type) add(part);
    else if (place && !place.list) for (const inner of place.parts) add(`${part}.${inner}`);
  }
  if (Object.keys(fields).length === 0) return null;
  const ask = { operation: operation.name, ...(rows.path ? { rows: rows.path } : {}) };
  const declaration: Record<string, unknown> = { ...(key ? { key } : {}) };

  const fetch = key ? fetchOf(operation, rows, key, operations) : null;
  if (fetch) {
    declaration['fetch'] = fetch.ask;
    notes.push(
      fetch.batch
        ? `by id: one call for up to ${fetch.most} (${fetch.ask['operation']})`
        : `by id: one call each; 100 cost 100 calls (${fetch.ask['operation']} takes one)`,
    );
  }
  if (key && required.length === 0) declaration['list'] = { ...ask, every: '30s' };
  declaration['fields'] = fields;

  const on: Record<string, unknown> = {};
  for (const { type, words } of PARK_WORDS) {
    const argument = operation.arguments.find((one) => words.test(one.name));
    if (!argument || required.some((one) => one !== argument)) continue;
    const match = rows.place.parts.find((part) => part === argument.name || words.test(part)) ?? null;
    const many = isMany(argument);
    const batch = many && match !== null;
    on[`${type}.${plural(name)}`] = {
      ...ask,
      argument: argument.name,
      ...(batch && !argument.list ? { separator: ',' } : {}),
      ...(batch ? { match } : {}),
      many: true,
    };
    notes.push(
      batch
        ? `${type}.${plural(name)}: one call for up to 100`
        : `${type}.${plural(name)}: one call each; 100 cost 100 calls (${operation.name} takes one ${argument.name})`,
    );
  }
  if (Object.keys(on).length === 0 && required.length === 0) {
    on[`Park.${plural(name)}`] = { ...ask, many: true };
    notes.push(`Park.${plural(name)}: the whole list, one call`);
  }
  if (Object.keys(on).length > 0) declaration['on'] = on;
  if (!declaration['on'] && !declaration['fetch']) return null;
  return { name, declaration, notes };
}

interface Fetch {
  readonly ask: Record<string, unknown>;
  readonly batch: boolean;
  readonly most: number;
}

/** The operation that answers rows by id: the list itself where it takes ids, else one that needs an id and answers the same parts. */
function fetchOf(list: Operation, rows: Rows, key: string, operations: Operations): Fetch | null {
  const ids = list.arguments.find(
    (one) => (one.name === key || one.name === `${key}s` || one.name === 'ids') && isMany(one),
  );
  if (ids) {
    const ask = {
      operation: list.name,
      argument: ids.name,
      ...(ids.list ? {} : { separator: ',' }),
      ...(rows.path ? { rows: rows.path } : {}),
      match: key,
      most: 50,
    };
    return { ask, batch: true, most: 50 };
  }
  const candidates = [...operations.values()].filter((one) => {
    const required = one.arguments.filter((argument) => argument.required);
    return one !== list && required.length === 1 && /id$/i.test(required[0]?.name ?? '');
  });
  const stem = entityName(list.name);
  const found = candidates.find((one) => entityName(one.name) === stem) ?? null;
  const argument = found?.arguments.find((one) => one.required);
  return found && argument ? { ask: { operation: found.name, argument: argument.name }, batch: false, most: 1 } : null;
}

const isMany = (argument: Argument): boolean => argument.list || argument.many;

export const camel = (path: string): string =>
  path
    .replace(/[^A-Za-z0-9]+(.)/g, (_, sign: string) => sign.toUpperCase())
    .replace(/^./, (sign) => sign.toLowerCase());

/** `get-places` and `get_places_id` and `list_places` are all Place. */
export function entityName(operation: string): string {
  const words = operation
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => !/^(get|list|read|find|fetch|search|query|latest|all|by|id|json)$/i.test(word));
  const last = words.at(-1);
  if (last !== undefined) words[words.length - 1] = singular(last);
  const name = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
  return /^[A-Z]/.test(name) ? name : `Record${name}`;
}

const singular = (word: string): string =>
  /ies$/.test(word) ? word.replace(/ies$/, 'y') : /(ss|us|is)$/.test(word) ? word : word.replace(/s$/, '');

export function plural(name: string): string {
  const lower = name.charAt(0).toLowerCase() + name.slice(1);
  return /y$/.test(lower) ? lower.replace(/y$/, 'ies') : /s$/.test(lower) ? `${lower}es` : `${lower}s`;
}
