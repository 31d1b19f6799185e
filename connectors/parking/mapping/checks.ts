/** What a value must be; each check names the field that is not so. */
import { malformed } from '../../kit/errors.ts';
import type { Reference } from '../model.ts';

export type Raw = Readonly<Record<string, unknown>>;
/** From one raw row to our record; `where` names the row in faults. */
export type Item<T> = (raw: unknown, where: string) => T;

export function multilingual(value: unknown, where: string): string {
  const first = list(value, where)
    .map((one, i) => object(one, `${where}[${i}]`))
    .find((one) => typeof one['string'] === 'string');
  return text(first?.['string'], where);
}

export function reference(value: unknown, where: string): Reference {
  const raw = object(value, where);
  return { id: text(raw['id'], `${where}.id`), version: whole(raw['version'] ?? 1, `${where}.version`) };
}

export function object(value: unknown, where: string): Raw {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(`${where} is no object`);
  return value as Raw;
}

export function list(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed(`${where} is no list`);
  return value;
}

export function text(value: unknown, where: string): string {
  if (typeof value !== 'string' || value === '') throw malformed(`${where} is no text`);
  return value;
}

/** A whole number of a size that counts and instants have; the tables hold no larger ones. */
export function whole(value: unknown, where: string, most = 2 ** 31 - 1): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || Math.abs(value) > most)
    throw malformed(`${where} is no whole number`);
  return value;
}

export function time(value: unknown, where: string): Date {
  const made = typeof value === 'string' && /(Z|[+-]\d\d:\d\d)$/.test(value) ? new Date(value) : null;
  if (made === null || Number.isNaN(made.getTime())) throw malformed(`${where} is no time with its zone`);
  return made;
}

export const optionalTime = (value: unknown, where: string): Date | null => (value == null ? null : time(value, where));
