/** A first declaration from a WSDL description: operations about the same thing become one entity. Pure. */
import type { Argument, Place } from '../core/source-description.ts';
import type { SoapOperation, Wsdl } from '../wsdl/wsdl-document.ts';
import { camel, type Drafted, entityName, MOST_FIELDS, PARK_WORDS, plural } from './draft-entities.ts';

/** A description does not say what an operation does to the system; its name must. */
const READS = /^(get|list|read|find|fetch|search|query|retrieve|lookup|select|load|show)/i;
/** What an answer tells that has more to say: the rest of such a list would be missing, and look gone. */
const PAGED = /^(next|more|has_?more|cursor|continuation|page)/i;
/** How deep rows, and fields within them, are looked for. */
const DEEP = 3;

/** Where an operation's rows stand. */
interface Rows {
  readonly operation: SoapOperation;
  readonly path: readonly string[];
  readonly place: Place;
}

/** Entities of the operations that read, and what was left out, as sentences. */
export function draftWsdl(wsdl: Wsdl): { drafted: Drafted[]; left: string[] } {
  const all = [...wsdl.operations.values()];
  const reading = all.filter((one) => READS.test(one.name));
  const groups = new Map<string, Rows[]>();
  for (const operation of reading) {
    const rows = rowsOf(operation);
    if (!rows || operation.arguments.filter((one) => one.required).length > 1) continue;
    const name = entityName(operation.name);
    groups.set(name, [...(groups.get(name) ?? []), rows]);
  }
  const writing = all.filter((one) => !reading.includes(one)).map((one) => one.name);
  return {
    drafted: [...groups].flatMap(([name, group]) => draft(name, group) ?? []),
    left: writing.length > 0 ? [`left alone, since they may change something: ${writing.join(', ')}`] : [],
  };
}

/** Where rows stand: the answer itself where it names its key, else a list of objects, else an object; nothing is looked for within a row. */
function rowsOf(operation: SoapOperation): Rows | null {
  const found: Rows[] = [];
  const look = (path: readonly string[], deep: number): void => {
    const place = operation.at(path);
    if (!place || place.parts.length === 0) return;
    const plain = place.parts.some((part) => {
      const one = operation.at([...path, part]);
      return one?.type && !one.list;
    });
    if (plain) found.push({ operation, path, place });
    if (deep > 0 && !place.list && (!plain || path.length === 0))
      for (const part of place.parts) look([...path, part], deep - 1);
  };
  look([], DEEP);
  const named = (one: Rows): boolean =>
    one.path.length === 0 && requiredOf(operation).some((each) => partFor(each, one) !== null);
  const inner = found.filter((one) => one.path.length > 0);
  return found.find(named) ?? inner.find((one) => one.place.list) ?? inner[0] ?? found[0] ?? null;
}

const last = (path: string): string => path.split('.').at(-1) ?? path;
const requiredOf = (operation: SoapOperation): readonly Argument[] => operation.arguments.filter((one) => one.required);
const ask = ({ operation, path }: Rows) => ({
  operation: operation.name,
  ...(path.length > 0 ? { rows: path.join('.') } : {}),
});

/** The row's own part that an argument names: `Token` of the question is `token` of the row, `serials.serial` is `serial`. */
const partFor = (argument: Argument, { place }: Rows): string | null =>
  place.parts.find((part) => part.toLowerCase() === last(argument.name).toLowerCase()) ?? null;
const isPark = (argument: Argument): boolean => PARK_WORDS.some((one) => one.words.test(last(argument.name)));

function draft(name: string, group: readonly Rows[]): Drafted | null {
  const notes: string[] = [];
  const whole = group.find((one) => one.place.list && requiredOf(one.operation).length === 0) ?? null;
  const paged = whole?.operation.at([])?.parts.find((part) => PAGED.test(part)) ?? null;
  if (paged !== null) notes.push(`${whole?.operation.name} comes in pages (${paged}), so there is no list of all`);
  const list = paged === null ? whole : null;
  const byKey = group.flatMap((rows) => {
    const [argument] = requiredOf(rows.operation);
    const part = argument && !isPark(argument) ? partFor(argument, rows) : null;
    return argument && part ? [{ rows, argument, part }] : [];
  })[0];
  const key = byKey?.part ?? list?.place.parts.find((part) => /^(id|token|key)$/i.test(part)) ?? null;
  const first = list ?? byKey?.rows ?? group[0];
  const fields = first ? fieldsOf(first) : {};
  if (!first || Object.keys(fields).length === 0) return null;

  const declaration: Record<string, unknown> = key === null ? {} : { key };
  if (byKey) {
    const { rows, argument, part } = byKey;
    const batch = argument.list && rows.place.list;
    declaration['fetch'] = { ...ask(rows), argument: argument.name, ...(batch ? { match: part } : {}) };
    notes.push(
      batch
        ? `by ${part}: one call for up to 100 (${rows.operation.name})`
        : `by ${part}: one call each; 100 cost 100 calls (${rows.operation.name} takes one)`,
    );
  }
  if (list && key !== null) declaration['list'] = { ...ask(list), every: '30s' };
  declaration['fields'] = fields;

  const on: Record<string, unknown> = {};
  for (const rows of group) {
    for (const { type, words } of PARK_WORDS) {
      const argument = rows.operation.arguments.find((one) => words.test(last(one.name)));
      const others = requiredOf(rows.operation).filter((one) => one !== argument);
      const field = `${type}.${plural(name)}`;
      if (!argument || others.length > 0 || field in on) continue;
      const match = rows.place.parts.find((part) => words.test(part)) ?? null;
      const batch = argument.list && match !== null;
      on[field] = { ...ask(rows), argument: argument.name, ...(batch ? { match } : {}), many: true };
      const cost = batch ? 'one call for up to 100' : 'one call each; 100 cost 100 calls';
      notes.push(`${field}: ${cost} (${rows.operation.name} by ${argument.name})`);
    }
  }
  if (list && Object.keys(on).length === 0) {
    on[`Park.${plural(name)}`] = { ...ask(list), many: true };
    notes.push(`Park.${plural(name)}: the whole list, one call`);
  }
  if (Object.keys(on).length > 0) declaration['on'] = on;
  return declaration['on'] || declaration['fetch'] ? { name, declaration, notes } : null;
}

/** Texts of a row, those within its parts too. */
function fieldsOf({ operation, path, place }: Rows): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  const look = (part: string, deep: number): void => {
    const at = operation.at([...path, ...part.split('.')]);
    if (!at || Object.keys(fields).length >= MOST_FIELDS) return;
    if (!at.type) {
      if (deep > 0 && !at.list) for (const inner of at.parts) look(`${part}.${inner}`, deep - 1);
      return;
    }
    // A text with attributes is called `value`.
    const plain = camel(part.replace(/\.value$/, ''));
    const field = plain === 'id' ? 'number' : plain;
    if (!/^[a-z][A-Za-z0-9]*$/.test(field) || field === 'provenance' || field in fields) return;
    const link = at.list ? undefined : PARK_WORDS.find((one) => one.link && one.words.test(last(part)))?.link;
    fields[field] = link ? { from: part, link } : at.list ? { from: part, list: true } : part;
  };
  for (const part of place.parts) look(part, DEEP);
  return fields;
}
