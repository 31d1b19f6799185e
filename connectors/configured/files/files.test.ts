/** Files are read in pieces while others are answered, and what is refused is told to the last row. */
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { makeLog } from '../../kit/log.ts';
import { readEntities } from '../core/declaration.ts';
import { tabular, typedTable } from '../core/tabular-source.ts';
import { Mirror } from './file-mirror.ts';
import { parseFile } from './parse-file.ts';
import type { FileRow, Refused } from './table-rows.ts';
import { unpackedSize } from './xlsx-zip-directory.ts';

const folder = mkdtempSync(join(tmpdir(), 'isthmus-csv-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const log: string[] = [];
const [entity] = tabular(
  readEntities({
    Lease: {
      key: 'No',
      fetch: { operation: 'leases.csv', argument: 'No' },
      fields: { rent: { from: 'Rent', type: 'Decimal' } },
    },
  }),
).map(typedTable);
if (!entity) throw new Error('The declaration of the test is wrong.');
const mirror = (refuse: number) =>
  new Mirror({
    ...{ folder, pattern: 'leases.csv', asked: ['No'], zone: '+08:00', refuse, reports: true },
    ...{ entities: [entity], log: makeLog((line) => log.push(line)) },
  });
/** Dropped some time ago, so that nobody waits for it to be whole. */
const drop = (text: string | Buffer, name = 'leases.csv', age = 60) => {
  writeFileSync(join(folder, name), text);
  const time = Date.now() / 1000 - age;
  utimesSync(join(folder, name), time, time);
  return { name, path: join(folder, name) };
};
const table = (count: number, rent: (n: number) => string) =>
  `No,Rent,Remark\n${Array.from({ length: count }, (_, i) => `L-${i + 1},${rent(i + 1)},${'.'.repeat(100)}`).join('\n')}\n`;
async function read(file: { name: string; path: string }) {
  const found = { columns: [] as readonly string[], rows: [] as FileRow[], refused: [] as Refused[] };
  const taken = await parseFile(file, {
    columns: (columns) => {
      found.columns = columns;
    },
    row: (row) => found.rows.push(row),
    refuse: (row) => found.refused.push(row),
  });
  return { ...found, ...taken };
}

test('every refused row stands in the report, and the reason says where it is; it goes when nothing is refused any more', async () => {
  const report = join(folder, 'refused', 'leases.csv.txt');
  drop(table(1_000, (n) => (n % 20 === 0 ? 'n.a.' : '1.50')));
  const one = mirror(10);
  expect(await one.rows()).toHaveLength(950);
  expect(one.complaint).toMatch(
    /^50 of 1000 rows of leases\.csv are refused: line 21: .*; and 40 more, all in refused\/leases\.csv\.txt$/,
  );
  const told = readFileSync(report, 'utf8').trim().split('\n');
  expect(told).toHaveLength(51);
  expect(told.at(-1)).toBe('line 1001: Rent is no decimal number');
  expect((await one.rowsBy('No', ['L-7']))[0]).toEqual({
    ...{ No: 'L-7', Rent: '1.50', $file: 'leases.csv', $line: 8 },
    $modified: expect.any(Date),
  });
  // Also of a file that is refused whole.
  drop(
    table(100, () => '?'),
    'leases.csv',
    50,
  );
  expect(await one.rows()).toHaveLength(950);
  expect(one.complaint).toContain('more than 10 in 100; the rows read before stand');
  expect(readFileSync(report, 'utf8')).toContain('line 101: ');
  drop(
    table(10, () => '2'),
    'leases.csv',
    40,
  );
  expect(await one.rows()).toHaveLength(10);
  expect(one.complaint).toBeNull();
  expect(existsSync(report)).toBe(false);
});

test('a long table is read in pieces: others have their turn all the while', async () => {
  const text = table(60_000, () => '1.50');
  const file = drop(text, 'long.csv');
  let turns = 0;
  let reading = true;
  const turning = () => {
    turns++;
    if (reading) setImmediate(turning);
  };
  setImmediate(turning);
  const { rows, read: as } = await read(file);
  reading = false;
  expect(rows).toHaveLength(60_000);
  expect(rows.at(-1)?.line).toBe(60_001);
  expect(as).toBe('UTF-8, comma');
  // A piece is 64 KiB, and is passed over twice.
  expect(turns).toBeGreaterThan(text.length / 65_536);
});

test('what cannot be taken apart is refused by row where it can be told, else as a whole', async () => {
  const { rows, refused } = await read(drop('a;b\n1;2\n3\n4;5;6\n7;8\n', 'odd.csv'));
  expect(rows.map((one) => one.cells)).toEqual([
    { a: '1', b: '2' },
    { a: '7', b: '8' },
  ]);
  expect(refused).toEqual([
    { line: 3, reason: 'has 1 cells, the heading has 2' },
    { line: 4, reason: 'has 3 cells, the heading has 2' },
  ]);
  await expect(read(drop('', 'empty.csv'))).rejects.toThrow('the file is empty');
  await expect(read(drop('a,a\n1,2\n', 'twice.csv'))).rejects.toThrow('the heading a stands twice');
  await expect(read(drop(`a,b\n1,"${'x'.repeat(3_000_000)}\n`, 'open.csv'))).rejects.toThrow(
    'the row that begins at line 2 is longer',
  );
  await expect(read(drop(`[${' '.repeat(5_000_000)}]`, 'large.json'))).rejects.toThrow('larger than');
  await expect(read({ name: 'gone.csv', path: join(folder, 'gone.csv') })).rejects.toThrow('cannot be read');
});

test('a workbook says how large it is when it is unpacked', () => {
  const units = readFileSync(join(import.meta.dirname, 'fixtures', 'units.xlsx'));
  expect(unpackedSize(units)).toBeGreaterThan(units.length / 2);
  const bomb = Buffer.from(units);
  bomb.writeUInt32LE(0xf0000000, bomb.readUInt32LE(bomb.lastIndexOf('PK\u0005\u0006') + 16) + 24);
  expect(unpackedSize(bomb)).toBeGreaterThan(0xf0000000 - 1);
  expect(unpackedSize(Buffer.from('no workbook'))).toBe(0);
});
