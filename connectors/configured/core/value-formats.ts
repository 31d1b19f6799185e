/** How spreadsheets, databases and offices write what the graph writes in one way; pure. What is no day stays one that the mapping refuses. */
import { type Setting, text } from '../../kit/config/settings.ts';
import type { FieldType } from './declaration.ts';
import type { TypedEntity } from './mapping.ts';

const DAY = /^(\d{4})(?:-|\/|\.|年)(\d{1,2})(?:-|\/|\.|月)(\d{1,2})日?/;
const TIME = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(Z|[+-]\d{2}(?::?\d{2})?)?$/;

/** A cell as its type is read: days as `2026-03-01`, times with their offset. */
export function spelled(cell: unknown, type: FieldType, zone: string): unknown {
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
  // PostgreSQL leaves out minutes that are none.
  const at = offset === undefined ? zone : /^[+-]\d{2}$/.test(offset) ? `${offset}:00` : offset;
  return `${date}T${hour.padStart(2, '0')}:${minute}:${second ?? '00'}${at}`;
}

/** The row's cells as the entity's types are read; cells that it does not name stay as they are. */
export function spelledRow(
  cells: Readonly<Record<string, unknown>>,
  entity: TypedEntity,
  zone: string,
): Record<string, unknown> {
  const found: Record<string, unknown> = { ...cells };
  for (const field of entity.fields) {
    if (field.from in found)
      found[field.from] = spelled(found[field.from], entity.types.get(field.name) ?? 'String', zone);
  }
  if (entity.recordedAt !== null && entity.recordedAt in found)
    found[entity.recordedAt] = spelled(found[entity.recordedAt], 'DateTime', zone);
  return found;
}

/** The setting that says which offset is meant where none is written. */
export const zone = (who: string): Setting<string> => ({
  ...text(`Offset of times that the ${who} write without one`, '+08:00', '+08:00'),
  read: (raw) => {
    if (typeof raw !== 'string' || !/^(Z|[+-]\d{2}:\d{2})$/.test(raw))
      throw new Error('must be an offset such as +08:00');
    return raw;
  },
});
