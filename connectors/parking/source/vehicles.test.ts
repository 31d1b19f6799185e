import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { stores } from '../../../schema/database/connector-stores.ts';
import type { Services } from '../../kit/services.ts';
import { createTestDatabase } from '../../kit/testing/test-database.ts';
import { Vehicles } from './vehicles.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
/** Number of vehicles in each write. */
let writes: number[] = [];
let now = 0;
let failure: Error | null = null;
beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(async () => {
  await database.plain.query('DELETE FROM vehicle');
  writes = [];
});
afterAll(() => database.drop());

const create = (): Vehicles =>
  new Vehicles({
    installation: { id: 'lot' },
    clock: { monotonic: () => now },
    hash: (_: string, text: string) => `id of ${text}`,
    store: {
      parking: {
        ...stores.parking,
        addVehicles: async (...given: Parameters<typeof stores.parking.addVehicles>) => {
          if (failure) throw failure;
          writes.push(given[2].length);
          await stores.parking.addVehicles(...given);
        },
      },
    },
    read: (work: (tx: typeof database.requests) => unknown) => work(database.requests),
  } as unknown as Services);
const record = (plate: string, company: string | null = null) => ({
  vehicle: { plate, colour: 'BLUE' as const },
  company,
});
const stored = async () =>
  (await database.plain.query('SELECT plate, company FROM vehicle ORDER BY plate')).map(
    (row: { plate: string; company: string | null }) => [row.plate, row.company],
  );

test('vehicles: a new one is stored before its id is returned, an unchanged one is not written again', async () => {
  const vehicles = create();
  await vehicles.save([record('A', 'C1'), record('B')]);
  expect(await stored()).toEqual([
    ['A', 'C1'],
    ['B', null],
  ]);
  for (let i = 0; i < 3; i++) await vehicles.save([record('A', 'C1'), record('A', 'C2'), record('B'), record('A')]);
  expect(writes).toEqual([2]);
  await vehicles.save([record('B', 'C3'), record('A')]);
  expect(writes).toEqual([2, 1]);
  expect(await stored()).toEqual([
    ['A', 'C1'],
    ['B', 'C3'],
  ]);
});

test('vehicles: reads at the same time share one statement', async () => {
  const vehicles = create();
  const first = vehicles.save([record('A')]);
  await Promise.all([first, ...['B', 'C', 'D'].map((plate) => vehicles.save([record(plate), record('A')]))]);
  expect(writes).toEqual([1, 6]);
  expect((await stored()).map(([plate]: (string | null)[]) => plate)).toEqual(['A', 'B', 'C', 'D']);
});

test('vehicles: a company removed by this process is set again by the next record that names one', async () => {
  const vehicles = create();
  await vehicles.save([record('A', 'C1')]);
  const assigned = [{ ...record('A').vehicle, id: vehicles.id(record('A').vehicle), company: null }];
  await database.transaction((tx) => stores.parking.assignVehicles(tx, 'lot', assigned));
  vehicles.recordStored(assigned);
  await vehicles.save([record('A', 'C1')]);
  expect(await stored()).toEqual([['A', 'C1']]);
});

test('vehicles: what another process changed is written in the background after a minute', async () => {
  const vehicles = create();
  await vehicles.save([record('A', 'C1')]);
  await database.plain.query('UPDATE vehicle SET company = NULL');
  now += 59_000;
  await vehicles.save([record('A', 'C1')]);
  expect(writes).toEqual([1]);
  now += 2_000;
  await vehicles.save([record('A', 'C1')]);
  await vehicles.save([record('A', 'C1')]);
  await expect.poll(stored).toEqual([['A', 'C1']]);
  expect(writes).toEqual([1, 1]);
});

test('vehicles: a read of a new vehicle fails while the database does, one of a stored vehicle does not', async () => {
  const vehicles = create();
  await vehicles.save([record('A', 'C1')]);
  failure = new Error('no database');
  await expect(vehicles.save([record('B')])).rejects.toThrow('no database');
  now += 61_000;
  await vehicles.save([record('A', 'C1')]);
  await expect
    .poll(() => vehicles.save([record('A', 'C1')]).catch((error: Error) => error.message))
    .toBe('no database');
  failure = null;
  await vehicles.save([record('A', 'C1'), record('B')]);
  expect(await stored()).toEqual([
    ['A', 'C1'],
    ['B', null],
  ]);
});
