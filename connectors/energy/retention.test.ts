import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { saveReadings } from '../../schema/database/energy/meter-readings.ts';
import { dropReadingMonth } from '../../schema/database/retention/measurement-retention.ts';
import type { Host } from '../kit/host/host.ts';
import { hubCall } from '../kit/host/services.ts';
import { createTestDatabase } from '../kit/testing/test-database.ts';
import { startInstallation } from '../kit/testing/test-installation.ts';
import energy from './index.ts';

describe('retention of readings', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let host: Host;
  const day = (n: number) => new Date(Date.UTC(2026, 0, n));

  beforeAll(async () => {
    database = await createTestDatabase();
    const raw = { url: 'modbus://127.0.0.1:9', poll: '1h' };
    host = await startInstallation(energy, { id: 'wires', raw }, database, { runJobs: false });
    const meter = { id: 'wires:M', installation: 'wires', serial: 'M', medium: 'ELECTRICITY', unit: 'kWh' };
    await database.transaction(async (tx) => {
      await host
        .services('wires')
        ?.store.energy.saveMeters(tx, [{ ...meter, building: null, company: null, modulus: null }]);
      const at = (n: number) => new Date(day(n).getTime() + 43_200_000);
      const days = Array.from({ length: 40 }, (_, i) => i + 1);
      await saveReadings(
        tx,
        days.map((n) => ({ meter: 'wires:M', time: at(n), value: String(n), quality: 'GOOD' })),
        new Date(),
      );
    });
  });
  afterAll(async () => {
    await host?.close();
    await database?.drop();
  });

  const series = async (from: Date, to: Date, bucket: string) => {
    const { data, errors } = await host.subgraph.execute({
      query:
        'query ($from: DateTime!, $to: DateTime!, $bucket: BucketSize!) { meter(id: "wires:M") { series(from: $from, to: $to, bucket: $bucket) { total { value } droppedBefore buckets { start value quality } } } }',
      variables: { from: from.toISOString(), to: to.toISOString(), bucket },
      call: hubCall(5_000, new AbortController().signal),
    });
    expect(errors).toBeUndefined();
    const one = JSON.parse(JSON.stringify(data)).meter.series as {
      total: { value: string } | null;
      droppedBefore: string | null;
      buckets: { start: string; value: string | null; quality: string }[];
    };
    return { ...one, buckets: one.buckets.map(({ value, quality }) => `${value} ${quality}`) };
  };

  test('deleted readings are neither zero nor summed: the series reports from when on readings exist', async () => {
    const before = await series(day(30), day(36), 'DAY');
    expect(before).toMatchObject({ total: { value: '6' }, droppedBefore: null });
    expect(await database.transaction((tx) => dropReadingMonth(tx, day(40)))).toBe('2026-01');
    const cut = day(32).toISOString();
    const across = await series(day(30), day(36), 'DAY');
    expect(across).toMatchObject({ total: null, droppedBefore: cut });
    // Days are in Shanghai time: the one from 16:00 UTC on the 31st lost its first readings, too.
    expect(across.buckets).toEqual([...Array(3).fill('null SUSPECT'), ...Array(3).fill('1 GOOD'), 'null MISSING']);
    // A partly deleted month has no value.
    expect((await series(day(1), day(41), 'MONTH')).buckets[0]).toBe('null SUSPECT');
    // After the cut nothing is deleted, but the first interval lost its start.
    const after = await series(day(32), day(34), 'HOUR');
    expect(after.droppedBefore).toBeNull();
    expect(after.buckets[11]).toBe('null SUSPECT');
    expect(after.buckets[35]).toBe('1 ESTIMATED');
    expect(after.buckets.filter((one) => one === 'null MISSING')).toHaveLength(46);
    expect(await series(day(33), day(36), 'DAY')).toMatchObject({ droppedBefore: null });
  });
});
