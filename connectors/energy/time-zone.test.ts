import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { saveMeters, saveReadings } from '../../schema/database/energy/index.ts';
import { Host } from '../kit/host/host.ts';
import { hubCall, loadKeys } from '../kit/host/services.ts';
import { silentLog } from '../kit/log.ts';
import { createWorld } from '../kit/testing/park/index.ts';
import { createTestDatabase } from '../kit/testing/test-database.ts';
import { demoParkConfig, installationConfig } from '../kit/testing/test-installation.ts';
import energy from './index.ts';

describe('time zone of a park', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let host: Host;
  const COMPANY = '91350100M000100Y43';
  const raw = { url: 'modbus://127.0.0.1:9', poll: '1h' };

  beforeAll(async () => {
    database = await createTestDatabase();
    const park = demoParkConfig(createWorld());
    host = await Host.open({
      connector: energy,
      installations: [
        installationConfig(energy, 'berlin', raw, 'spree'),
        installationConfig(energy, 'chongqing', raw, 'lakeside'),
      ],
      parks: [{ ...park, id: 'spree', zone: 'Europe/Berlin', buildings: [] }, park],
      database,
      keys: await loadKeys(database),
      log: silentLog,
      runJobs: false,
    });
    for (const [installation, company] of [
      ['berlin', null],
      ['chongqing', COMPANY],
    ] as const) {
      const meter = { id: `${installation}:M`, installation, serial: 'M', medium: 'ELECTRICITY', unit: 'kWh', company };
      await saveMeters(database.plain, [{ ...meter, building: null, modulus: null }]);
      const start = Date.parse('2026-03-27T00:00:00Z');
      await database.transaction((tx) =>
        saveReadings(
          tx,
          Array.from({ length: 97 }, (_, n) => ({
            ...{ meter: meter.id, time: new Date(start + n * 3_600_000), value: String(n), quality: 'GOOD' },
          })),
          new Date(),
        ),
      );
    }
  });
  afterAll(async () => {
    await host?.close();
    await database?.drop();
  });

  const days = async (representation: object, type: string, from: string, to: string) => {
    const { data, errors } = await host.subgraph.execute({
      query: `query ($r: [_Any!]!, $from: DateTime!, $to: DateTime!) { _entities(representations: $r) { ... on ${type} {
        energy(from: $from, to: $to, bucket: DAY) { buckets { start value quality missing coverage { reported known } } } } } }`,
      variables: { r: [representation], from, to },
      call: hubCall(5_000, new AbortController().signal),
    });
    expect(errors).toBeUndefined();
    return JSON.parse(JSON.stringify(data))._entities[0].energy.buckets;
  };

  test('days begin at midnight of the park, and the day on which the clocks are put forward has 23 hours', async () => {
    const all = { coverage: { reported: 1, known: 1 }, missing: 'PT0S', quality: 'GOOD' };
    expect(
      await days({ __typename: 'Park', id: 'spree' }, 'Park', '2026-03-27T23:00:00Z', '2026-04-01T00:00:00Z'),
    ).toEqual([
      { ...all, start: '2026-03-27T23:00:00.000Z', value: '24' },
      { ...all, start: '2026-03-28T23:00:00.000Z', value: '23' },
      { ...all, start: '2026-03-29T22:00:00.000Z', value: '24' },
      { ...all, start: '2026-03-30T22:00:00.000Z', value: '2', missing: 'PT22H' },
      // The range ends in this day; nothing was measured in it.
      {
        start: '2026-03-31T22:00:00.000Z',
        value: null,
        quality: 'MISSING',
        missing: 'PT2H',
        coverage: { reported: 0, known: 1 },
      },
    ]);
  });

  test('the days of a company are those of the park in which its meters are', async () => {
    const found = await days(
      { __typename: 'Company', uscc: COMPANY },
      'Company',
      '2026-03-27T16:00:00Z',
      '2026-03-29T16:00:00Z',
    );
    expect(found.map(({ start, value }: { start: string; value: string }) => [start, value])).toEqual([
      ['2026-03-27T16:00:00.000Z', '24'],
      ['2026-03-28T16:00:00.000Z', '24'],
    ]);
  });
});
