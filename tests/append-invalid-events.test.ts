import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import hub, { HUB_INSTALLATION } from '../connectors/hub/index.ts';
import { Host } from '../connectors/kit/host/host.ts';
import { loadKeys } from '../connectors/kit/host/services.ts';
import { createLog } from '../connectors/kit/log.ts';
import type { NewEvent, Services } from '../connectors/kit/services.ts';
import { isDataError } from '../connectors/kit/tasks/group-commit.ts';
import { createTestDatabase } from '../connectors/kit/testing/test-database.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let host: Host;
let services: Services;
const log: Record<string, unknown>[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  host = await Host.open({
    connector: hub,
    installations: [{ ...HUB_INSTALLATION, park: 'lakeside' }],
    parks: [],
    database,
    keys: await loadKeys(database),
    log: createLog((line) => log.push(JSON.parse(line)), 'info'),
  });
  services = host.services('hub') as Services;
});
afterAll(async () => {
  await host?.close();
  await database?.drop();
});

/** With a value of any type, as code without types could give it. */
const occupied = (foreignId: string, value: unknown): NewEvent => ({
  ...{ foreignId, kind: 'OCCUPANCY_CHANGED', time: new Date(), lot: 'lot:1', data: { occupied: value as number } },
});
const emit = (events: readonly unknown[]) => services.transaction((tx) => services.emit(tx, events as NewEvent[]));
const logged = async () =>
  (await database.plain.query('SELECT data FROM event ORDER BY position')).map((row: { data: object }) => row.data);
const quarantined = () =>
  database.plain.query('SELECT installation, position, kind, field, reason, event FROM event_quarantine ORDER BY id');

test('quarantines an event that does not match its type, with field and reason, and appends the others of its transaction', async () => {
  const counted: unknown[] = [];
  const count = (fact: unknown) => counted.push(fact);
  subscribe('isthmus:events:invalid', count);
  const many = [1, 'two', 3, null, 5].map((value, i) => occupied(`a${i}`, value));
  expect(await emit(many)).toBe(3);
  unsubscribe('isthmus:events:invalid', count);
  expect(await logged()).toEqual([{ occupied: 1 }, { occupied: 3 }, { occupied: 5 }]);
  const rows = await quarantined();
  expect(rows).toHaveLength(2);
  expect(rows[0]).toMatchObject({ installation: 'hub', position: null, kind: 'OCCUPANCY_CHANGED', field: 'occupied' });
  // The original events are stored completely.
  expect(rows.map((row: { event: string }) => JSON.parse(row.event).data)).toEqual(
    expect.arrayContaining([{ occupied: 'two' }, { occupied: null }]),
  );
  const line = log.filter((one) => String(one['msg']).includes('invalid events'));
  expect(line).toMatchObject([
    {
      ...{ installation: 'hub', count: 2 },
      reason: 'OCCUPANCY_CHANGED.occupied must be an Int, a 32-bit integer, found a string',
    },
  ]);
  expect(counted).toEqual([{ installation: 'hub', found: 'append', count: 2 }]);
});

test('event quarantine: in strict mode rejects the whole transaction, so the connector can store the event itself', async () => {
  const before = [(await logged()).length, (await quarantined()).length];
  const work = services.transaction((tx) =>
    services.emit(tx, [occupied('s1', 1), occupied('s2', 'two')], { strict: true }),
  );
  await expect(work).rejects.toMatchObject({
    name: 'InvalidEventError',
    message: 'OCCUPANCY_CHANGED.occupied must be an Int, a 32-bit integer, found a string',
  });
  // Classified like a value that the database rejects, so bisecting the batch finds it.
  expect(await work.catch(isDataError)).toBe(true);
  expect([(await logged()).length, (await quarantined()).length]).toEqual(before);
});

test('event quarantine: ignores a repeated invalid event, and appends it once corrected', async () => {
  const before = [log.length, (await quarantined()).length];
  expect(await emit([occupied('a1', 'two')])).toBe(0);
  expect([log.length, (await quarantined()).length]).toEqual(before);
  expect(await emit([occupied('a1', 2)])).toBe(1);
});

test('quarantines events that cannot be stored; a transaction that is rolled back reports nothing', async () => {
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  const before = (await quarantined()).length;
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
  expect((await quarantined()).length).toBe(before + bad.length);
  const lines = log.length;
  const rolledBack = services.transaction(async (tx) => {
    await services.emit(tx, [occupied('c1', 'x')]);
    throw new Error('rolled back');
  });
  await expect(rolledBack).rejects.toThrow('rolled back');
  expect([log.length, (await quarantined()).length]).toEqual([lines, before + bad.length]);
});
