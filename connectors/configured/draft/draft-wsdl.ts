/** Drafts entities from a WSDL description: operations about the same thing become one entity. Pure. */
import type { Argument, ResultField } from '../core/source-description.ts';
import type { SoapOperation, Wsdl } from '../wsdl/wsdl-document.ts';
import {
  camelCase,
  type EntityDraft,
  entityName,
  MAX_FIELDS,
  PARK_NAME_PATTERNS,
  pluralFieldName,
} from './draft-entities.ts';

/** Names of operations that only read. A WSDL does not say what an operation does. */
const READS = /^(get|list|read|find|fetch|search|query|retrieve|lookup|select|load|show)/i;
/** Members of a response that is one page of several. Polling it would report the other rows as removed. */
const PAGED = /^(next|more|has_?more|cursor|continuation|page)/i;
/** Maximum nesting at which rows, and fields within them, are searched. */
const MAX_DEPTH = 3;

/** The rows in the response of an operation. */
interface Rows {
  readonly operation: SoapOperation;
  readonly path: readonly string[];
  readonly field: ResultField;
}

/** Entities of the operations that read. `skipped`: messages about other operations. */
export function draftWsdl(wsdl: Wsdl): { drafts: EntityDraft[]; skipped: string[] } {
  const all = [...wsdl.operations.values()];
  const reading = all.filter(({ name }) => READS.test(name));
  const groups = new Map<string, Rows[]>();
  for (const operation of reading) {
    const rows = rowsOf(operation);
    if (!rows || operation.arguments.filter(({ required }) => required).length > 1) continue;
    const name = entityName(operation.name);
    groups.set(name, [...(groups.get(name) ?? []), rows]);
  }
  const writing = all.filter((operation) => !reading.includes(operation)).map(({ name }) => name);
  return {
    drafts: [...groups].flatMap(([name, group]) => draftEntity(name, group) ?? []),
    skipped: writing.length > 0 ? [`skipped, since they may write: ${writing.join(', ')}`] : [],
  };
}

/** Finds the rows: the response itself if it contains the key, else a list of objects, else an object. Does not search within a row. */
function rowsOf(operation: SoapOperation): Rows | null {
  const found: Rows[] = [];
  const search = (path: readonly string[], depth: number): void => {
    const field = operation.resultAt(path);
    if (!field || field.members.length === 0) return;
    const hasScalars = field.members.some((name) => {
      const member = operation.resultAt([...path, name]);
      return member?.type && !member.list;
    });
    if (hasScalars) found.push({ operation, path, field });
    if (depth > 0 && !field.list && (!hasScalars || path.length === 0))
      for (const name of field.members) search([...path, name], depth - 1);
  };
  search([], MAX_DEPTH);
  const containsKey = (rows: Rows): boolean =>
    rows.path.length === 0 && requiredOf(operation).some((argument) => memberFor(argument, rows) !== null);
  const inner = found.filter(({ path }) => path.length > 0);
  return found.find(containsKey) ?? inner.find(({ field }) => field.list) ?? inner[0] ?? found[0] ?? null;
}

const last = (path: string): string => path.split('.').at(-1) ?? path;
const requiredOf = (operation: SoapOperation): readonly Argument[] =>
  operation.arguments.filter(({ required }) => required);
const queryOf = ({ operation, path }: Rows) => ({
  operation: operation.name,
  ...(path.length > 0 ? { rows: path.join('.') } : {}),
});

/** The member of a row that an argument refers to: `Token` finds `token`, `serials.serial` finds `serial`. */
const memberFor = (argument: Argument, { field }: Rows): string | null =>
  field.members.find((name) => name.toLowerCase() === last(argument.name).toLowerCase()) ?? null;
const refersToPark = (argument: Argument): boolean =>
  PARK_NAME_PATTERNS.some(({ pattern }) => pattern.test(last(argument.name)));

