/** From what a system answers to rows in our words; pure. The name of the field that is wrong stands in the fault. */
import { malformed } from '../../kit/errors.ts';
import type { Ask, Entity, FieldType } from './declaration.ts';
import { steps } from './source-description.ts';

/** One row of an entity, before it is linked. */
export interface Row {
  /** The row's own id in its system; empty where it has none. */
  readonly id: string;
  readonly values: Readonly<Record<string, unknown>>;
  readonly recordedAt: Date | null;
  /** The key that the row names, where the question's declaration says where. */
  readonly asked?: string | null;
}

/** A declared entity whose field types are known. */
export interface TypedEntity extends Entity {
  readonly types: ReadonlyMap<string, FieldType>;
}

/** The raw rows of an answer, each with the key that it was asked for (null: not told). */
export function rawRows(answer: unknown, ask: Ask): { raw: unknown; key: string | null; where: string }[] {
  const found = at(answer, ask.rows);
  if (found === null || found === undefined) {
    if (ask.rows !== null && answer !== null && answer !== undefined)
      throw malformed(`${ask.operation}: ${ask.rows} is missing`);
    return [];
  }
  const list = Array.isArray(found) ? found : [found];
  return list.flatMap((raw, i) => {
    const where = `${ask.operation}${ask.rows ? `.${ask.rows}` : ''}[${i}]`;
    if (typeof raw !== 'object' || raw === null) throw malformed(`${where} is no object`);
    if (ask.match === null) return { raw, key: null, where };
    const key = at(raw, ask.match);
    // In a list of all rows, one that names nobody belongs to nobody.
    if (ask.argument === null && (key === null || key === undefined)) return [];
    if (typeof key !== 'string' && typeof key !== 'number') throw malformed(`${where}.${ask.match} is no key`);
    return { raw, key: String(key), where };
  });
}

/** One raw row as the entity declares it. */
export function row(entity: TypedEntity, raw: unknown, where: string): Row {
  let id = '';
  if (entity.key !== null) {
    const found = at(raw, entity.key);
    if ((typeof found !== 'string' && typeof found !== 'number') || found === '')
      throw malformed(`${where}.${entity.key} is no id`);
    id = String(found);
  }
  const values: Record<string, unknown> = {};
  for (const field of entity.fields) {
    const place = `${where}.${field.from}`;
    const found = at(raw, field.from);
    const type = entity.types.get(field.name) ?? 'String';
    if (found === null || found === undefined) values[field.name] = null;
    else if (field.list) {
      if (!Array.isArray(found)) throw malformed(`${place} is no list`);
      values[field.name] = found.map((one, i) => read(one, type, `${place}[${i}]`));
    } else values[field.name] = read(found, type, place);
  }
  const recorded = entity.recordedAt === null ? null : at(raw, entity.recordedAt);
  const recordedAt =
    recorded === null || recorded === undefined ? null : instant(recorded, `${where}.${entity.recordedAt}`);
  return { id, values, recordedAt };
}

/** What stands at a path such as `properties.pm2_5`; a name with a dot in it is found too. */
export function at(value: unknown, path: string | null): unknown {
  if (path === null || path === '') return value;
  if (typeof value === 'object' && value !== null && path in value) return (value as Record<string, unknown>)[path];
  let found = value;
  for (const step of steps(path)) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = (found as Record<string, unknown>)[step];
  }
  return found;
}

const DECIMAL = /^-?\d+(\.\d+)?$/;

function read(value: unknown, type: FieldType, where: string): unknown {
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
      if (text === null && typeof value !== 'boolean') throw malformed(`${where} is no text`);
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
        throw malformed(`${where} is no number`);
      return number;
    }
    case 'Decimal':
      if (text === null || !DECIMAL.test(text)) throw malformed(`${where} is no decimal number`);
      return text.replace(/^(-?)0+(?=\d)/, '$1');
    case 'DateTime':
      return instant(value, where);
    case 'Date':
      if (text === null || !/^\d{4}-\d{2}-\d{2}/.test(text)) throw malformed(`${where} is no day`);
      return text.slice(0, 10);
  }
}

/** ISO 8601 with offset, or seconds (milliseconds) since 1970. */
function instant(value: unknown, where: string): Date {
  if (value instanceof Date) return value;
  if (typeof value === 'number') return new Date(Math.abs(value) < 1e11 ? value * 1000 : value);
  const text = typeof value === 'string' ? value.trim().replace(/^(\d{4}-\d{2}-\d{2}) /, '$1T') : '';
  const time = new Date(text);
  if (!/^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:?\d{2})$/.test(text) || Number.isNaN(time.getTime())) {
    throw malformed(`${where} is no time with its offset`);
  }
  return time;
}
