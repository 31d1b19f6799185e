import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import hub, { HUB_INSTALLATION } from '../connectors/hub/index.ts';
import type { NewEvent, Services } from '../connectors/kit/connector.ts';
import { Host } from '../connectors/kit/host/host.ts';
import { loadKeys } from '../connectors/kit/host/services.ts';
import { makeLog } from '../connectors/kit/log.ts';
import { isDataFault } from '../connectors/kit/tasks/group-commit.ts';
import { freshDatabase } from '../connectors/kit/testing/test-database.ts';

let database: Awaited<ReturnType<typeof freshDatabase>>;
let host: Host;
let services: Services;
const log: Record<string, unknown>[] = [];
beforeAll(async () => {
  database = await freshDatabase();
  host = await Host.raise({
    connector: hub,
    installations: [{ ...HUB_INSTALLATION, park: 'lakeside' }],
    parks: [],
    database,
    keys: await loadKeys(database),
    log: makeLog((line) => log.push(JSON.parse(line)), 'info'),
  });
  services = host.services('hub') as Services;
});
afterAll(async () => {
  await host?.close();
  await database?.drop();
});

const occupied = (foreignId: string, value: unknown): NewEvent => ({
  ...{ foreignId, kind: 'OCCUPANCY_CHANGED', time: new Date(), lot: 'lot:1', data: { occupied: value } },
});
const emit = (events: readonly unknown[]) => services.transaction((tx) => services.emit(tx, events as NewEvent[]));
const logged = async () =>
  (await database.plain.query('SELECT data FROM event ORDER BY position')).map((row: { data: object }) => row.data);
const kept = () =>
  database.plain.query('SELECT installation, position, kind, field, reason, event FROM event_quarantine ORDER BY id');

test('an event that does not fit its type is kept aside with field and reason; the others of its transaction are written', async () => {
  const counted: unknown[] = [];
  const count = (fact: unknown) => counted.push(fact);
  subscribe('isthmus:events:invalid', count);
  const many = [1, 'two', 3, null, 5].map((value, i) => occupied(`a${i}`, value));
  expect(await emit(many)).toBe(3);
  unsubscribe('isthmus:events:invalid', count);
  expect(await logged()).toEqual([{ occupied: 1 }, { occupied: 3 }, { occupied: 5 }]);
  const rows = await kept();
  expect(rows).toHaveLength(2);
  expect(rows[0]).toMatchObject({ installation: 'hub', position: null, kind: 'OCCUPANCY_CHANGED', field: 'occupied' });
  // Nothing of what the source said is lost.
  expect(rows.map((row: { event: string }) => JSON.parse(row.event).data)).toEqual(
    expect.arrayContaining([{ occupied: 'two' }, { occupied: null }]),
  );
  const line = log.filter((one) => String(one['msg']).includes('do not fit their type'));
  expect(line).toMatchObject([
    {
      ...{ installation: 'hub', count: 2 },
      reason: 'OCCUPANCY_CHANGED.occupied must be an Int, a whole number of 32 bits, found a text',
    },
  ]);
  expect(counted).toEqual([{ installation: 'hub', found: 'append', count: 2 }]);
});

test('a connector that keeps what is refused itself is told, and nothing of its transaction is written', async () => {
  const before = [(await logged()).length, (await kept()).length];
  const work = services.transaction((tx) =>
    services.emit(tx, [occupied('s1', 1), occupied('s2', 'two')], { strict: true }),
  );
  await expect(work).rejects.toMatchObject({
    name: 'EventRefused',
    message: 'OCCUPANCY_CHANGED.occupied must be an Int, a whole number of 32 bits, found a text',
  });
  // As the database's own refusal of a value: halves find the one that bears it.
  expect(await work.catch(isDataFault)).toBe(true);
  expect([(await logged()).length, (await kept()).length]).toEqual(before);
});

test('said again it is neither kept, logged nor counted again; mended it is written', async () => {
  const before = [log.length, (await kept()).length];
  expect(await emit([occupied('a1', 'two')])).toBe(0);
  expect([log.length, (await kept()).length]).toEqual(before);
  expect(await emit([occupied('a1', 2)])).toBe(1);
});

test('what nobody could store is refused by name as well, and a transaction that is rolled back reports nothing', async () => {
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  const before = (await kept()).length;
  const bad = [
    occupied('b0\0', 1),
    { ...occupied('b1', 1), data: { occupied: 1, note: 'a\0\ud800' } },
    { ...occupied('b2', 1), data: { occupied: 1n } },
    { ...occupied('b3', 1), data: { occupied: 1, circular } },
    { ...occupied('b4', 1), time: new Date(Number.NaN) },
    { ...occupied('b5', 1), time: new Date(8.64e15) },
    { ...occupied('b6', 1), lot: 'x'.repeat(3_000) },
    { ...occupied('b7'.repeat(1_500), 1) },
    { ...occupied('b8', 1), kind: 'NOBODY_KNOWS' },
    { ...occupied('b9', 1), company: 'nobody' },
  ];
  expect(await emit([...bad, occupied('good', 7)])).toBe(1);
  expect((await logged()).at(-1)).toEqual({ occupied: 7 });
  expect((await kept()).length).toBe(before + bad.length);
  const lines = log.length;
  const rolledBack = services.transaction(async (tx) => {
    await services.emit(tx, [occupied('c1', 'x')]);
    throw new Error('rolled back');
  });
  await expect(rolledBack).rejects.toThrow('rolled back');
  expect([log.length, (await kept()).length]).toEqual([lines, before + bad.length]);
});
