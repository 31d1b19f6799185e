/** Parses CSV, XLSX and JSON files into rows of cells with their lines. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import iconv from 'iconv-lite';
import { malformed, unavailable } from '../../kit/errors.ts';
import { parseCsv } from './csv-parser.ts';
import { type ParsedFile, type RowHandler, readHeadings, toCells } from './table-rows.ts';
import { unpackedSize } from './xlsx-zip-directory.ts';

/** Names of supported files. */
export const SUPPORTED_NAME = /\.(csv|tsv|txt|xlsx|json)$/i;
/** Bytes of a workbook or JSON file, which are parsed in one step that blocks the process: about 50 ms for 4 MiB of JSON. */
const MAX_SIZE = 4 * 1024 * 1024;
/** Rows between two yields to the event loop. */
const ROWS_PER_TICK = 1_000;
/** Bytes of a workbook after decompression. */
const MAX_UNPACKED_SIZE = 64 * 1024 * 1024;

/** Parses a file by its extension. Rejects with `SourceError`: unavailable if it cannot be read, malformed if its content does not match. */
export async function parseFile(
  file: { readonly name: string; readonly path: string },
  handler: RowHandler,
): Promise<ParsedFile> {
  if (!/\.(xlsx|json)$/i.test(file.name)) return parseCsv(file.path, handler);
  const bytes = await readFile(file.path).catch((error: unknown) => {
    throw unavailable('the file cannot be read', error);
  });
  if (bytes.length > MAX_SIZE) throw malformed(`the file is larger than ${MAX_SIZE} bytes; use CSV for larger files`);
  const digest = createHash('sha256').update(bytes).digest('base64url').slice(0, 16);
  return /\.xlsx$/i.test(file.name)
    ? { digest, format: await parseWorkbook(bytes, handler) }
    : { digest, format: await parseJson(bytes, handler) };
}

/** Decodes UTF-8, else GB18030. */
function textOf(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return iconv.decode(bytes, 'gb18030');
  }
}

async function parseWorkbook(bytes: Buffer, handler: RowHandler): Promise<string> {
  const size = unpackedSize(bytes);
  if (size > MAX_UNPACKED_SIZE)
    throw malformed(`the workbook has ${size} bytes after decompression; at most ${MAX_UNPACKED_SIZE} are allowed`);
  const { readSheet } = await import('read-excel-file/node');
  let sheet: readonly (readonly unknown[])[];
  try {
    sheet = await readSheet(bytes);
  } catch (error) {
    throw malformed('the file is not a valid workbook', error);
  }
  const [head = [], ...rest] = sheet.map((row) => row.map(cellText));
  while (head.length > 0 && head.at(-1) === null) head.pop();
  const columns = readHeadings(head);
  handler.onColumns(columns);
  for (const [i, cells] of rest.entries()) {
    if (i % ROWS_PER_TICK === 0) await setImmediate();
    if (!cells.every((cell) => cell === null)) handler.onRow({ line: i + 2, cells: toCells(columns, cells) });
  }
  return 'first sheet of the workbook';
}

/** Dates and times of a workbook have no time zone: returns them as texts without one. */
function cellText(cell: unknown): unknown {
  if (!(cell instanceof Date)) return typeof cell === 'string' ? cell.trim() || null : (cell ?? null);
  const text = cell.toISOString().slice(0, 19).replace('T', ' ');
  return text.endsWith(' 00:00:00') ? text.slice(0, 10) : text;
}

async function parseJson(bytes: Buffer, handler: RowHandler): Promise<string> {
  let content: unknown;
  try {
    content = JSON.parse(textOf(bytes));
  } catch (error) {
    throw malformed('the file is not JSON', error);
  }
  const inner = typeof content === 'object' && content !== null ? Object.values(content).filter(Array.isArray) : [];
  const list = Array.isArray(content) ? content : inner.length === 1 ? inner[0] : null;
  if (!Array.isArray(list)) throw malformed('the file contains neither a list nor an object with one list');
  const rows = list.map((item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item) ? flatten(item as Record<string, unknown>) : null,
  );
  handler.onColumns([...new Set(rows.flatMap((cells) => Object.keys(cells ?? {})))]);
  for (const [i, cells] of rows.entries()) {
    if (i % ROWS_PER_TICK === 0) await setImmediate();
    if (cells === null) handler.onRejected({ line: i + 1, reason: 'is not an object' });
    else handler.onRow({ line: i + 1, cells });
  }
  return 'a list of objects';
}

/** Members of nested objects get names with dots; lists are kept. */
function flatten(row: Readonly<Record<string, unknown>>, prefix = ''): Record<string, unknown> {
  return Object.assign(
    {},
    ...Object.entries(row).map(([name, value]) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? flatten(value as Record<string, unknown>, `${prefix}${name}.`)
        : { [`${prefix}${name}`]: value === '' ? null : value },
    ),
  );
}
