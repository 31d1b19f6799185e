/** Maps the vendor's records to the model. Pure; vendor terms are used in this file and the simulator only. */

import { parseUscc } from '../../schema/graph/identifiers.ts';
import { malformed } from '../kit/errors.ts';
import type { Notice } from './model.ts';

/** Parses the vendor's list `{ "rows": [ { "NO", "FIRM", "SUBJ", "TS" } ] }`, TS in seconds. Throws SOURCE_MALFORMED, naming the field. */
export function notices(body: unknown): Notice[] {
  const rows = (body as { rows?: unknown } | null)?.rows;
  if (!Array.isArray(rows)) throw malformed('rows is not a list');
  return rows.map((row, i) => notice(row as Record<string, unknown>, `rows[${i}]`));
}

function notice(row: Record<string, unknown>, where: string): Notice {
  const company = parseUscc(text(row['FIRM'], `${where}.FIRM`));
  if (company === null) throw malformed(`${where}.FIRM is not a credit code`);
  const seconds = row['TS'];
  if (typeof seconds !== 'number') throw malformed(`${where}.TS is not a number`);
  return {
    id: text(row['NO'], `${where}.NO`),
    company,
    title: text(row['SUBJ'], `${where}.SUBJ`),
    writtenAt: new Date(seconds * 1000),
  };
}

function text(value: unknown, where: string): string {
  if (typeof value !== 'string' || value === '') throw malformed(`${where} is not a non-empty string`);
  return value;
}
