import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createTestDatabase } from '../../../connectors/kit/testing/test-database.ts';
import { migrate, migrateDown } from '../../../migrations/migrate.ts';
import {
  beginLargePayload,
  dropRejectedBefore,
  dropRejectedBeyond,
  dropUnfinishedParts,
  endLargePayload,
  rejectedPayloadTotals,
  savePayloadPart,
  saveRejectedPayloads,
} from './rejected-payloads.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database?.drop());
beforeEach(() => database.plain.query('TRUNCATE meter_refusal, meter_refusal_part, meter_refusal_total'));

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest();
const day = (n: number) => new Date(Date.UTC(2026, 0, n));
const payloadRow = (payload: Buffer, at = day(1), topic = 'park/g/M1/telemetry') => ({
  ...{ topic, gateway: 'g', reason: 'the payload is not JSON', payload, digest: sha256(payload), at },
});
const keep = (payloads: readonly Buffer[], bound = 1e9, at = day(1)) =>
  database.transaction((tx) =>
    saveRejectedPayloads(
      tx,
      'air',
      payloads.map((payload) => payloadRow(payload, at)),
      bound,
    ),
  );
const sizes = async (): Promise<number[]> =>
  (await database.plain.query('SELECT size FROM meter_refusal ORDER BY id')).map((row: { size: string }) =>
    Number(row.size),
  );

test('rejected payloads: stores payloads unchanged with size and digest, and counts them', async () => {
  const payloads = [Buffer.alloc(0), Buffer.from('{"ts":'), randomBytes(9_502), randomBytes(300_000)];
  expect(await keep(payloads)).toEqual({ count: 0, bytes: 0 });
  const rows = await database.plain.query(
    'SELECT payload, digest, size, whole, gateway FROM meter_refusal ORDER BY id',
  );
  for (const [i, row] of rows.entries()) {
    expect(row.payload.equals(payloads[i])).toBe(true);
    expect(row.digest.equals(sha256(payloads[i] as Buffer))).toBe(true);
    expect([Number(row.size), row.whole, row.gateway]).toEqual([payloads[i]?.length, true, 'g']);
  }
  const overhead = 4 * (19 + 23 + 128);
  expect(await rejectedPayloadTotals(database.plain, 'air')).toMatchObject({
    count: 4,
    bytes: 309_508 + overhead,
    dropped: 0,
  });
});

test('rejected payloads: stores a payload whose topic contains NUL', async () => {
  await database.transaction((tx) =>
    saveRejectedPayloads(tx, 'air', [payloadRow(Buffer.from('x'), day(1), 'park/\0/M1/info')], 1e9),
  );
  expect(await sizes()).toEqual([1]);
});

test('rejected payloads: drops the oldest payloads over the size limit and counts them', async () => {
  const kilo = (n: number) => Buffer.alloc(1_000, n);
  await keep([1, 2, 3, 4, 5].map(kilo), 1e9, day(1));
  // Each is 1,170 bytes with its topic, its reason and its row.
  expect(await keep([kilo(6)], 5 * 1_170, day(2))).toEqual({ count: 1, bytes: 1_170 });
  const rows = await database.plain.query('SELECT payload FROM meter_refusal ORDER BY id');
  expect(rows.map((row: { payload: Buffer }) => row.payload[0])).toEqual([2, 3, 4, 5, 6]);
  const totals = { count: 5, bytes: 5_850, dropped: 1, droppedBytes: 1_170, droppedUntil: day(1), droppedAt: day(2) };
  expect(await rejectedPayloadTotals(database.plain, 'air')).toEqual(totals);
  // A payload over the limit stays until the next one is saved.
  expect((await keep([Buffer.alloc(9_000)], 5_000)).count).toBe(5);
  expect(await sizes()).toEqual([9_000]);
  expect((await keep([kilo(7)], 5_000)).count).toBe(1);
  expect(await sizes()).toEqual([1_000]);
});

test('rejected payloads: reaches a reduced limit in steps of bounded size', async () => {
  for (let n = 0; n < 11; n++) await keep(Array.from({ length: 1_000 }, () => Buffer.from('x')));
  const step = () => database.transaction((tx) => dropRejectedBeyond(tx, 'air', 200, day(2)));
  expect([(await step()).count, (await step()).count, (await step()).count]).toEqual([10_000, 999, 0]);
  expect(await sizes()).toHaveLength(1);
});

test('rejected payloads: drops old payloads of one installation in batches, oldest first', async () => {
  await keep([Buffer.from('a'), Buffer.from('b'), Buffer.from('c')], 1e9, day(1));
  await keep([Buffer.from('dd')], 1e9, day(5));
  await database.transaction((tx) => saveRejectedPayloads(tx, 'other', [payloadRow(Buffer.from('x'))], 1e9));
  const expire = () => database.transaction((tx) => dropRejectedBefore(tx, 'air', day(4), 2));
  expect([(await expire()).count, (await expire()).count, (await expire()).count]).toEqual([2, 1, 0]);
  expect(await rejectedPayloadTotals(database.plain, 'air')).toMatchObject({ count: 1, bytes: 2 + 170, dropped: 0 });
  expect(await rejectedPayloadTotals(database.plain, 'other')).toMatchObject({ count: 1 });
});

test('rejected payloads: counts a large payload when all parts are stored, and drops parts of incomplete ones', async () => {
  const parts = [randomBytes(1_000), randomBytes(500)];
  const begin = async () => {
    const id = await beginLargePayload(database.plain);
    for (const [i, part] of parts.entries()) await savePayloadPart(database.plain, 'air', id, i, part);
    return id;
  };
  const whole = await begin();
  await begin();
  const { payload, ...rest } = payloadRow(Buffer.concat(parts));
  await database.transaction((tx) => endLargePayload(tx, 'air', whole, { ...rest, size: payload.length }, 1e9));
  expect(await dropUnfinishedParts(database.plain, 'air', 100)).toBe(2);
  const [row] = await database.plain.query(
    `SELECT r.size, r.digest, (SELECT string_agg(p.payload, '' ORDER BY number) FROM meter_refusal_part p WHERE p.refusal = r.id) AS payload
     FROM meter_refusal r`,
  );
  expect([Number(row.size), row.payload.equals(payload), row.digest.equals(sha256(payload))]).toEqual([
    1_500,
    true,
    true,
  ]);
  // It goes with its parts.
  await keep([Buffer.from('x')], 500);
  expect(await database.plain.query('SELECT 1 FROM meter_refusal_part')).toEqual([]);
});

test('rejected payloads: migrates old rows and marks truncated ones as incomplete', async () => {
  while ((await migrateDown(database.source)) !== 'RefusedPayloads0013');
  for (const payload of [Buffer.from('{"ts":'), Buffer.alloc(4_096)])
    await database.plain.query(
      `INSERT INTO meter_refusal (installation, topic, payload, reason, at) VALUES ('air', 't', $1, 'r', now())`,
      [payload],
    );
  await migrate(database.source);
  const rows = await database.plain.query('SELECT size, digest, whole FROM meter_refusal ORDER BY id');
  expect(rows.map((row: { size: string; whole: boolean }) => [Number(row.size), row.whole])).toEqual([
    [6, true],
    [4_096, false],
  ]);
  expect(rows[0].digest.equals(sha256(Buffer.from('{"ts":')))).toBe(true);
  expect(await rejectedPayloadTotals(database.plain, 'air')).toMatchObject({ count: 2, bytes: 6 + 4_096 + 2 * 130 });
});