function draftEntity(name: string, group: readonly Rows[]): EntityDraft | null {
  const notes: string[] = [];
  const fullList = group.find(({ field, operation }) => field.list && requiredOf(operation).length === 0) ?? null;
  const pageMember = fullList?.operation.resultAt([])?.members.find((name) => PAGED.test(name)) ?? null;
  if (pageMember !== null) notes.push(`${fullList?.operation.name} is paged (${pageMember}), so there is no full list`);
  const list = pageMember === null ? fullList : null;
  const byKey = group.flatMap((rows) => {
    const [argument] = requiredOf(rows.operation);
    const part = argument && !refersToPark(argument) ? memberFor(argument, rows) : null;
    return argument && part ? [{ rows, argument, part }] : [];
  })[0];
  const key = byKey?.part ?? list?.field.members.find((name) => /^(id|token|key)$/i.test(name)) ?? null;
  const first = list ?? byKey?.rows ?? group[0];
  const fields = first ? fieldsOf(first) : {};
  if (!first || Object.keys(fields).length === 0) return null;

  const declaration: Record<string, unknown> = key === null ? {} : { key };
  if (byKey) {
    const { rows, argument, part } = byKey;
    const batch = argument.list && rows.field.list;
    declaration['fetch'] = { ...queryOf(rows), argument: argument.name, ...(batch ? { match: part } : {}) };
    notes.push(
      batch
        ? `by ${part}: one call for up to 100 keys (${rows.operation.name})`
        : `by ${part}: one call per key; 100 keys cost 100 calls (${rows.operation.name} takes one key)`,
    );
  }
  if (list && key !== null) declaration['list'] = { ...queryOf(list), every: '30s' };
  declaration['fields'] = fields;

  const on: Record<string, unknown> = {};
  for (const rows of group) {
    for (const { type, pattern } of PARK_NAME_PATTERNS) {
      const argument = rows.operation.arguments.find(({ name }) => pattern.test(last(name)));
      const others = requiredOf(rows.operation).filter((other) => other !== argument);
      const field = `${type}.${pluralFieldName(name)}`;
      if (!argument || others.length > 0 || field in on) continue;
      const match = rows.field.members.find((member) => pattern.test(member)) ?? null;
      const batch = argument.list && match !== null;
      on[field] = { ...queryOf(rows), argument: argument.name, ...(batch ? { match } : {}), many: true };
      const cost = batch ? 'one call for up to 100 keys' : 'one call per key; 100 keys cost 100 calls';
      notes.push(`${field}: ${cost} (${rows.operation.name} by ${argument.name})`);
    }
  }
  if (list && Object.keys(on).length === 0) {
    on[`Park.${pluralFieldName(name)}`] = { ...queryOf(list), many: true };
    notes.push(`Park.${pluralFieldName(name)}: the whole list, one call`);
  }
  if (Object.keys(on).length > 0) declaration['on'] = on;
  return declaration['on'] || declaration['fetch'] ? { name, declaration, notes } : null;
}

/** The scalars of a row, nested ones included. */
function fieldsOf({ operation, path, field: row }: Rows): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  const add = (part: string, depth: number): void => {
    const at = operation.resultAt([...path, ...part.split('.')]);
    if (!at || Object.keys(fields).length >= MAX_FIELDS) return;
    if (!at.type) {
      if (depth > 0 && !at.list) for (const inner of at.members) add(`${part}.${inner}`, depth - 1);
      return;
    }
    // The text of an element with attributes is named `value`.
    const plain = camelCase(part.replace(/\.value$/, ''));
    const field = plain === 'id' ? 'number' : plain;
    if (!/^[a-z][A-Za-z0-9]*$/.test(field) || field === 'provenance' || field in fields) return;
    const link = at.list
      ? undefined
      : PARK_NAME_PATTERNS.find(({ link, pattern }) => link && pattern.test(last(part)))?.link;
    fields[field] = link ? { from: part, link } : at.list ? { from: part, list: true } : part;
  };
  for (const part of row.members) add(part, MAX_DEPTH);
  return fields;
}
