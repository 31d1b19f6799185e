/** The tax office's CSV layout: GB18030 or UTF-8 with BOM, one table for all kinds of rows, Chinese names. Described in the README. */
import { type CsvError, parse } from 'csv-parse/sync';
import iconv from 'iconv-lite';
import type { ClearanceReply, ClearanceRequest, Fault, ReadFile, Standing } from '../model.ts';
import { daysOfPeriod, formatBeijingTime, parseBeijingTime } from './calendar.ts';
import { parseDecimal } from './decimal.ts';
import { type FileHeader, type FileTrailer, type RawRow, type ReadOptions, validateFile } from './validate-rows.ts';

/** The heading row. */
export const COLUMNS = '类别,纳税人识别号,纳税人名称,状态,单号,所属期,日期,金额,税额,价税合计,原单号'.split(',');
const REPLY_COLUMNS = '类别,申请编号,结果,文书号,原因,时间'.split(',');
const KINDS = { 账户: 'account', 申报: 'filing', 发票: 'invoice' } as const;
const STANDINGS: Readonly<Record<string, Standing>> = {
  正常: 'GOOD',
  欠税: 'ARREARS',
  核查: 'UNDER_REVIEW',
  注销: 'DEREGISTERED',
};
const CANCELLED: Readonly<Record<string, boolean>> = { 正常: false, 作废: true };
const RESULTS: Readonly<Record<string, ClearanceReply['state']>> = {
  受理: 'ACCEPTED',
  驳回: 'REJECTED',
  办结: 'COMPLETED',
};

/** English texts of the office's usual reasons; other reasons are passed on unchanged. */
const REASONS: Readonly<Record<string, string>> = {
  欠税未清: 'tax is owed',
  申报未齐: 'returns are missing',
  资料不符: 'the particulars do not match',
};

type Cells = Readonly<Record<string, string>>;

/** Decodes UTF-8 if the bytes begin with a BOM, else GB18030. */
const textOf = (bytes: Buffer): string =>
  bytes.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf]))
    ? iconv.decode(bytes, 'utf8')
    : iconv.decode(bytes, 'gb18030');

/** The first line of a file. */
export const firstLine = (bytes: Buffer): string => textOf(bytes.subarray(0, 512)).split(/\r?\n/)[0] ?? '';

/** Whether the file has this layout. */
export const isCsv = (bytes: Buffer): boolean => firstLine(bytes) === COLUMNS.join(',');

/** The rows below the heading with their lines; a fault for a row that cannot be parsed. */
function table(bytes: Buffer, columns: readonly string[]): ({ line: number; cells: Cells } | Fault)[] {
  const faults: Fault[] = [];
  const skipped = (error: CsvError | undefined) => {
    faults.push({
      line: Number(error?.['lines'] ?? 0),
      reason: 'RECORD_LENGTH',
      detail: 'The row has too few or too many cells.',
    });
    return undefined;
  };
  const rows = parse(textOf(bytes), {
    ...{ bom: true, columns: [...columns], from_line: 2, info: true, skip_empty_lines: true, trim: true },
    ...{ skip_records_with_error: true, on_skip: skipped },
  }) as unknown as { info: { lines: number }; record: Cells }[];
  return [...rows.map(({ info, record }) => ({ line: info.lines, cells: record })), ...faults].sort(
    (a, b) => a.line - b.line,
  );
}

/** Reads a file in this layout. */
export function readCsv(bytes: Buffer, options: ReadOptions): ReadFile {
  let all: ReturnType<typeof table>;
  try {
    all = table(bytes, COLUMNS);
  } catch (error) {
    const detail = `The table cannot be parsed: ${(error as CsvError).code ?? 'unknown error'}.`;
    return { taken: false, layout: 'csv', recordedAt: null, reason: 'NOT_WELL_FORMED', detail, faults: [] };
  }
  const first = all.shift();
  const head = first && 'cells' in first ? readHead(first.line, first.cells) : 'The header row is missing.';
  const last = all.at(-1);
  const tail = last && 'cells' in last ? readTail(last.line, last.cells) : null;
  if (tail) all.pop();
  return validateFile(
    { layout: 'csv', head, rows: all.map((row) => ('cells' in row ? readRow(row.line, row.cells) : row)), tail },
    options,
  );
}

