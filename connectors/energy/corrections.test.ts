import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host } from '../kit/host/host.ts';
import { hubCall } from '../kit/host/services.ts';
import { freshDatabase } from '../kit/testing/test-database.ts';
import { raiseIsland } from '../kit/testing/test-installation.ts';
import energy from './index.ts';
import { startBroker } from './simulator/broker.ts';

describe('corrected readings', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let host: Host;
  let broker: Awaited<ReturnType<typeof startBroker>>;

  beforeAll(async () => {
    database = await freshDatabase();
    broker = await startBroker();
    const subscribed = broker.subscribed();
    const raw = { url: `mqtt://127.0.0.1:${broker.port}` };
    host = await raiseIsland(energy, { id: 'air', park: 'works', raw }, database, { parks: [] });
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
  const seen = () => expect.poll(async () => (await events()).length);

  test('over MQTT: a correction stands, is shown and is an event of its own; a redelivery is none', async () => {
    // Older than `announce`: its first value is no live event, its corrections are.
    const old = new Date(Date.now() - 7_200_000).toISOString();
    const now = new Date().toISOString();
    const say = (ts: string, register: string, more: object = {}) =>
      broker.publish('park/g/M1/telemetry', { ts, register, ...more });
    await broker.publish('park/g/M1/info', { medium: 'electricity', unit: 'kWh' });
    await say(old, '90');
    await say(now, '100');
    await seen().toBe(1);
    expect(await latest()).toMatchObject({ value: '100', corrected: null });
    await say(now, '101');
    await seen().toBe(2);
    await say(now, '100');
    await say(now, '101');
    await say(old, '91');
    await seen().toBe(3);
    await say(now, '100', { revision: 1 });
    await seen().toBe(4);
    expect(await events()).toEqual([
      { value: '100', corrects: null },
      { value: '101', corrects: '100' },
      { value: '91', corrects: '90' },
      { value: '100', corrects: '101' },
    ]);
    const shown = await latest();
    expect(shown.value).toBe('100');
    expect(Date.now() - new Date(shown.corrected as Date).getTime()).toBeLessThan(60_000);
    const kept = await database.plain.query(
      'SELECT trim_scale(value)::text AS value, origin FROM meter_reading_history ORDER BY superseded_at, value',
    );
    expect(kept).toEqual(['100', '90', '101'].map((value) => ({ value, origin: 'g' })));
  });
});
