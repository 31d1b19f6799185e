/** Maps a source's response to rows. Pure. The message of an error names the invalid field. */
import { malformed } from '../../kit/errors.ts';
import type { Entity, FieldType, RowQuery } from './declaration.ts';
import { splitPath } from './source-description.ts';

/** One row of an entity, with its links not resolved. The read cache stores it: member names must not change. */
export interface Row {
  /** The row's id in its system; empty if the entity has no key. */
  readonly id: string;
  readonly values: Readonly<Record<string, unknown>>;
  readonly recordedAt: Date | null;
  /** The queried key that the row contains; null if the query has no `match`. */
  readonly asked?: string | null;
}

/** A declared entity with the types of its fields. */
export interface TypedEntity extends Entity {
  readonly types: ReadonlyMap<string, FieldType>;
}

/** The raw rows of a response, each with the queried key that it contains (null: no `match`). Throws `SourceError` (malformed). */
export function extractRows(response: unknown, query: RowQuery): { raw: unknown; key: string | null; where: string }[] {
  const found = valueAt(response, query.rows);
  if (found === null || found === undefined) {
    if (query.rows !== null && response !== null && response !== undefined)
      throw malformed(`${query.operation}: ${query.rows} is missing`);
    return [];
  }
  const list = Array.isArray(found) ? found : [found];
  return list.flatMap((raw, i) => {
    const where = `${query.operation}${query.rows ? `.${query.rows}` : ''}[${i}]`;
    if (typeof raw !== 'object' || raw === null) throw malformed(`${where} is not an object`);
    if (query.match === null) return { raw, key: null, where };
    const key = valueAt(raw, query.match);
    // A full list may contain rows without a key, which belong to no entity of the park.
    if (query.argument === null && (key === null || key === undefined)) return [];
    if (typeof key !== 'string' && typeof key !== 'number') throw malformed(`${where}.${query.match} is not a key`);
    return { raw, key: String(key), where };
  });
}

/** One raw row as declared. Throws `SourceError` (malformed). */
export function mapRow(entity: TypedEntity, raw: unknown, where: string): Row {
  let id = '';
  if (entity.key !== null) {
    const found = valueAt(raw, entity.key);
    if ((typeof found !== 'string' && typeof found !== 'number') || found === '')
      throw malformed(`${where}.${entity.key} is not an id`);
    id = String(found);
  }
  const values: Record<string, unknown> = {};
  for (const field of entity.fields) {
    const path = `${where}.${field.from}`;
    const found = valueAt(raw, field.from);
    const type = entity.types.get(field.name) ?? 'String';
    if (found === null || found === undefined) values[field.name] = null;
    else if (field.list) {
      if (!Array.isArray(found)) throw malformed(`${path} is not a list`);
      values[field.name] = found.map((item, i) => readScalar(item, type, `${path}[${i}]`));
    } else values[field.name] = readScalar(found, type, path);
  }
  const recorded = entity.recordedAt === null ? null : valueAt(raw, entity.recordedAt);
  const recordedAt =
    recorded === null || recorded === undefined ? null : readInstant(recorded, `${where}.${entity.recordedAt}`);
  return { id, values, recordedAt };
}

/** The value at a path such as `properties.pm2_5`, or of a member whose name contains the dots; undefined if there is none. */
export function valueAt(value: unknown, path: string | null): unknown {
  if (path === null || path === '') return value;
  if (typeof value === 'object' && value !== null && path in value) return (value as Record<string, unknown>)[path];
  let found = value;
  for (const step of splitPath(path)) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = (found as Record<string, unknown>)[step];
  }
  return found;
}

const DECIMAL = /^-?\d+(\.\d+)?$/;

function readScalar(value: unknown, type: FieldType, where: string): unknown {
  if (value === null || value === undefined) return null;
  const text =
    typeof value === 'string'
      ? value.trim()
      : typeof value === 'number' || typeof value === 'bigint'
        ? String(value)
        : null;
  switch (type) {
    case 'String':
    case 'ID':
      if (text === null && typeof value !== 'boolean') throw malformed(`${where} is not a text`);
      return typeof value === 'string' ? value : String(value);
    case 'Boolean':
      if (typeof value === 'boolean') return value;
      if (/^(true|1|yes)$/i.test(text ?? '')) return true;
      if (/^(false|0|no)$/i.test(text ?? '')) return false;
      throw malformed(`${where} is neither true nor false`);
    case 'Int':
    case 'Float': {
      const number = text === null || text === '' ? Number.NaN : Number(text);
      if (!Number.isFinite(number) || (type === 'Int' && !Number.isSafeInteger(number)))
        throw malformed(`${where} is not a number`);
      return number;
    }
    case 'Decimal':
      if (text === null || !DECIMAL.test(text)) throw malformed(`${where} is not a decimal number`);
      return text.replace(/^(-?)0+(?=\d)/, '$1');
    case 'DateTime':
      return readInstant(value, where);
    case 'Date':
      if (text === null || !/^\d{4}-\d{2}-\d{2}/.test(text)) throw malformed(`${where} is not a date`);
      return text.slice(0, 10);
  }
}

/** ISO 8601 with offset, or seconds since 1970 (milliseconds from 1e11 on). */
function readInstant(value: unknown, where: string): Date {
  if (value instanceof Date) return value;
  if (typeof value === 'number') return new Date(Math.abs(value) < 1e11 ? value * 1000 : value);
  const text = typeof value === 'string' ? value.trim().replace(/^(\d{4}-\d{2}-\d{2}) /, '$1T') : '';
  const time = new Date(text);
  if (!/^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:?\d{2})$/.test(text) || Number.isNaN(time.getTime())) {
    throw malformed(`${where} is not a time with an offset`);
  }
  return time;
}
