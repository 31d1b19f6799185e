/** Type checks of JSON values. Each throws SOURCE_MALFORMED with the path of the field (`where`). */
import { malformed } from '../../kit/errors.ts';
import type { Reference } from '../model.ts';

export type Raw = Readonly<Record<string, unknown>>;
/** Converts one raw row to a model record; `where` is the row's path in error messages. */
export type RowMapper<T> = (raw: unknown, where: string) => T;

/** The first text of an APDS multilingual string. */
export function multilingual(value: unknown, where: string): string {
  const first = list(value, where)
    .map((entry, i) => object(entry, `${where}[${i}]`))
    .find((entry) => typeof entry['string'] === 'string');
  return text(first?.['string'], where);
}

/** An APDS versioned reference; version 1 if it has none. */
export function reference(value: unknown, where: string): Reference {
  const raw = object(value, where);
  return { id: text(raw['id'], `${where}.id`), version: integer(raw['version'] ?? 1, `${where}.version`) };
}

export function object(value: unknown, where: string): Raw {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(`${where} is not an object`);
  return value as Raw;
}

export function list(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed(`${where} is not a list`);
  return value;
}

export function text(value: unknown, where: string): string {
  if (typeof value !== 'string' || value === '') throw malformed(`${where} is not a text`);
  return value;
}

/** An integer of at most `max` in absolute value; the default is what an `integer` column can hold. */
export function integer(value: unknown, where: string, max = 2 ** 31 - 1): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || Math.abs(value) > max)
    throw malformed(`${where} is not an integer`);
  return value;
}

/** An ISO 8601 time with zone. */
export function time(value: unknown, where: string): Date {
  const parsed = typeof value === 'string' && /(Z|[+-]\d\d:\d\d)$/.test(value) ? new Date(value) : null;
  if (parsed === null || Number.isNaN(parsed.getTime())) throw malformed(`${where} is not a time with zone`);
  return parsed;
}

export const optionalTime = (value: unknown, where: string): Date | null => (value == null ? null : time(value, where));
