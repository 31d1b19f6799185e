/**
 * The tax office's fixed-width layout, TAXFW001: GB18030, records of 128 bytes, each ended by CR LF or LF. Widths are in bytes; a
 * Chinese character has two or four. The README describes the fields.
 */
import iconv from 'iconv-lite';
import type { Fault, ReadFile, Standing } from '../model.ts';
import { daysOfPeriod, parseBeijingTime } from './calendar.ts';
import { parseDecimal } from './decimal.ts';
import { type FileHeader, type FileTrailer, type RawRow, type ReadOptions, validateFile } from './validate-rows.ts';

/** Bytes per record. */
export const WIDTH = 128;
const MARK = 'HTAXFW001';
const KINDS = { A: 'account', R: 'filing', I: 'invoice' } as const;
const STANDINGS: Readonly<Record<string, Standing>> = {
  '01': 'GOOD',
  '02': 'ARREARS',
  '03': 'UNDER_REVIEW',
  '04': 'DEREGISTERED',
};
const CANCELLED: Readonly<Record<string, boolean>> = { '0': false, '1': true };

/** Whether the file has this layout. */
export const isFixedWidth = (bytes: Buffer): boolean => bytes.subarray(0, MARK.length).toString('latin1') === MARK;

/** Lines without line breaks, numbered from 1. A line break at the end of the file starts no line. */
function* lines(bytes: Buffer): Generator<{ line: number; bytes: Buffer }> {
  let line = 0;
  for (let at = 0; at < bytes.length; ) {
    const found = bytes.indexOf(10, at);
    const end = found === -1 ? bytes.length : found;
    const cut = end > at && bytes[end - 1] === 13 ? end - 1 : end;
    yield { line: ++line, bytes: bytes.subarray(at, cut) };
    at = end + 1;
  }
}

/** Reads the fields of one record in order. `broken`: a field was not valid GB18030. */
class Fields {
  readonly #bytes: Buffer;
  #at = 1;
  broken = false;
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }
  take(width: number): string {
    const text = iconv.decode(this.#bytes.subarray(this.#at, this.#at + width), 'gb18030');
    this.#at += width;
    if (text.includes('\uFFFD')) this.broken = true;
    return text.trim();
  }
  /** Whether the next field fills its width, so that its text may be truncated. */
  full(width: number): boolean {
    const end = this.#at + width;
    return !this.#bytes.subarray(end - 2, end).equals(Buffer.from('  '));
  }
}

const day = (text: string): string =>
  /^\d{8}$/.test(text) ? `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}` : text;
const period = (text: string): string => (text.length > 4 ? `${text.slice(0, 4)}-${text.slice(4)}` : text);
/** Sign and 17 digits of fen, as a decimal. Anything else gets a leading `?` and is rejected later. */
const fen = (text: string): string => {
  const [, sign, digits = ''] = /^([+-])(\d{17})$/.exec(text) ?? [];
  if (sign === undefined) return text === '' ? '?' : `?${text}`;
  return `${sign === '-' ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
};

/** Reads a file in this layout. */
export function readFixedWidth(bytes: Buffer, options: ReadOptions): ReadFile {
  let head: FileHeader | string = 'The file has no records.';
  const rows: (RawRow | Fault)[] = [];
  let tail: FileTrailer | null = null;
  for (const record of lines(bytes)) {
    if (record.line === 1) {
      head = readHead(record.bytes);
    } else if (tail !== null) {
      return validateFile(
        { layout: 'fixed', head: `Line ${record.line} follows the last record.`, rows, tail },
        options,
      );
    } else if (record.bytes[0] === 'T'.charCodeAt(0)) {
      tail = readTail(record.line, record.bytes);
    } else rows.push(readRow(record.line, record.bytes));
  }
  return validateFile({ layout: 'fixed', head, rows, tail }, options);
}

function readHead(bytes: Buffer): FileHeader | string {
  if (bytes.length !== WIDTH) return `The first record has ${bytes.length} bytes instead of ${WIDTH}.`;
  const fields = new Fields(bytes);
  fields.take(8);
  fields.take(6);
  const [date, time] = [fields.take(8), fields.take(6)];
  const recordedAt = parseBeijingTime(day(date), time.replace(/^(\d\d)(\d\d)(\d\d)$/, '$1:$2:$3'));
  if (!recordedAt) return 'The first record has no creation time.';
  const scope = fields.take(1);
  if (scope !== 'F' && scope !== 'D') return 'The first record has neither F (full) nor D (partial).';
  const contents = [...fields.take(3)].map((letter) => KINDS[letter as keyof typeof KINDS]);
  if (contents.length === 0 || contents.includes(undefined as never)) return 'The first record names no contents.';
  const about = period(fields.take(6));
  if (!daysOfPeriod(about)) return 'The first record names no period.';
  return { line: 1, recordedAt, full: scope === 'F', contents: new Set(contents), period: about };
}

function readTail(line: number, bytes: Buffer): FileTrailer | null {
  if (bytes.length !== WIDTH) return null;
  const fields = new Fields(bytes);
  const rows = fields.take(8);
  const total = parseDecimal(fen(fields.take(18)));
  return /^\d{8}$/.test(rows) && total ? { line, rows: Number(rows), total } : null;
}

const NOTHING = {
  ...{
    name: '',
    standing: null,
    number: '',
    period: '',
    day: '',
    net: '',
    tax: '',
    gross: '',
    cancelled: null,
    original: '',
  },
};

function readRow(line: number, bytes: Buffer): RawRow | Fault {
  if (bytes.length !== WIDTH) {
    return { line, reason: 'RECORD_LENGTH', detail: `The record has ${bytes.length} bytes instead of ${WIDTH}.` };
  }
  const kind = KINDS[String.fromCharCode(bytes[0] ?? 0) as keyof typeof KINDS];
  if (!kind) return { line, reason: 'RECORD_UNKNOWN', detail: 'The record is neither A, R nor I.' };
  const fields = new Fields(bytes);
  const row = takeRow(line, kind, fields);
  return fields.broken ? { line, reason: 'ENCODING_BROKEN', detail: 'The bytes are not GB18030.' } : row;
}

function takeRow(line: number, kind: RawRow['kind'], fields: Fields): RawRow {
  const row = { ...NOTHING, line, kind, taxpayerNo: fields.take(20) };
  if (kind === 'account') {
    const full = fields.full(60);
    const name = fields.take(60);
    return { ...row, name: full ? '' : name, standing: STANDINGS[fields.take(2)] ?? null, day: day(fields.take(8)) };
  }
  const number = fields.take(20);
  if (kind === 'filing') {
    return { ...row, number, period: period(fields.take(6)), day: day(fields.take(8)), net: fen(fields.take(18)) };
  }
  const issued = day(fields.take(8));
  const [net, tax, gross] = [fen(fields.take(18)), fen(fields.take(18)), fen(fields.take(18))];
  const cancelled = CANCELLED[fields.take(1)] ?? null;
  return { ...row, number, day: issued, net, tax, gross, cancelled, original: fields.take(20) };
}
