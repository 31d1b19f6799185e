/** What all kinds of files are read as: headings, rows with their lines, and rows that could not be taken. */
import { malformed } from '../../kit/errors.ts';

/** One row as the file has it: empty cells are null. */
export interface FileRow {
  /** In the file, from 1; of a workbook its row, of a JSON file the place in the list. */
  readonly line: number;
  readonly cells: Readonly<Record<string, unknown>>;
}

/** A row that could not be taken, and why, in our words. */
export interface Refused {
  readonly line: number;
  readonly reason: string;
}

/** Is told of a file's parts as they are read. */
export interface Taker {
  /** Once, before the rows. Headings, in the file's order; of a JSON file the names of all rows, those of inner objects with dots. */
  columns(columns: readonly string[]): void;
  row(row: FileRow): void;
  refuse(row: Refused): void;
}

export interface Taken {
  /** Equal for equal bytes. */
  readonly digest: string;
  /** What the text was read as, for people, such as `UTF-8, comma`. */
  readonly read: string;
}

/** Throws where columns could not be told apart. */
export function headings(record: readonly unknown[]): string[] {
  const columns = record.map((one) => String(one ?? '').trim());
  if (columns.length === 0) throw malformed('the file is empty: its first line must be the headings');
  const unnamed = columns.indexOf('');
  if (unnamed >= 0) throw malformed(`column ${unnamed + 1} has no heading`);
  const twice = columns.find((one, i) => columns.indexOf(one) !== i);
  if (twice !== undefined) throw malformed(`the heading ${twice} stands twice`);
  return columns;
}

/** A row by its headings. */
export const cellsOf = (columns: readonly string[], record: readonly unknown[]): Record<string, unknown> =>
  Object.fromEntries(columns.map((name, i) => [name, record[i] === '' ? null : (record[i] ?? null)]));
