/** Drafts entity declarations from the operations of an OpenAPI description: lists with ids, and links to the park. Pure. */
import type { Argument, Operation, ResultField } from '../core/source-description.ts';

type Operations = ReadonlyMap<string, Operation>;

/** A drafted entity. */
export interface EntityDraft {
  readonly name: string;
  /** Its declaration in isthmus.yaml. */
  readonly declaration: Record<string, unknown>;
  /** Messages: what was found, the cost in calls, what is missing. */
  readonly notes: readonly string[];
}

/** Names of arguments and fields that refer to the park's entities. */
export const PARK_NAME_PATTERNS = [
  { type: 'Building', link: 'Building.id', pattern: /building|^sites?$|address_?id|premises/i },
  { type: 'Company', link: 'Company.uscc', pattern: /uscc|credit_?code|account_?id|tenant/i },
  { type: 'Vehicle', link: null, pattern: /plate/i },
] as const;
export const MAX_FIELDS = 24;
const NAME = /^[a-z][A-Za-z0-9]*$/;

/** Drafts an entity for every list operation that can be called without arguments or by an entity of the park. */
export function draftEntities(operations: Operations): EntityDraft[] {
  const names = new Set<string>();
  return [...operations.values()].flatMap((operation) => {
    const rows = rowsOf(operation);
    if (!rows?.field.list) return [];
    const name = entityName(operation.name);
    if (names.has(name) || rows.field.members.length === 0) return [];
    const draft = draftEntity(name, operation, rows, operations);
    if (draft) names.add(name);
    return draft ? [draft] : [];
  });
}

/** The rows in the response of an operation. `path` null: the response itself. */
interface Rows {
  readonly path: string | null;
  readonly field: ResultField;
}

/** Finds the rows: the response itself, or a list in it (of several: the one named data, items, results, rows or value, else the last). */
function rowsOf(operation: Operation): Rows | null {
  const whole = operation.resultAt([]);
  if (!whole) return null;
  if (whole.list) return { path: null, field: whole };
  const lists = whole.members.flatMap((part) => {
    const field = operation.resultAt([part]);
    return field?.list ? [{ path: part, field }] : [];
  });
  // If its rows are not described, no other list is used instead: the entity has to be declared by hand.
  return lists.find(({ path }) => /^(data|items|results|rows|value)$/.test(path)) ?? lists.at(-1) ?? null;
}

