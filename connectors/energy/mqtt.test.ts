import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../kit/config/sections/limits.ts';
import type { Host } from '../kit/host/host.ts';
import { hubCall } from '../kit/host/services.ts';
import { pendingCommitBytes, pendingCommits, setCommitLimits } from '../kit/tasks/commit-queue.ts';
import { createTestDatabase } from '../kit/testing/test-database.ts';
import { startInstallation } from '../kit/testing/test-installation.ts';
import { timerLedger } from '../kit/testing/timer-ledger.ts';
import energy from './index.ts';
import { startTestBroker } from './simulator/test-broker.ts';
import type { MqttMessage } from './source/message-queue.ts';
import { MqttSession } from './source/mqtt-session.ts';

describe('energy over MQTT', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let host: Host | undefined;
  let broker: Awaited<ReturnType<typeof startTestBroker>>;

  beforeAll(async () => {
    database = await createTestDatabase();
    return () => database.drop();
  });
  const timers = timerLedger();
  afterAll(() => timers.stop());
  afterEach(async () => {
    await host?.close();
    await broker.close();
    // Pings and response timeouts must end with their session.
    expect(timers.running()).toEqual([]);
    await database.plain.query('DELETE FROM meter_reading; DELETE FROM meter; DELETE FROM meter_refusal');
    await database.plain.query('DELETE FROM event; DELETE FROM state');
  });

  async function raise(more: Record<string, unknown> = {}) {
    const raw = { url: `mqtt://127.0.0.1:${broker.port}`, ...more };
    host = await timers.run(() =>
      startInstallation(energy, { id: 'air', park: 'works', raw }, database, {
        parks: [],
        intervals: { checkUp: 60_000, checkDown: 300 },
      }),
    );
  }
  const count = async (what: string) => Number((await database.plain.query(`SELECT count(*) FROM ${what}`))[0].count);
  const reading = (minutesAgo: number, register: string) => ({
    ts: new Date(Date.now() - minutesAgo * 60_000).toISOString(),
    register,
  });

  test('persistent MQTT session: messages published while the hub is disconnected are received later, once, with events for recent readings only', async () => {
    broker = await startTestBroker();
    const subscribed = broker.subscribed();
    await raise();
    await subscribed;
    await broker.publish('park/g/M1/telemetry', reading(60, '1'));
    await expect.poll(() => count('meter_reading')).toBe(1);
    broker.rejectConnections(true);
    broker.disconnectAll();
    for (let i = 0; i < 50; i++) await broker.publish('park/g/M1/telemetry', reading(55 - i, String(2 + i)));
    // A gateway that received no acknowledgement sends again.
    await broker.publish('park/g/M1/telemetry', reading(0, '99'));
    broker.rejectConnections(false);
    await expect.poll(() => count('meter_reading'), { timeout: 15_000 }).toBe(52);
    const again = await database.plain.query('SELECT time, value::text FROM meter_reading ORDER BY time DESC LIMIT 1');
    await broker.publish('park/g/M1/telemetry', { ts: again[0].time.toISOString(), register: again[0].value });
    await broker.publish('park/g/M1/telemetry', reading(-1, '100'));
    await expect.poll(() => count('meter_reading')).toBe(53);
    // Within the last 15 minutes: minutes 14 to 6, now, and the one just published.
    expect(await count("event WHERE kind = 'METER_READING_TAKEN'")).toBe(11);
  });

  test('no payload blocks the stream: invalid or unstorable payloads are stored in meter_refusal', async () => {
    broker = await startTestBroker();
    const subscribed = broker.subscribed();
    await raise();
    await subscribed;
    const bad: [string, unknown][] = [
      ['telemetry', '{"ts":"yesterday","register":"1"}'],
      ['telemetry', '{nonsense'],
      ['telemetry', { values: 7 }],
      ['telemetry', reading(-600, '1')],
      ['telemetry', { ts: new Date().toISOString(), register: '9'.repeat(40) }],
      ['telemetry', { values: [null, reading(30, '1')] }],
      ['info', { medium: 'electricity', unit: 'kWh', uscc: 'NONE' }],
      ['info', { medium: 'constructor', unit: 'kWh' }],
      // A string that is valid JSON and cannot be stored in PostgreSQL.
      ['info', { medium: 'electricity', unit: 'kWh', customer: 'A\u0000B', uscc: '91350100M000100Y43' }],
      ['alarm', { ts: new Date().toISOString(), text: 'cover\u0000open' }],
    ];
    const good = 40;
    for (let i = 0; i < good; i++) {
      await broker.publish('park/g/GOOD/telemetry', reading(i, String(1_000 - i)));
      const one = bad[i];
      if (one) await broker.publish(`park/g/BAD${i}/${one[0]}`, one[1]);
    }
    await broker.publish('park/g/GOOD/alarm', { ts: new Date().toISOString(), text: 'cover open' });
    await expect.poll(() => count("event WHERE kind = 'METER_ALARM'")).toBe(1);
    expect(await count("meter_reading WHERE meter = 'air:GOOD'")).toBe(good);
    // Each value of a list is accepted or rejected separately.
    expect(await count("meter_reading WHERE meter = 'air:BAD5'")).toBe(1);
    const rejected = await database.plain.query('SELECT topic, reason, payload FROM meter_refusal ORDER BY topic');
    expect(rejected.map((row: { topic: string; reason: string }) => [row.topic.slice(7), row.reason])).toEqual([
      ['BAD0/telemetry', 'ts is not a time with a zone'],
      ['BAD1/telemetry', 'the payload is not JSON'],
      ['BAD2/telemetry', 'values is not a list'],
      ['BAD3/telemetry', "the device's clock is ahead"],
      ['BAD4/telemetry', 'register is not a valid register value'],
      ['BAD5/telemetry', 'values[0] is not an object'],
      ['BAD6/info', 'uscc is not a valid credit code'],
      ['BAD7/info', 'medium is unknown'],
      ['BAD8/info', 'a value cannot be stored in the database'],
      ['BAD9/alarm', 'a value cannot be stored in the database'],
    ]);
    expect(rejected[0].payload.toString()).toBe(bad[0]?.[1]);
  });

  test('limits what waits for a commit: messages stay with the broker unacknowledged, and none is lost', async () => {
    broker = await startTestBroker();
    setCommitLimits({ commits: 20, commitBytes: 1_000_000 });
    const options = {
      host: '127.0.0.1',
      port: broker.port,
      clientId: 'slow',
      keepSession: false,
      timeout: 5_000,
      maxPacketBytes: 1_000_000,
    };
    const { session } = await MqttSession.open({ ...options, username: null, password: null });
    try {
      const seen: string[] = [];
      let maxQueued = 0;
      let unblock = (): void => undefined;
      const held = new Promise<void>((resolve) => {
        unblock = resolve;
      });
      const batch = async (batch: readonly MqttMessage[]) => {
        await held;
        maxQueued = Math.max(maxQueued, pendingCommits.used);
        seen.push(...batch.map((one) => one.payload.toString('utf8', 0, 4).trim()));
      };
      await session.subscribe(['x/#'], {
        onBatch: batch,
        onLarge: () => Promise.reject(new Error('None is that large.')),
      });
      // Each message is larger than one socket chunk, so they arrive one by one.
      const padding = ' '.repeat(100_000);
      const all = Array.from({ length: 60 }, (_, i) => String(i));
      const published = Promise.all(all.map((one) => broker.publish(`x/${one}`, one + padding)));
      await expect.poll(() => pendingCommits.used).toBeGreaterThan(2);
      await new Promise((resolve) => setTimeout(resolve, 300));
      const waiting = pendingCommitBytes.used;
      unblock();
      await published;
      await expect.poll(() => seen.length, { timeout: 10_000 }).toBe(60);
      expect(waiting).toBeLessThan(700_000);
      expect(maxQueued).toBeLessThanOrEqual(20);
      expect(new Set(seen)).toEqual(new Set(all));
      await expect.poll(() => [pendingCommits.used, pendingCommitBytes.used]).toEqual([0, 0]);
    } finally {
      session.close();
      setCommitLimits(DEFAULT_LIMITS);
    }
  });

  test('asks gateways to resend since the last reception when the broker has lost the session', async () => {
    const resendRequests: string[] = [];
    broker = await startTestBroker();
    await broker.onMessage('park/all/resend', (payload) => resendRequests.push(payload));
    await raise({ history: '2d' });
    await expect.poll(() => resendRequests.length).toBe(1);
    expect(Date.now() - Date.parse(JSON.parse(resendRequests[0] as string).since)).toBeGreaterThan(47 * 3_600_000);
    await broker.publish('park/g/M1/telemetry', reading(0, '1'));
    await expect.poll(() => count('meter_reading')).toBe(1);
    // With the same session no resend is requested.
    const back = broker.subscribed();
    broker.disconnectAll();
    await back;
    expect(resendRequests).toHaveLength(1);
    const { port } = broker;
    await broker.close();
    broker = await startTestBroker(port);
    await broker.onMessage('park/all/resend', (payload) => resendRequests.push(payload));
    await expect.poll(() => resendRequests.length, { timeout: 15_000 }).toBe(2);
    const since = Date.now() - Date.parse(JSON.parse(resendRequests[1] as string).since);
    expect(since).toBeGreaterThan(3_600_000);
    expect(since).toBeLessThan(2 * 3_600_000);
  });

  test('a rejected subscription is SOURCE_REJECTED', async () => {
    broker = await startTestBroker(undefined, (aedes) => {
      aedes.authorizeSubscribe = (_client, subscription, done) =>
        done(null, subscription.topic.endsWith('/info') ? subscription : null);
    });
    await raise();
    await expect(host?.runJob('air', 'poll telemetry')).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
  });

  test('reading ingest: a process that does not receive reports the age of readings, too', async () => {
    broker = await startTestBroker();
    const subscribed = broker.subscribed();
    await raise({ fresh: '2s' });
    await subscribed;
    await broker.publish('park/g/M1/info', { medium: 'electricity', unit: 'kWh', uscc: '91350100M000100Y43' });
    await broker.publish('park/g/M1/telemetry', reading(0, '1'));
    await expect.poll(() => count('meter_reading')).toBe(1);
    const raw = { url: `mqtt://127.0.0.1:${broker.port}`, fresh: '2s' };
    const other = await startInstallation(energy, { id: 'air', park: 'works', raw }, database, {
      parks: [],
      intervals: { checkUp: 60_000, checkDown: 100 },
    });
    try {
      const stale = async () => {
        const { data, errors } = await other.subgraph.execute({
          query: '{ meter(id: "air:M1") { latest { value provenance { stale } } } }',
          variables: {},
          call: hubCall(5_000, new AbortController().signal),
        });
        expect(errors).toBeUndefined();
        return (data as { meter: { latest: { provenance: { stale: boolean } } } }).meter.latest.provenance.stale;
      };
      await expect.poll(stale, { timeout: 5_000 }).toBe(false);
      await expect.poll(stale, { timeout: 5_000 }).toBe(true);
      await broker.publish('park/g/M1/telemetry', reading(-1, '2'));
      await expect.poll(stale, { timeout: 5_000 }).toBe(false);
    } finally {
      await other.close();
    }
  });
});