const cell = (cells: Cells, name: string): string => cells[name] ?? '';

function readHead(line: number, cells: Cells): FileHeader | string {
  if (cell(cells, '类别') !== '文件') return 'The first row is not a header row.';
  const [day = '', time = ''] = cell(cells, '日期').split(' ');
  const recordedAt = parseBeijingTime(day, time);
  if (!recordedAt) return 'The header row has no creation time.';
  const scope = cell(cells, '状态');
  if (scope !== '全量' && scope !== '增量') return 'The header row has neither 全量 (full) nor 增量 (partial).';
  const kindNames = cell(cells, '纳税人名称').split(/\s+/);
  const contents = kindNames.map((name) => KINDS[name as keyof typeof KINDS]);
  if (contents.includes(undefined as never)) return 'The header row has an unknown content.';
  const period = cell(cells, '所属期');
  if (!daysOfPeriod(period)) return 'The header row has no valid period.';
  return { line, recordedAt, full: scope === '全量', contents: new Set(contents), period };
}

function readTail(line: number, cells: Cells): FileTrailer | null {
  const [rows, total] = [cell(cells, '单号'), parseDecimal(cell(cells, '金额'))];
  return cell(cells, '类别') === '结束' && /^\d+$/.test(rows) && total ? { line, rows: Number(rows), total } : null;
}

function readRow(line: number, cells: Cells): RawRow | Fault {
  if (Object.values(cells).some((text) => text.includes('\uFFFD'))) {
    return { line, reason: 'ENCODING_BROKEN', detail: 'The bytes are not GB18030.' };
  }
  const kind = KINDS[cell(cells, '类别') as keyof typeof KINDS];
  if (!kind) return { line, reason: 'RECORD_UNKNOWN', detail: 'The row is neither account, return nor invoice.' };
  const state = cell(cells, '状态');
  return {
    ...{
      line,
      kind,
      taxpayerNo: cell(cells, '纳税人识别号'),
      name: cell(cells, '纳税人名称'),
      standing: STANDINGS[state] ?? null,
    },
    ...{ number: cell(cells, '单号'), period: cell(cells, '所属期'), day: cell(cells, '日期') },
    ...{ net: cell(cells, '金额') || '?', tax: cell(cells, '税额') || '?', gross: cell(cells, '价税合计') || '?' },
    ...{ cancelled: CANCELLED[state] ?? null, original: cell(cells, '原单号') },
  };
}

/** Formats a clearance request for the office: GB18030, one row. */
export function writeRequest(request: ClearanceRequest): Buffer {
  const row = ['完税证明申请', request.reference, request.taxpayerNo, request.until, formatBeijingTime(request.at)];
  return iconv.encode(`类别,申请编号,纳税人识别号,截至所属期,时间\r\n${row.join(',')}\r\n`, 'gb18030');
}

/** Parses the office's replies; a fault for each invalid row. */
export function readReplies(bytes: Buffer): (ClearanceReply | Fault)[] {
  if (firstLine(bytes) !== REPLY_COLUMNS.join(',')) {
    return [{ line: 1, reason: 'LAYOUT_UNKNOWN', detail: 'The file is not a reply to a clearance request.' }];
  }
  return table(bytes, REPLY_COLUMNS).map((row) => {
    if (!('cells' in row)) return row;
    const { line, cells } = row;
    const [day = '', time = ''] = cell(cells, '时间').split(' ');
    const [at, state] = [parseBeijingTime(day, time), RESULTS[cell(cells, '结果')]];
    const [reference, reason] = [cell(cells, '申请编号'), cell(cells, '原因')];
    if (!at || !state || reference === '') {
      return { line, reason: 'VALUE_INVALID', detail: 'The reply lacks reference, result or time.' } as const;
    }
    return {
      reference,
      state,
      at,
      receipt: cell(cells, '文书号') || null,
      reason: REASONS[reason] ?? (reason || null),
    };
  });
}
