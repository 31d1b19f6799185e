/** How spreadsheets and offices write what the graph writes in one way; pure. What is no day stays one that the mapping refuses. */
import type { FieldType } from '../declaration.ts';

const DAY = /^(\d{4})(?:-|\/|\.|年)(\d{1,2})(?:-|\/|\.|月)(\d{1,2})日?/;
const TIME = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?$/;

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
  return `${date}T${hour.padStart(2, '0')}:${minute}:${second ?? '00'}${offset ?? zone}`;
}
