/** What an installation declares of its entities: key, operations, fields, links. Read from YAML; every fault is named at once. */
import { readMilliseconds } from '../../kit/config/settings.ts';

/** Types that a field may have in the graph. */
export const FIELD_TYPES = ['String', 'ID', 'Int', 'Float', 'Boolean', 'Decimal', 'DateTime', 'Date'] as const;
export type FieldType = (typeof FIELD_TYPES)[number];

/** The park's own entities that a row may point at, by the value that it holds. A vehicle is plate and colour, so only `on` reaches it. */
export const LINKS = ['Building.id', 'Company.uscc'] as const;
export type Link = (typeof LINKS)[number];

/** How rows are asked for. */
export interface Ask {
  /** `operationId` of the description, table or view, or file pattern. */
  readonly operation: string;
  /** Argument (or column) that takes the keys; null: the operation needs none and answers all rows. */
  readonly argument: string | null;
  /** Between several keys in one argument; null: the argument takes a list, or one key a call. */
  readonly separator: string | null;
  /** Keys of one call, at most. */
  readonly most: number;
  /** Where a row holds the key that was asked for; null: one key a call, all rows belong to it. */
  readonly match: string | null;
  /** Where the answer holds the rows; null: the answer is the row or the list. */
  readonly rows: string | null;
  /** Further arguments, always the same. */
  readonly given: Readonly<Record<string, unknown>>;
}

export interface FieldDeclaration {
  readonly name: string;
  /** Path within the row, such as `particles.pm2_5`. */
  readonly from: string;
  /** Null: as the description says. */
  readonly type: FieldType | null;
  readonly link: Link | null;
  readonly list: boolean;
  readonly description: string | null;
  readonly scopes: readonly string[];
}

/** A field that the entity adds to one of the park's own. */
export interface Join {
  readonly type: 'Building' | 'Company' | 'Vehicle' | 'Park';
  readonly field: string;
  readonly many: boolean;
  readonly description: string | null;
  readonly scopes: readonly string[];
  readonly ask: Ask;
}

export interface Entity {
  readonly name: string;
  readonly description: string | null;
  /** Path of the row's own id; null: the rows have none, and the type is no entity of its own. */
  readonly key: string | null;
  /** By key; null: rows are only reached through joins. */
  readonly byKey: Ask | null;
  /** The list whose changes become events; `every` in milliseconds. */
  readonly poll: { readonly ask: Ask; readonly every: number } | null;
  /** How long an answer is fresh, and how long the last good one may stand in for a dark source; milliseconds. */
  readonly fresh: number;
  readonly usable: number;
  /** Path of the time at which the source recorded the row. */
  readonly recordedAt: string | null;
  readonly scopes: readonly string[];
  readonly fields: readonly FieldDeclaration[];
  readonly joins: readonly Join[];
}

type Raw = Readonly<Record<string, unknown>>;

/** Reads the setting `entities`; throws an `Error` that names every fault. */
export function readEntities(raw: unknown): readonly Entity[] {
  const faults: string[] = [];
  const entries = Object.entries(mapping(raw) ?? {});
  if (entries.length === 0) throw new Error('must be a mapping from type names to their declarations');
  const entities = entries.map(([name, one]) => readEntity(name, one, (fault) => faults.push(fault)));
  const joined = entities.flatMap((entity) => entity.joins.map((join) => `${join.type}.${join.field}`));
  for (const twice of joined.filter((one, i) => joined.indexOf(one) !== i)) faults.push(`${twice} is declared twice`);
  if (faults.length > 0) throw new Error(faults.join('; '));
  return entities;
}

function readEntity(name: string, raw: unknown, fault: (text: string) => void): Entity {
  const at = reader(name, raw, fault, 'description key fetch list fresh usable recordedAt scopes fields on'.split(' '));
  if (!/^[A-Z][A-Za-z0-9]*$/.test(name)) fault(`${name} must be a type name such as WorkOrder`);
  const key = at.text('key');
  const fetch = at.raw['fetch'] === undefined ? null : readAsk(`${name}.fetch`, at.raw['fetch'], fault, key);
  if (fetch && key === null) fault(`${name}.fetch needs a key: the path of the row's own id`);
  const list = mapping(at.raw['list']);
  const fields = Object.entries(mapping(at.raw['fields']) ?? {}).map(([field, one]) =>
    readField(`${name}.${field}`, field, one, fault),
  );
  if (fields.length === 0) fault(`${name}.fields names no field; example: fields: { status: status }`);
  if (fields.some((field) => ['id', 'provenance'].includes(field.name))) {
    fault(`${name}: the fields id and provenance are made by the hub; choose other names`);
  }
  const joins = Object.entries(mapping(at.raw['on']) ?? {}).map(([place, one]) => readJoin(name, place, one, fault));
  if (fetch === null && joins.length === 0) fault(`${name} is not reachable: give fetch, or on (such as Building.air)`);
  const duration = (where: string, given: unknown, fallback: number): number => {
    try {
      return given === undefined ? fallback : readMilliseconds(given);
    } catch (error) {
      fault(`${where} ${(error as Error).message}`);
      return fallback;
    }
  };
  const every = duration(`${name}.list.every`, list?.['every'], 30_000);
  if (list) {
    if (key === null) fault(`${name}.list needs a key: the path of the row's own id`);
  }
  const { every: _, ...ask } = list ?? {};
  return {
    name,
    description: at.text('description'),
    key,
    byKey: fetch,
    poll: list ? { ask: readAsk(`${name}.list`, ask, fault, null), every } : null,
    fresh: duration(`${name}.fresh`, at.raw['fresh'], 5_000),
    usable: duration(`${name}.usable`, at.raw['usable'], 86_400_000),
    recordedAt: at.text('recordedAt'),
    scopes: at.scopes(),
    fields,
    joins,
  };
}

