/** A CSV, XLSX or JSON file as rows of cells, with the line of each; pure but for the reading libraries. */
import { type CsvError, parse } from 'csv-parse/sync';
import iconv from 'iconv-lite';
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

export interface Parsed {
  /** Headings, in the file's order; of a JSON file the names of all rows, those of inner objects with dots. */
  readonly columns: readonly string[];
  readonly rows: readonly FileRow[];
  readonly refused: readonly Refused[];
  /** What the text was read as, for people, such as `UTF-8, comma`. */
  readonly read: string;
}

/** What a file may be called. */
export const READABLE = /\.(csv|tsv|txt|xlsx|json)$/i;

/** Takes a file apart; rejects (SOURCE_MALFORMED) where it is none of the kinds that its name says. */
export async function parseFile(name: string, bytes: Buffer): Promise<Parsed> {
  if (/\.xlsx$/i.test(name)) return parseWorkbook(bytes);
  if (/\.json$/i.test(name)) return parseJson(bytes);
  return parseCsv(bytes);
}

const MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** UTF-8 where the bytes are that, else GB18030, in which Chinese offices and their spreadsheets write. */
function textOf(bytes: Buffer): { text: string; encoding: string } {
  if (bytes.subarray(0, 3).equals(MARK)) return { text: bytes.subarray(3).toString('utf8'), encoding: 'UTF-8' };
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), encoding: 'UTF-8' };
  } catch {
    const text = iconv.decode(bytes, 'gb18030');
    return { text, encoding: 'GB18030' };
  }
}

const DELIMITERS = { ',': 'comma', ';': 'semicolon', '\t': 'tab', '|': 'bar' } as const;

/** The sign that stands most often in the heading. */
function delimiterOf(heading: string): keyof typeof DELIMITERS {
  const count = (sign: string): number => heading.split(sign).length;
  const signs = Object.keys(DELIMITERS) as (keyof typeof DELIMITERS)[];
  return signs.reduce((best, sign) => (count(sign) > count(best) ? sign : best));
}

function parseCsv(bytes: Buffer): Parsed {
  const { text, encoding } = textOf(bytes);
  const delimiter = delimiterOf(/^[^\r\n]*/.exec(text)?.[0] ?? '');
  const refused: Refused[] = [];
  let all: { info: { lines: number }; record: string[] }[];
  try {
    all = parse(text, {
      delimiter,
      ...{ info: true, skip_empty_lines: true, trim: true, relax_column_count: true },
      skip_records_with_error: true,
      on_skip: (error: CsvError | undefined) => {
        refused.push({ line: Number(error?.['lines'] ?? 0), reason: 'the row cannot be taken apart' });
        return undefined;
      },
    }) as unknown as typeof all;
  } catch (error) {
    throw malformed(`the table cannot be taken apart: ${(error as CsvError).code ?? 'unknown'}`, error);
  }
  const head = all.shift();
  const columns = headings(head?.record ?? []);
  const rows: FileRow[] = [];
  for (const { info, record } of all) {
    if (record.length !== columns.length) {
      refused.push({ line: info.lines, reason: `has ${record.length} cells, the heading has ${columns.length}` });
    } else if (record.some((one) => one.includes('\uFFFD'))) {
      refused.push({ line: info.lines, reason: `is not ${encoding}` });
    } else rows.push({ line: info.lines, cells: cellsOf(columns, record) });
  }
  return { columns, rows, refused, read: `${encoding}, ${DELIMITERS[delimiter]}` };
}

/** Throws where columns could not be told apart. */
function headings(record: readonly unknown[]): string[] {
  const columns = record.map((one) => String(one ?? '').trim());
  if (columns.length === 0) throw malformed('the file is empty: its first line must be the headings');
  const unnamed = columns.indexOf('');
  if (unnamed >= 0) throw malformed(`column ${unnamed + 1} has no heading`);
  const twice = columns.find((one, i) => columns.indexOf(one) !== i);
  if (twice !== undefined) throw malformed(`the heading ${twice} stands twice`);
  return columns;
}

const cellsOf = (columns: readonly string[], record: readonly unknown[]): Record<string, unknown> =>
  Object.fromEntries(columns.map((name, i) => [name, record[i] === '' ? null : (record[i] ?? null)]));

async function parseWorkbook(bytes: Buffer): Promise<Parsed> {
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
  const rows = rest.flatMap((cells, i) =>
    cells.every((one) => one === null) ? [] : [{ line: i + 2, cells: cellsOf(columns, cells) }],
  );
  return { columns, rows, refused: [], read: 'first sheet of the workbook' };
}

/** A day or time of a workbook has no zone: it is written as a text without one. */
function cellText(cell: unknown): unknown {
  if (!(cell instanceof Date)) return typeof cell === 'string' ? cell.trim() || null : (cell ?? null);
  const text = cell.toISOString().slice(0, 19).replace('T', ' ');
  return text.endsWith(' 00:00:00') ? text.slice(0, 10) : text;
}

function parseJson(bytes: Buffer): Parsed {
  let whole: unknown;
  try {
    whole = JSON.parse(textOf(bytes).text);
  } catch (error) {
    throw malformed('the file is not JSON', error);
  }
  const inner = typeof whole === 'object' && whole !== null ? Object.values(whole).filter(Array.isArray) : [];
  const list = Array.isArray(whole) ? whole : inner.length === 1 ? inner[0] : null;
  if (!Array.isArray(list)) throw malformed('the file holds no list, nor an object with one list');
  const columns = new Set<string>();
  const rows: FileRow[] = [];
  const refused: Refused[] = [];
  for (const [i, one] of list.entries()) {
    if (typeof one !== 'object' || one === null || Array.isArray(one)) {
      refused.push({ line: i + 1, reason: 'is no object' });
      continue;
    }
    const cells = flat(one as Record<string, unknown>);
    for (const name of Object.keys(cells)) columns.add(name);
    rows.push({ line: i + 1, cells });
  }
  return { columns: [...columns], rows, refused, read: 'a list of objects' };
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
