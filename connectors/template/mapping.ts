/** Legacy record to model; pure. Legacy words stop here. */
import { malformed } from '../kit/errors.ts';
import { parseUscc } from '../kit/identifiers.ts';
import type { Notice } from './model.ts';

/** The vendor's list, as it comes: `{ "rows": [ { "NO", "FIRM", "SUBJ", "TS" } ] }`, TS in seconds. */
export function notices(body: unknown): Notice[] {
  const rows = (body as { rows?: unknown } | null)?.rows;
  if (!Array.isArray(rows)) throw malformed('rows is no list');
  return rows.map((row, i) => notice(row as Record<string, unknown>, `rows[${i}]`));
}

function notice(row: Record<string, unknown>, where: string): Notice {
  const company = parseUscc(text(row['FIRM'], `${where}.FIRM`));
  if (company === null) throw malformed(`${where}.FIRM is no credit code`);
  const seconds = row['TS'];
  if (typeof seconds !== 'number') throw malformed(`${where}.TS is no number`);
  return {
    id: text(row['NO'], `${where}.NO`),
    company,
    title: text(row['SUBJ'], `${where}.SUBJ`),
    writtenAt: new Date(seconds * 1000),
  };
}

function text(value: unknown, where: string): string {
  if (typeof value !== 'string' || value === '') throw malformed(`${where} is no text`);
  return value;
}