function readField(where: string, name: string, raw: unknown, fault: (text: string) => void): FieldDeclaration {
  if (!/^[a-z][A-Za-z0-9]*$/.test(name)) fault(`${where} must be a field name such as reportedAt`);
  const short = typeof raw === 'string' ? { from: raw } : raw;
  const at = reader(where, short, fault, 'from type link list description scopes'.split(' '));
  const type = at.word('type', FIELD_TYPES);
  const link = at.word('link', LINKS);
  if (type && link) fault(`${where} has a type and a link; a link's type is the entity's`);
  return {
    name,
    from: at.text('from') ?? name,
    type,
    link,
    list: at.raw['list'] === true,
    description: at.text('description'),
    scopes: at.scopes(),
  };
}

function readJoin(entity: string, place: string, raw: unknown, fault: (text: string) => void): Join {
  const [, type, field] = /^(Building|Company|Vehicle|Park)\.([a-z][A-Za-z0-9]*)$/.exec(place) ?? [];
  const where = `${entity}.on.${place}`;
  if (!type || !field) fault(`${where} must be a field of Building, Company, Vehicle or Park, such as Building.air`);
  const { many, description, scopes, ...ask } = mapping(raw) ?? {};
  const at = reader(where, { many, description, scopes }, fault, ['many', 'description', 'scopes']);
  const read = readAsk(where, ask, fault, null);
  if (read.argument === null && type !== 'Park' && read.match === null) {
    fault(`${where} needs argument (which takes the ${type}) or match (where a row names it)`);
  }
  return {
    type: (type ?? 'Building') as Join['type'],
    field: field ?? '',
    many: many === true,
    description: at.text('description'),
    scopes: at.scopes(),
    ask: read,
  };
}

function readAsk(where: string, raw: unknown, fault: (text: string) => void, match: string | null): Ask {
  const at = reader(where, raw, fault, 'operation argument separator most match rows with'.split(' '));
  const operation = at.text('operation');
  if (operation === null) fault(`${where} names no operation; example: operation: listReadings`);
  const most = at.raw['most'] ?? 100;
  if (!Number.isInteger(most) || (most as number) < 1) fault(`${where}.most must be a whole number from 1`);
  return {
    operation: operation ?? '',
    argument: at.text('argument'),
    separator: at.text('separator'),
    most: most as number,
    match: at.text('match') ?? match,
    rows: at.text('rows'),
    given: mapping(at.raw['with']) ?? {},
  };
}

const mapping = (raw: unknown): Raw | null =>
  typeof raw === 'object' && raw !== null && !Array.isArray(raw) ? (raw as Raw) : null;

/** Reads the parts of one mapping and names what it does not know. */
function reader(where: string, raw: unknown, fault: (text: string) => void, known: readonly string[]) {
  const given = mapping(raw);
  if (!given) fault(`${where} must be a mapping`);
  const all = given ?? {};
  for (const name of Object.keys(all)) {
    if (!known.includes(name)) fault(`${where}.${name} is not known; known are ${known.join(', ')}`);
  }
  return {
    raw: all,
    text: (name: string): string | null => {
      const value = all[name];
      if (value === undefined || value === null) return null;
      if (typeof value !== 'string' || value === '') fault(`${where}.${name} must be a text`);
      return String(value);
    },
    word: <const W extends readonly string[]>(name: string, words: W): W[number] | null => {
      const value = all[name];
      if (value === undefined || value === null) return null;
      const found = words.find((word) => word === value);
      if (found === undefined) fault(`${where}.${name} must be one of ${words.join(', ')}`);
      return found ?? null;
    },
    scopes: (): string[] => {
      const value = all['scopes'] ?? [];
      const list = (Array.isArray(value) ? value : [value]).map(String);
      for (const one of list) {
        if (!/^[a-z]+:[a-z]+$/.test(one)) fault(`${where}.scopes must be rights such as tax:read`);
      }
      return list;
    },
  };
}
