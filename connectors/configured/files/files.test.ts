/** Parsing without blocking the process, and reports of rejected rows. */
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createLog } from '../../kit/log.ts';
import { readEntities } from '../core/declaration.ts';
import { matchByArgument, withDeclaredTypes } from '../core/tabular-source.ts';
import { FileMirror } from './file-mirror.ts';
import { parseFile } from './parse-file.ts';
import type { FileRow, RejectedRow } from './table-rows.ts';
import { unpackedSize } from './xlsx-zip-directory.ts';

const folder = mkdtempSync(join(tmpdir(), 'isthmus-csv-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const log: string[] = [];
const [entity] = matchByArgument(
  readEntities({
    Lease: {
      key: 'No',
      fetch: { operation: 'leases.csv', argument: 'No' },
      fields: { rent: { from: 'Rent', type: 'Decimal' } },
    },
  }),
).map(withDeclaredTypes);
if (!entity) throw new Error('The declaration of the test is wrong.');
const createMirror = (maxRejectedPercent: number) =>
  new FileMirror({
    ...{
      folder,
      pattern: 'leases.csv',
      queriedColumns: ['No'],
      zone: '+08:00',
      maxRejectedPercent,
      writeReports: true,
    },
    ...{ entities: [entity], log: createLog((line) => log.push(line)) },
  });
/** Writes a file that is `age` seconds old, so that it counts as completely written. */
const drop = (text: string | Buffer, name = 'leases.csv', age = 60) => {
  writeFileSync(join(folder, name), text);
  const time = Date.now() / 1000 - age;
  utimesSync(join(folder, name), time, time);
  return { name, path: join(folder, name) };
};
const table = (count: number, rent: (n: number) => string) =>
  `No,Rent,Remark\n${Array.from({ length: count }, (_, i) => `L-${i + 1},${rent(i + 1)},${'.'.repeat(100)}`).join('\n')}\n`;
async function read(file: { name: string; path: string }) {
  const found = { columns: [] as readonly string[], rows: [] as FileRow[], rejected: [] as RejectedRow[] };
  const parsed = await parseFile(file, {
    onColumns: (columns) => {
      found.columns = columns;
    },
    onRow: (row) => found.rows.push(row),
    onRejected: (row) => found.rejected.push(row),
  });
  return { ...found, ...parsed };
}

test('dropped files: the report lists every rejected row, the message refers to it, and it is deleted when no row is rejected', async () => {
  const report = join(folder, 'refused', 'leases.csv.txt');
  drop(table(1_000, (n) => (n % 20 === 0 ? 'n.a.' : '1.50')));
  const mirror = createMirror(10);
  expect(await mirror.rows()).toHaveLength(950);
  expect(mirror.deliveryProblem).toMatch(
    /^50 of 1000 rows of leases\.csv were rejected: line 21: .*; and 40 more, see refused\/leases\.csv\.txt$/,
  );
  const lines = readFileSync(report, 'utf8').trim().split('\n');
  expect(lines).toHaveLength(51);
  expect(lines.at(-1)).toBe('line 1001: Rent is not a decimal number');
  expect((await mirror.rowsBy('No', ['L-7']))[0]).toEqual({
    ...{ No: 'L-7', Rent: '1.50', $file: 'leases.csv', $line: 8 },
    $modified: expect.any(Date),
  });
  // A rejected file has a report too.
  drop(
    table(100, () => '?'),
    'leases.csv',
    50,
  );
  expect(await mirror.rows()).toHaveLength(950);
  expect(mirror.deliveryProblem).toContain('at most 10 % may be rejected; the previously loaded rows are kept');
  expect(readFileSync(report, 'utf8')).toContain('line 101: ');
  drop(
    table(10, () => '2'),
    'leases.csv',
    40,
  );
  expect(await mirror.rows()).toHaveLength(10);
  expect(mirror.deliveryProblem).toBeNull();
  expect(existsSync(report)).toBe(false);
});

test('CSV parser: parsing a long file yields to the event loop', async () => {
  const text = table(60_000, () => '1.50');
  const file = drop(text, 'long.csv');
  let ticks = 0;
  let isReading = true;
  const tick = () => {
    ticks++;
    if (isReading) setImmediate(tick);
  };
  setImmediate(tick);
  const { rows, format } = await read(file);
  isReading = false;
  expect(rows).toHaveLength(60_000);
  expect(rows.at(-1)?.line).toBe(60_001);
  expect(format).toBe('UTF-8, comma');
  // A chunk is 64 KiB, and the file is read twice.
  expect(ticks).toBeGreaterThan(text.length / 65_536);
});

test('dropped files: rejects single rows where possible, otherwise the whole file', async () => {
  const { rows, rejected } = await read(drop('a;b\n1;2\n3\n4;5;6\n7;8\n', 'odd.csv'));
  expect(rows.map(({ cells }) => cells)).toEqual([
    { a: '1', b: '2' },
    { a: '7', b: '8' },
  ]);
  expect(rejected).toEqual([
    { line: 3, reason: 'has 1 cells, expected 2' },
    { line: 4, reason: 'has 3 cells, expected 2' },
  ]);
  await expect(read(drop('', 'empty.csv'))).rejects.toThrow('the file is empty');
  await expect(read(drop('a,a\n1,2\n', 'twice.csv'))).rejects.toThrow('the heading a occurs twice');
  await expect(read(drop(`a,b\n1,"${'x'.repeat(3_000_000)}\n`, 'open.csv'))).rejects.toThrow(
    'the row at line 2 is longer',
  );
  await expect(read(drop(`[${' '.repeat(5_000_000)}]`, 'large.json'))).rejects.toThrow('larger than');
  await expect(read({ name: 'gone.csv', path: join(folder, 'gone.csv') })).rejects.toThrow('cannot be read');
});

test('dropped files: reads the decompressed size of a workbook', () => {
  const units = readFileSync(join(import.meta.dirname, 'fixtures', 'units.xlsx'));
  expect(unpackedSize(units)).toBeGreaterThan(units.length / 2);
  const bomb = Buffer.from(units);
  bomb.writeUInt32LE(0xf0000000, bomb.readUInt32LE(bomb.lastIndexOf('PK\u0005\u0006') + 16) + 24);
  expect(unpackedSize(bomb)).toBeGreaterThan(0xf0000000 - 1);
  expect(unpackedSize(Buffer.from('no workbook'))).toBe(0);
});
