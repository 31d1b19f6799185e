/** A CSV file, read in pieces: first what its bytes are, then row by row. However long it is, only a piece of it is in memory here. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type CsvError, parse } from 'csv-parse';
import iconv from 'iconv-lite';
import { malformed, unavailable } from '../../kit/errors.ts';
import { cellsOf, headings, type Taken, type Taker } from './table-rows.ts';

const DELIMITERS = { ',': 'comma', ';': 'semicolon', '\t': 'tab', '|': 'bar' } as const;
/** Bytes in which the heading must end. */
const HEADING = 64 * 1024;

/** Bytes of one row. */
const LONGEST = 1024 * 1024;

/** What a first reading of all bytes finds. */
interface Bytes {
  readonly digest: string;
  readonly encoding: 'UTF-8' | 'GB18030';
  readonly first: Buffer;
}

export async function parseCsv(path: string, take: Taker): Promise<Taken> {
  const { digest, encoding, first } = await bytesOf(path);
  const label = encoding === 'UTF-8' ? 'utf8' : 'gb18030';
  const heading = /^[^\r\n]*/.exec(iconv.decode(first, label))?.[0] ?? '';
  const delimiter = delimiterOf(heading);
  const parser = parse({
    delimiter,
    ...{ bom: true, info: true, skip_empty_lines: true, trim: true, relax_column_count: true },
    // A quote that is never closed would make one row of all the rest.
    max_record_size: LONGEST,
    skip_records_with_error: true,
    on_skip: (error: CsvError | undefined) => {
      const line = Number(error?.['lines'] ?? 0);
      if (error?.code === 'CSV_MAX_RECORD_SIZE')
        parser.destroy(malformed(`the row that begins at line ${line} is longer than ${LONGEST} bytes`));
      else take.refuse({ line, reason: 'the row cannot be taken apart' });
      return undefined;
    },
  });
  const bytes = createReadStream(path);
  const text = iconv.decodeStream(label);
  // A reader that breaks ends the parser, and with it the loop below.
  bytes.on('error', (error) => parser.destroy(unavailable('the file cannot be read', error)));
  bytes.pipe(text).pipe(parser);
  let columns: readonly string[] | null = null;
  try {
    for await (const { info, record } of parser as AsyncIterable<{ info: { lines: number }; record: string[] }>) {
      if (columns === null) {
        columns = headings(record);
        take.columns(columns);
      } else if (record.length !== columns.length) {
        take.refuse({ line: info.lines, reason: `has ${record.length} cells, the heading has ${columns.length}` });
      } else if (record.some((one) => one.includes('\uFFFD'))) {
        take.refuse({ line: info.lines, reason: `is not ${encoding}` });
      } else take.row({ line: info.lines, cells: cellsOf(columns, record) });
    }
  } catch (error) {
    const code = String((error as Partial<CsvError>).code ?? '');
    throw code.startsWith('CSV_') ? malformed(`the table cannot be taken apart: ${code}`, error) : error;
  } finally {
    bytes.destroy();
  }
  if (columns === null) headings([]);
  return { digest, read: `${encoding}, ${DELIMITERS[delimiter]}` };
}

/** UTF-8 where the bytes are that, else GB18030, in which Chinese offices and their spreadsheets write. */
async function bytesOf(path: string): Promise<Bytes> {
  const hash = createHash('sha256');
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let utf8 = true;
  let first = Buffer.alloc(0);
  const check = (piece?: Buffer): void => {
    if (!utf8) return;
    try {
      decoder.decode(piece, { stream: piece !== undefined });
    } catch {
      utf8 = false;
    }
  };
  try {
    for await (const piece of createReadStream(path) as AsyncIterable<Buffer>) {
      hash.update(piece);
      if (first.length < HEADING) first = Buffer.concat([first, piece.subarray(0, HEADING - first.length)]);
      check(piece);
    }
  } catch (error) {
    throw unavailable('the file cannot be read', error);
  }
  check();
  return { digest: hash.digest('base64url').slice(0, 16), encoding: utf8 ? 'UTF-8' : 'GB18030', first };
}

/** The sign that stands most often in the heading. */
function delimiterOf(heading: string): keyof typeof DELIMITERS {
  const count = (sign: string): number => heading.split(sign).length;
  const signs = Object.keys(DELIMITERS) as (keyof typeof DELIMITERS)[];
  return signs.reduce((best, sign) => (count(sign) > count(best) ? sign : best));
}
