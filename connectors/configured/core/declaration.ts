/**
 * The setting `entities`: types with their key, operations, fields and links. All errors are reported at once.
 * The members of `Entity`, `FieldDeclaration`, `Join` and `RowQuery` are part of the configuration digest: renaming one changes it.
 */
import { readMilliseconds } from '../../kit/config/settings.ts';

/** Types that a field can have in the graph. */
export const FIELD_TYPES = ['String', 'ID', 'Int', 'Float', 'Boolean', 'Decimal', 'DateTime', 'Date'] as const;
export type FieldType = (typeof FIELD_TYPES)[number];

/** The park's entities that a field can link to by its value. A vehicle is identified by plate and colour, so only `on` reaches it. */
export const LINKS = ['Building.id', 'Company.uscc'] as const;
export type Link = (typeof LINKS)[number];

/** How rows are queried. */
export interface RowQuery {
  /** `operationId` of the description, name of a table or view, or file pattern. */
  readonly operation: string;
  /** Argument or column that takes the keys; null: the operation takes none and returns all rows. */
  readonly argument: string | null;
  /** Separator between keys in one argument; null: the argument takes a list, or one key per call. */
  readonly separator: string | null;
  /** Maximum number of keys per call. */
  readonly most: number;
  /** Path of the queried key within a row; null: one key per call, and all rows belong to it. */
  readonly match: string | null;
  /** Path of the rows within the response; null: the response is the row or the list. */
  readonly rows: string | null;
  /** Further arguments with fixed values. */
  readonly given: Readonly<Record<string, unknown>>;
}

export interface FieldDeclaration {
  readonly name: string;
  /** Path within the row, such as `particles.pm2_5`. */
  readonly from: string;
  /** Null: the type in the description. */
  readonly type: FieldType | null;
  readonly link: Link | null;
  readonly list: boolean;
  readonly description: string | null;
  readonly scopes: readonly string[];
}

/** A field that the entity adds to one of the park's types. */
export interface Join {
  readonly type: 'Building' | 'Company' | 'Vehicle' | 'Park';
  readonly field: string;
  readonly many: boolean;
  readonly description: string | null;
  readonly scopes: readonly string[];
  readonly ask: RowQuery;
}

export interface Entity {
  readonly name: string;
  readonly description: string | null;
  /** Path of the row's id; null: the rows have none, and the type has no `id` field. */
  readonly key: string | null;
  /** Query by key; null: rows are only reached through joins. */
  readonly byKey: RowQuery | null;
  /** The list whose changes become events; `every` in milliseconds. */
  readonly poll: { readonly ask: RowQuery; readonly every: number } | null;
  /** Milliseconds for which a result is fresh, and for which it may be returned as stale while the source is down. */
  readonly fresh: number;
  readonly usable: number;
  /** Path of the time at which the source recorded the row. */
  readonly recordedAt: string | null;
  readonly scopes: readonly string[];
  readonly fields: readonly FieldDeclaration[];
  readonly joins: readonly Join[];
}

type Raw = Readonly<Record<string, unknown>>;
/** Collects a problem; reading continues. */
type Report = (problem: string) => void;

/** Reads the setting `entities`. Throws an `Error` that names everything that is wrong. */
export function readEntities(raw: unknown): readonly Entity[] {
  const problems: string[] = [];
  const entries = Object.entries(mapping(raw) ?? {});
  if (entries.length === 0) throw new Error('must be a mapping from type names to their declarations');
  const entities = entries.map(([name, entity]) => readEntity(name, entity, (problem) => problems.push(problem)));
  const joined = entities.flatMap((entity) => entity.joins.map((join) => `${join.type}.${join.field}`));
  for (const field of joined.filter((name, i) => joined.indexOf(name) !== i))
    problems.push(`${field} is declared twice`);
  if (problems.length > 0) throw new Error(problems.join('; '));
  return entities;
}