function draftEntity(name: string, operation: Operation, rows: Rows, operations: Operations): EntityDraft | null {
  const notes: string[] = [];
  const at = (part: string) => operation.resultAt([...(rows.path ? [rows.path] : []), ...part.split('.')]);
  const required = operation.arguments.filter((argument) => argument.required);
  const key =
    rows.field.members.find((part) => /^id$/i.test(part)) ??
    rows.field.members.find((part) => /(_id|Id|number|code)$/.test(part)) ??
    null;
  const fields: Record<string, unknown> = {};
  const add = (path: string) => {
    const result = at(path);
    const name = camelCase(path);
    if (
      !result?.type ||
      Object.keys(fields).length >= MAX_FIELDS ||
      !NAME.test(name) ||
      ['id', 'provenance'].includes(name) ||
      name in fields
    )
      return;
    const link = result.list
      ? undefined
      : PARK_NAME_PATTERNS.find(({ link, pattern }) => link && pattern.test(path))?.link;
    fields[name] = link ? { from: path, link } : result.list ? { from: path, list: true } : path;
  };
  for (const part of rows.field.members) {
    const result = at(part);
    if (result?.type) add(part);
    else if (result && !result.list) for (const inner of result.members) add(`${part}.${inner}`);
  }
  if (Object.keys(fields).length === 0) return null;
  const query = { operation: operation.name, ...(rows.path ? { rows: rows.path } : {}) };
  const declaration: Record<string, unknown> = { ...(key ? { key } : {}) };

  const fetch = key ? fetchOf(operation, rows, key, operations) : null;
  if (fetch) {
    declaration['fetch'] = fetch.query;
    notes.push(
      fetch.batch
        ? `by id: one call for up to ${fetch.maxKeys} keys (${fetch.query['operation']})`
        : `by id: one call per key; 100 keys cost 100 calls (${fetch.query['operation']} takes one key)`,
    );
  }
  if (key && required.length === 0) declaration['list'] = { ...query, every: '30s' };
  declaration['fields'] = fields;

  const on: Record<string, unknown> = {};
  for (const { type, pattern } of PARK_NAME_PATTERNS) {
    const argument = operation.arguments.find(({ name }) => pattern.test(name));
    if (!argument || required.some((other) => other !== argument)) continue;
    const match = rows.field.members.find((part) => part === argument.name || pattern.test(part)) ?? null;
    const many = acceptsMany(argument);
    const batch = many && match !== null;
    on[`${type}.${pluralFieldName(name)}`] = {
      ...query,
      argument: argument.name,
      ...(batch && !argument.list ? { separator: ',' } : {}),
      ...(batch ? { match } : {}),
      many: true,
    };
    notes.push(
      batch
        ? `${type}.${pluralFieldName(name)}: one call for up to 100 keys`
        : `${type}.${pluralFieldName(name)}: one call per key; 100 keys cost 100 calls (${operation.name} takes one ${argument.name})`,
    );
  }
  if (Object.keys(on).length === 0 && required.length === 0) {
    on[`Park.${pluralFieldName(name)}`] = { ...query, many: true };
    notes.push(`Park.${pluralFieldName(name)}: the whole list, one call`);
  }
  if (Object.keys(on).length > 0) declaration['on'] = on;
  if (!declaration['on'] && !declaration['fetch']) return null;
  return { name, declaration, notes };
}

/** The query by id of a drafted entity. */
interface Fetch {
  readonly query: Record<string, unknown>;
  readonly batch: boolean;
  readonly maxKeys: number;
}

/** The query by id: with the list operation if it accepts ids, else with an operation of the same name that requires one id. */
function fetchOf(list: Operation, rows: Rows, key: string, operations: Operations): Fetch | null {
  const ids = list.arguments.find(
    (argument) => [key, `${key}s`, 'ids'].includes(argument.name) && acceptsMany(argument),
  );
  if (ids) {
    const query = {
      operation: list.name,
      argument: ids.name,
      ...(ids.list ? {} : { separator: ',' }),
      ...(rows.path ? { rows: rows.path } : {}),
      match: key,
      most: 50,
    };
    return { query, batch: true, maxKeys: 50 };
  }
  const candidates = [...operations.values()].filter((operation) => {
    const required = operation.arguments.filter((argument) => argument.required);
    return operation !== list && required.length === 1 && /id$/i.test(required[0]?.name ?? '');
  });
  const stem = entityName(list.name);
  const found = candidates.find(({ name }) => entityName(name) === stem) ?? null;
  const argument = found?.arguments.find(({ required }) => required);
  return found && argument
    ? { query: { operation: found.name, argument: argument.name }, batch: false, maxKeys: 1 }
    : null;
}

const acceptsMany = (argument: Argument): boolean => argument.list || argument.commaSeparated;

/** `issued_at` and `issued.at` become `issuedAt`. */
export const camelCase = (path: string): string =>
  path
    .replace(/[^A-Za-z0-9]+(.)/g, (_, character: string) => character.toUpperCase())
    .replace(/^./, (character) => character.toLowerCase());

/** The entity of an operation: `get-places`, `get_places_id` and `list_places` all give `Place`. */
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

/** The field for several records of an entity: `WorkOrder` gives `workOrders`. */
export function pluralFieldName(name: string): string {
  const lower = name.charAt(0).toLowerCase() + name.slice(1);
  return /y$/.test(lower) ? lower.replace(/y$/, 'ies') : /s$/.test(lower) ? `${lower}es` : `${lower}s`;
}
