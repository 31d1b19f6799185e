/** Parses CSV files as a stream: detects the encoding in a first pass, then reads row by row. Only one chunk is in memory. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type CsvError, parse } from 'csv-parse';
import iconv from 'iconv-lite';
import { malformed, unavailable } from '../../kit/errors.ts';
import { type ParsedFile, type RowHandler, readHeadings, toCells } from './table-rows.ts';

const DELIMITERS = { ',': 'comma', ';': 'semicolon', '\t': 'tab', '|': 'bar' } as const;
/** Bytes within which the heading must end. */
const MAX_HEADING_SIZE = 64 * 1024;

/** Maximum bytes of one row. */
const MAX_ROW_SIZE = 1024 * 1024;

/** Result of the first pass over all bytes. `first`: the beginning of the file. */
interface FileBytes {
  readonly digest: string;
  readonly encoding: 'UTF-8' | 'GB18030';
  readonly first: Buffer;
}

/** Parses the file. Rejects with `SourceError`: unavailable if it cannot be read, malformed if it is not CSV. */
export async function parseCsv(path: string, handler: RowHandler): Promise<ParsedFile> {
  const { digest, encoding, first } = await bytesOf(path);
  const label = encoding === 'UTF-8' ? 'utf8' : 'gb18030';
  const heading = /^[^\r\n]*/.exec(iconv.decode(first, label))?.[0] ?? '';
  const delimiter = delimiterOf(heading);
  const parser = parse({
    delimiter,
    ...{ bom: true, info: true, skip_empty_lines: true, trim: true, relax_column_count: true },
    // An unclosed quote would turn the rest of the file into one row.
    max_record_size: MAX_ROW_SIZE,
    skip_records_with_error: true,
    on_skip: (error: CsvError | undefined) => {
      const line = Number(error?.['lines'] ?? 0);
      if (error?.code === 'CSV_MAX_RECORD_SIZE')
        parser.destroy(malformed(`the row at line ${line} is longer than ${MAX_ROW_SIZE} bytes`));
      else handler.onRejected({ line, reason: 'is not a valid CSV row' });
      return undefined;
    },
  });
  const bytes = createReadStream(path);
  const text = iconv.decodeStream(label);
  // A read error ends the parser, and with it the loop below.
  bytes.on('error', (error) => parser.destroy(unavailable('the file cannot be read', error)));
  bytes.pipe(text).pipe(parser);
  let columns: readonly string[] | null = null;
  try {
    for await (const { info, record } of parser as AsyncIterable<{ info: { lines: number }; record: string[] }>) {
      if (columns === null) {
        columns = readHeadings(record);
        handler.onColumns(columns);
      } else if (record.length !== columns.length) {
        handler.onRejected({ line: info.lines, reason: `has ${record.length} cells, expected ${columns.length}` });
      } else if (record.some((cell) => cell.includes('\uFFFD'))) {
        handler.onRejected({ line: info.lines, reason: `is not valid ${encoding}` });
      } else handler.onRow({ line: info.lines, cells: toCells(columns, record) });
    }
  } catch (error) {
    const code = String((error as Partial<CsvError>).code ?? '');
    throw code.startsWith('CSV_') ? malformed(`the file is not valid CSV: ${code}`, error) : error;
  } finally {
    bytes.destroy();
  }
  if (columns === null) readHeadings([]);
  return { digest, format: `${encoding}, ${DELIMITERS[delimiter]}` };
}

/** Detects UTF-8, else assumes GB18030, which Chinese spreadsheets write. */
async function bytesOf(path: string): Promise<FileBytes> {
  const hash = createHash('sha256');
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let isUtf8 = true;
  let first = Buffer.alloc(0);
  const check = (chunk?: Buffer): void => {
    if (!isUtf8) return;
    try {
      decoder.decode(chunk, { stream: chunk !== undefined });
    } catch {
      isUtf8 = false;
    }
  };
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      if (first.length < MAX_HEADING_SIZE)
        first = Buffer.concat([first, chunk.subarray(0, MAX_HEADING_SIZE - first.length)]);
      check(chunk);
    }
  } catch (error) {
    throw unavailable('the file cannot be read', error);
  }
  check();
  return { digest: hash.digest('base64url').slice(0, 16), encoding: isUtf8 ? 'UTF-8' : 'GB18030', first };
}

/** The candidate that occurs most often in the heading. */
function delimiterOf(heading: string): keyof typeof DELIMITERS {
  const count = (delimiter: string): number => heading.split(delimiter).length;
  const delimiters = Object.keys(DELIMITERS) as (keyof typeof DELIMITERS)[];
  return delimiters.reduce((best, delimiter) => (count(delimiter) > count(best) ? delimiter : best));
}