function readEntity(name: string, raw: unknown, report: Report): Entity {
  const at = membersOf(
    name,
    raw,
    report,
    'description key fetch list fresh usable recordedAt scopes fields on'.split(' '),
  );
  if (!/^[A-Z][A-Za-z0-9]*$/.test(name)) report(`${name} must be a type name such as WorkOrder`);
  const key = at.text('key');
  const fetch = at.raw['fetch'] === undefined ? null : readQuery(`${name}.fetch`, at.raw['fetch'], report, key);
  if (fetch && key === null) report(`${name}.fetch needs a key: the path of the row's id`);
  const list = mapping(at.raw['list']);
  const fields = Object.entries(mapping(at.raw['fields']) ?? {}).map(([field, declared]) =>
    readField(`${name}.${field}`, field, declared, report),
  );
  if (fields.length === 0) report(`${name}.fields must name a field; example: fields: { status: status }`);
  if (fields.some((field) => ['id', 'provenance'].includes(field.name))) {
    report(`${name}: the hub adds the fields id and provenance itself; choose other names`);
  }
  const joins = Object.entries(mapping(at.raw['on']) ?? {}).map(([target, join]) =>
    readJoin(name, target, join, report),
  );
  if (fetch === null && joins.length === 0) report(`${name} is not reachable: add fetch, or on (such as Building.air)`);
  const duration = (where: string, value: unknown, fallback: number): number => {
    try {
      return value === undefined ? fallback : readMilliseconds(value);
    } catch (error) {
      report(`${where} ${(error as Error).message}`);
      return fallback;
    }
  };
  const every = duration(`${name}.list.every`, list?.['every'], 30_000);
  if (list && key === null) report(`${name}.list needs a key: the path of the row's id`);
  const { every: _, ...query } = list ?? {};
  return {
    name,
    description: at.text('description'),
    key,
    byKey: fetch,
    poll: list ? { ask: readQuery(`${name}.list`, query, report, null), every } : null,
    fresh: duration(`${name}.fresh`, at.raw['fresh'], 5_000),
    usable: duration(`${name}.usable`, at.raw['usable'], 86_400_000),
    recordedAt: at.text('recordedAt'),
    scopes: at.scopes(),
    fields,
    joins,
  };
}

function readField(where: string, name: string, raw: unknown, report: Report): FieldDeclaration {
  if (!/^[a-z][A-Za-z0-9]*$/.test(name)) report(`${where} must be a field name such as reportedAt`);
  const short = typeof raw === 'string' ? { from: raw } : raw;
  const at = membersOf(where, short, report, 'from type link list description scopes'.split(' '));
  const type = at.oneOf('type', FIELD_TYPES);
  const link = at.oneOf('link', LINKS);
  if (type && link) report(`${where} has both a type and a link; remove type, a link has the type of its entity`);
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

function readJoin(entity: string, target: string, raw: unknown, report: Report): Join {
  const [, type, field] = /^(Building|Company|Vehicle|Park)\.([a-z][A-Za-z0-9]*)$/.exec(target) ?? [];
  const where = `${entity}.on.${target}`;
  if (!type || !field) report(`${where} must be a field of Building, Company, Vehicle or Park, such as Building.air`);
  const { many, description, scopes, ...rest } = mapping(raw) ?? {};
  const at = membersOf(where, { many, description, scopes }, report, ['many', 'description', 'scopes']);
  const query = readQuery(where, rest, report, null);
  if (query.argument === null && type !== 'Park' && query.match === null) {
    report(`${where} needs argument (which takes the ${type}) or match (the path of its key in a row)`);
  }
  return {
    type: (type ?? 'Building') as Join['type'],
    field: field ?? '',
    many: many === true,
    description: at.text('description'),
    scopes: at.scopes(),
    ask: query,
  };
}

function readQuery(where: string, raw: unknown, report: Report, match: string | null): RowQuery {
  const at = membersOf(where, raw, report, 'operation argument separator most match rows with'.split(' '));
  const operation = at.text('operation');
  if (operation === null) report(`${where} must name an operation; example: operation: listReadings`);
  const maxKeys = at.raw['most'] ?? 100;
  if (!Number.isInteger(maxKeys) || (maxKeys as number) < 1) report(`${where}.most must be a whole number from 1`);
  return {
    operation: operation ?? '',
    argument: at.text('argument'),
    separator: at.text('separator'),
    most: maxKeys as number,
    match: at.text('match') ?? match,
    rows: at.text('rows'),
    given: mapping(at.raw['with']) ?? {},
  };
}

const mapping = (raw: unknown): Raw | null =>
  typeof raw === 'object' && raw !== null && !Array.isArray(raw) ? (raw as Raw) : null;

/** Readers for the members of one mapping; reports members that are not in `known`. */
function membersOf(where: string, raw: unknown, report: Report, known: readonly string[]) {
  const found = mapping(raw);
  if (!found) report(`${where} must be a mapping`);
  const all = found ?? {};
  for (const name of Object.keys(all)) {
    if (!known.includes(name)) report(`${where}.${name} is unknown; known are ${known.join(', ')}`);
  }
  return {
    raw: all,
    text: (name: string): string | null => {
      const value = all[name];
      if (value === undefined || value === null) return null;
      if (typeof value !== 'string' || value === '') report(`${where}.${name} must be a text`);
      return String(value);
    },
    oneOf: <const W extends readonly string[]>(name: string, words: W): W[number] | null => {
      const value = all[name];
      if (value === undefined || value === null) return null;
      const found = words.find((word) => word === value);
      if (found === undefined) report(`${where}.${name} must be one of ${words.join(', ')}`);
      return found ?? null;
    },
    scopes: (): string[] => {
      const value = all['scopes'] ?? [];
      const list = (Array.isArray(value) ? value : [value]).map(String);
      for (const scope of list) {
        if (!/^[a-z]+:[a-z]+$/.test(scope)) report(`${where}.scopes must be rights such as tax:read`);
      }
      return list;
    },
  };
}
