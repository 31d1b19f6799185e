/** A CSV, XLSX or JSON file as rows of cells, with the line of each. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import iconv from 'iconv-lite';
import { malformed, unavailable } from '../../kit/errors.ts';
import { parseCsv } from './csv-parser.ts';
import { cellsOf, headings, type Taken, type Taker } from './table-rows.ts';
import { unpackedSize } from './xlsx-zip-directory.ts';

/** What a file may be called. */
export const READABLE = /\.(csv|tsv|txt|xlsx|json)$/i;
/** A workbook or a JSON file is taken apart in one go, during which nobody else is answered: 4 MiB of JSON are some 50 ms. */
const WHOLE = 4 * 1024 * 1024;
/** After so many rows others have their turn. */
const TURN = 1_000;
/** What a workbook may hold when it is unpacked. */
const UNPACKED = 64 * 1024 * 1024;

/** Takes a file apart; rejects (SOURCE_MALFORMED) where it is none of the kinds that its name says. */
export async function parseFile(file: { readonly name: string; readonly path: string }, take: Taker): Promise<Taken> {
  if (!/\.(xlsx|json)$/i.test(file.name)) return parseCsv(file.path, take);
  const bytes = await readFile(file.path).catch((error: unknown) => {
    throw unavailable('the file cannot be read', error);
  });
  if (bytes.length > WHOLE) throw malformed(`it is larger than ${WHOLE} bytes; a CSV file may be larger`);
  const digest = createHash('sha256').update(bytes).digest('base64url').slice(0, 16);
  return /\.xlsx$/i.test(file.name)
    ? { digest, read: await parseWorkbook(bytes, take) }
    : { digest, read: await parseJson(bytes, take) };
}

/** UTF-8 where the bytes are that, else GB18030. */
function textOf(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return iconv.decode(bytes, 'gb18030');
  }
}

async function parseWorkbook(bytes: Buffer, take: Taker): Promise<string> {
  const size = unpackedSize(bytes);
  if (size > UNPACKED)
    throw malformed(`the workbook holds ${size} bytes when it is unpacked; at most ${UNPACKED} are read`);
  const { readSheet } = await import('read-excel-file/node');
  let sheet: readonly (readonly unknown[])[];
  try {
    sheet = await readSheet(bytes);
  } catch (error) {
    throw malformed('the workbook cannot be taken apart', error);
  }
  const [head = [], ...rest] = sheet.map((row) => row.map(cellText));
  while (head.length > 0 && head.at(-1) === null) head.pop();
  const columns = headings(head);
  take.columns(columns);
  for (const [i, cells] of rest.entries()) {
    if (i % TURN === 0) await setImmediate();
    if (!cells.every((one) => one === null)) take.row({ line: i + 2, cells: cellsOf(columns, cells) });
  }
  return 'first sheet of the workbook';
}

/** A day or time of a workbook has no zone: it is written as a text without one. */
function cellText(cell: unknown): unknown {
  if (!(cell instanceof Date)) return typeof cell === 'string' ? cell.trim() || null : (cell ?? null);
  const text = cell.toISOString().slice(0, 19).replace('T', ' ');
  return text.endsWith(' 00:00:00') ? text.slice(0, 10) : text;
}

async function parseJson(bytes: Buffer, take: Taker): Promise<string> {
  let whole: unknown;
  try {
    whole = JSON.parse(textOf(bytes));
  } catch (error) {
    throw malformed('the file is not JSON', error);
  }
  const inner = typeof whole === 'object' && whole !== null ? Object.values(whole).filter(Array.isArray) : [];
  const list = Array.isArray(whole) ? whole : inner.length === 1 ? inner[0] : null;
  if (!Array.isArray(list)) throw malformed('the file holds no list, nor an object with one list');
  const rows = list.map((one: unknown) =>
    typeof one === 'object' && one !== null && !Array.isArray(one) ? flat(one as Record<string, unknown>) : null,
  );
  take.columns([...new Set(rows.flatMap((cells) => Object.keys(cells ?? {})))]);
  for (const [i, cells] of rows.entries()) {
    if (i % TURN === 0) await setImmediate();
    if (cells === null) take.refuse({ line: i + 1, reason: 'is no object' });
    else take.row({ line: i + 1, cells });
  }
  return 'a list of objects';
}

/** Inner objects with dots; lists stay as they are. */
function flat(row: Readonly<Record<string, unknown>>, prefix = ''): Record<string, unknown> {
  return Object.assign(
    {},
    ...Object.entries(row).map(([name, value]) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? flat(value as Record<string, unknown>, `${prefix}${name}.`)
        : { [`${prefix}${name}`]: value === '' ? null : value },
    ),
  );
}
