/** Normalizes dates and times as spreadsheets, databases and people write them. Pure. Invalid values stay invalid, for the mapping to reject. */
import { type Setting, text } from '../../kit/config/settings.ts';
import type { FieldType } from './declaration.ts';
import type { TypedEntity } from './mapping.ts';

const DAY = /^(\d{4})(?:-|\/|\.|年)(\d{1,2})(?:-|\/|\.|月)(\d{1,2})日?/;
const TIME = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(Z|[+-]\d{2}(?::?\d{2})?)?$/;

/** A date as `2026-03-01`, a time as ISO 8601 with offset (`zone` if it has none); other values are returned unchanged. */
export function normalizeValue(cell: unknown, type: FieldType, zone: string): unknown {
  if (typeof cell !== 'string' || (type !== 'Date' && type !== 'DateTime')) return cell;
  const text = cell.trim();
  const [whole, year, month, day] = DAY.exec(text) ?? [];
  if (!whole || !year || !month || !day) return cell;
  const date = `${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`;
  const real = new Date(`${date}T00:00:00Z`);
  if (Number.isNaN(real.getTime()) || !real.toISOString().startsWith(date)) return `?${text}`;
  const rest = text.slice(whole.length).replace(/^(T|\s+)/, '');
  if (type === 'Date') return rest === '' ? date : cell;
  if (rest === '') return `${date}T00:00:00${zone}`;
  const [, hour, minute, second, offset] = TIME.exec(rest) ?? [];
  if (!hour || !minute) return cell;
  // PostgreSQL writes a full-hour offset without minutes.
  const at = offset === undefined ? zone : /^[+-]\d{2}$/.test(offset) ? `${offset}:00` : offset;
  return `${date}T${hour.padStart(2, '0')}:${minute}:${second ?? '00'}${at}`;
}

/** The row with the entity's cells normalized; other cells are returned unchanged. */
export function normalizeRow(
  cells: Readonly<Record<string, unknown>>,
  entity: TypedEntity,
  zone: string,
): Record<string, unknown> {
  const row: Record<string, unknown> = { ...cells };
  for (const field of entity.fields) {
    if (field.from in row)
      row[field.from] = normalizeValue(row[field.from], entity.types.get(field.name) ?? 'String', zone);
  }
  if (entity.recordedAt !== null && entity.recordedAt in row)
    row[entity.recordedAt] = normalizeValue(row[entity.recordedAt], 'DateTime', zone);
  return row;
}

/** The setting `zone`: the offset of times that are written without one. `what`: the plural noun of its description. */
export const zoneSetting = (what: string): Setting<string> => ({
  ...text(`UTC offset of times without one in the ${what}`, '+08:00', '+08:00'),
  read: (raw) => {
    if (typeof raw !== 'string' || !/^(Z|[+-]\d{2}:\d{2})$/.test(raw))
      throw new Error('must be a UTC offset such as +08:00');
    return raw;
  },
});
