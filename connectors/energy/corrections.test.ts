import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host } from '../kit/host/host.ts';
import { hubCall } from '../kit/host/services.ts';
import { createTestDatabase } from '../kit/testing/test-database.ts';
import { startInstallation } from '../kit/testing/test-installation.ts';
import energy from './index.ts';
import { startTestBroker } from './simulator/test-broker.ts';

describe('corrected readings', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let host: Host;
  let broker: Awaited<ReturnType<typeof startTestBroker>>;

  beforeAll(async () => {
    database = await createTestDatabase();
    broker = await startTestBroker();
    const subscribed = broker.subscribed();
    const raw = { url: `mqtt://127.0.0.1:${broker.port}` };
    host = await startInstallation(energy, { id: 'air', park: 'works', raw }, database, { parks: [] });
    await subscribed;
  });
  afterAll(async () => {
    await host?.close();
    await broker?.close();
    await database?.drop();
  });

  const events = (): Promise<{ value: string; corrects: string | null }[]> =>
    database.plain.query(
      "SELECT data->>'value' AS value, data->>'corrects' AS corrects FROM event WHERE kind = 'METER_READING_TAKEN' ORDER BY position",
    );
  const latest = async () => {
    const { data } = await host.subgraph.execute({
      query: '{ meter(id: "air:M1") { latest { value corrected } } }',
      variables: {},
      call: hubCall(5_000, new AbortController().signal),
    });
    return (data as { meter: { latest: { value: string; corrected: Date | null } } }).meter.latest;
  };
  const eventCount = () => expect.poll(async () => (await events()).length);

  test('over MQTT: a correction replaces the value and emits an event; a redelivery does neither', async () => {
    // Older than `announce`: the first value emits no event, its corrections do.
    const old = new Date(Date.now() - 7_200_000).toISOString();
    const now = new Date().toISOString();
    const publish = (ts: string, register: string, more: object = {}) =>
      broker.publish('park/g/M1/telemetry', { ts, register, ...more });
    await broker.publish('park/g/M1/info', { medium: 'electricity', unit: 'kWh' });
    await publish(old, '90');
    await publish(now, '100');
    await eventCount().toBe(1);
    expect(await latest()).toMatchObject({ value: '100', corrected: null });
    await publish(now, '101');
    await eventCount().toBe(2);
    await publish(now, '100');
    await publish(now, '101');
    await publish(old, '91');
    await eventCount().toBe(3);
    await publish(now, '100', { revision: 1 });
    await eventCount().toBe(4);
    expect(await events()).toEqual([
      { value: '100', corrects: null },
      { value: '101', corrects: '100' },
      { value: '91', corrects: '90' },
      { value: '100', corrects: '101' },
    ]);
    const current = await latest();
    expect(current.value).toBe('100');
    expect(Date.now() - new Date(current.corrected as Date).getTime()).toBeLessThan(60_000);
    const history = await database.plain.query(
      'SELECT trim_scale(value)::text AS value, origin FROM meter_reading_history ORDER BY superseded_at, value',
    );
    expect(history).toEqual(['100', '90', '101'].map((value) => ({ value, origin: 'g' })));
  });
});
