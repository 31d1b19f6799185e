/** What parsers report for every kind of file: headings, rows with their lines, and rejected rows. */
import { malformed } from '../../kit/errors.ts';

/** One row as written in the file; empty cells are null. */
export interface FileRow {
  /** Line from 1; the row of a workbook, the position in the list of a JSON file. */
  readonly line: number;
  readonly cells: Readonly<Record<string, unknown>>;
}

/** A rejected row. `reason` contains no value of the row. */
export interface RejectedRow {
  readonly line: number;
  readonly reason: string;
}

/** Called by a parser while it reads a file. */
export interface RowHandler {
  /** Called once, before the rows, with the headings in the order of the file; for JSON the member names of all rows, nested ones with dots. */
  onColumns(columns: readonly string[]): void;
  onRow(row: FileRow): void;
  onRejected(row: RejectedRow): void;
}

export interface ParsedFile {
  /** Hash of the bytes. */
  readonly digest: string;
  /** Detected format, for messages, such as `UTF-8, comma`. */
  readonly format: string;
}

/** The trimmed headings. Throws `SourceError` (malformed) if there are none, or one is empty or repeated. */
export function readHeadings(record: readonly unknown[]): string[] {
  const columns = record.map((cell) => String(cell ?? '').trim());
  if (columns.length === 0) throw malformed('the file is empty: its first line must contain the headings');
  const unnamed = columns.indexOf('');
  if (unnamed >= 0) throw malformed(`column ${unnamed + 1} has no heading`);
  const repeated = columns.find((column, i) => columns.indexOf(column) !== i);
  if (repeated !== undefined) throw malformed(`the heading ${repeated} occurs twice`);
  return columns;
}

/** The cells of a record by heading; empty cells are null. */
export const toCells = (columns: readonly string[], record: readonly unknown[]): Record<string, unknown> =>
  Object.fromEntries(columns.map((name, i) => [name, record[i] === '' ? null : (record[i] ?? null)]));
