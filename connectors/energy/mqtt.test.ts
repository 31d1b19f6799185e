import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../kit/config/sections/limits.ts';
import type { Host } from '../kit/host/host.ts';
import { hubCall } from '../kit/host/services.ts';
import { commitBytes, commitCount, limitCommits } from '../kit/tasks/commit-queue.ts';
import { freshDatabase } from '../kit/testing/test-database.ts';
import { raiseIsland } from '../kit/testing/test-installation.ts';
import { timerLedger } from '../kit/testing/timer-ledger.ts';
import energy from './index.ts';
import { startBroker } from './simulator/broker.ts';
import { type MqttMessage, MqttSession } from './source/mqtt.ts';

describe('energy over MQTT', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let host: Host | undefined;
  let broker: Awaited<ReturnType<typeof startBroker>>;

  beforeAll(async () => {
    database = await freshDatabase();
    return () => database.drop();
  });
  const timers = timerLedger();
  afterAll(() => timers.stop());
  afterEach(async () => {
    await host?.close();
    await broker.close();
    // No ping, no wait for an answer outlives its session.
    expect(timers.running()).toEqual([]);
    await database.plain.query('DELETE FROM meter_reading; DELETE FROM meter; DELETE FROM meter_refusal');
    await database.plain.query('DELETE FROM event; DELETE FROM state');
  });

  async function raise(more: Record<string, unknown> = {}) {
    const raw = { url: `mqtt://127.0.0.1:${broker.port}`, ...more };
    host = await timers.run(() =>
      raiseIsland(energy, { id: 'air', park: 'works', raw }, database, {
        parks: [],
        pace: { checkUp: 60_000, checkDown: 300 },
      }),
    );
  }
  const count = async (what: string) => Number((await database.plain.query(`SELECT count(*) FROM ${what}`))[0].count);
  const reading = (minutesAgo: number, register: string) => ({
    ts: new Date(Date.now() - minutesAgo * 60_000).toISOString(),
    register,
  });

  test('what is published while we are away comes later, once, and only what is of now is told', async () => {
    broker = await startBroker();
    const subscribed = broker.subscribed();
    await raise();
    await subscribed;
    await broker.publish('park/g/M1/telemetry', reading(60, '1'));
    await expect.poll(() => count('meter_reading')).toBe(1);
    broker.deaf(true);
    broker.cut();
    for (let i = 0; i < 50; i++) await broker.publish('park/g/M1/telemetry', reading(55 - i, String(2 + i)));
    // A gateway that has heard no acknowledgement sends again.
    await broker.publish('park/g/M1/telemetry', reading(0, '99'));
    broker.deaf(false);
    await expect.poll(() => count('meter_reading'), { timeout: 15_000 }).toBe(52);
    const again = await database.plain.query('SELECT time, value::text FROM meter_reading ORDER BY time DESC LIMIT 1');
    await broker.publish('park/g/M1/telemetry', { ts: again[0].time.toISOString(), register: again[0].value });
    await broker.publish('park/g/M1/telemetry', reading(-1, '100'));
    await expect.poll(() => count('meter_reading')).toBe(53);
    // Of the 15 minutes behind us: those of minutes 14 to 6, now, and the one just told.
    expect(await count("event WHERE kind = 'METER_READING_TAKEN'")).toBe(11);
  });

  test('no payload blocks the stream: what cannot be understood or kept stands in meter_refusal', async () => {
    broker = await startBroker();
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
      // A text that JSON can say and the database cannot hold.
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
    // Of a list each value stands or falls by itself.
    expect(await count("meter_reading WHERE meter = 'air:BAD5'")).toBe(1);
    const refused = await database.plain.query('SELECT topic, reason, payload FROM meter_refusal ORDER BY topic');
    expect(refused.map((row: { topic: string; reason: string }) => [row.topic.slice(7), row.reason])).toEqual([
      ['BAD0/telemetry', 'ts is no time with its zone'],
      ['BAD1/telemetry', 'the payload is not JSON'],
      ['BAD2/telemetry', 'values is no list'],
      ['BAD3/telemetry', "the device's clock is ahead of ours"],
      ['BAD4/telemetry', 'register is no register value'],
      ['BAD5/telemetry', 'values[0] is no object'],
      ['BAD6/info', 'uscc is no credit code'],
      ['BAD7/info', 'medium is not known'],
      ['BAD8/info', 'the database cannot hold a value of it'],
      ['BAD9/alarm', 'the database cannot hold a value of it'],
    ]);
    expect(refused[0].payload.toString()).toBe(bad[0]?.[1]);
  });

  test('what waits for a commit is bounded: the broker waits unacknowledged, and nothing is lost', async () => {
    broker = await startBroker();
    limitCommits({ commits: 20, commitBytes: 1_000_000 });
    const options = {
      host: '127.0.0.1',
      port: broker.port,
      clientId: 'slow',
      keep: false,
      timeout: 5_000,
      largest: 1_000_000,
    };
    const { session } = await MqttSession.open({ ...options, username: null, password: null });
    try {
      const seen: string[] = [];
      let most = 0;
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      const batch = async (batch: readonly MqttMessage[]) => {
        await held;
        most = Math.max(most, commitCount.held);
        seen.push(...batch.map((one) => one.payload.toString('utf8', 0, 4).trim()));
      };
      await session.subscribe(['x/#'], { batch, large: () => Promise.reject(new Error('None is that large.')) });
      // Each larger than the socket's pieces: they come one by one.
      const padding = ' '.repeat(100_000);
      const all = Array.from({ length: 60 }, (_, i) => String(i));
      const published = Promise.all(all.map((one) => broker.publish(`x/${one}`, one + padding)));
      await expect.poll(() => commitCount.held).toBeGreaterThan(2);
      await new Promise((resolve) => setTimeout(resolve, 300));
      const waiting = commitBytes.held;
      release();
      await published;
      await expect.poll(() => seen.length, { timeout: 10_000 }).toBe(60);
      expect(waiting).toBeLessThan(700_000);
      expect(most).toBeLessThanOrEqual(20);
      expect(new Set(seen)).toEqual(new Set(all));
      await expect.poll(() => [commitCount.held, commitBytes.held]).toEqual([0, 0]);
    } finally {
      session.close();
      limitCommits(DEFAULT_LIMITS);
    }
  });

  test('a broker that has lost our session is asked for what was since we last heard', async () => {
    const asked: string[] = [];
    broker = await startBroker();
    await broker.asked('park/all/resend', (payload) => asked.push(payload));
    await raise({ history: '2d' });
    await expect.poll(() => asked.length).toBe(1);
    expect(Date.now() - Date.parse(JSON.parse(asked[0] as string).since)).toBeGreaterThan(47 * 3_600_000);
    await broker.publish('park/g/M1/telemetry', reading(0, '1'));
    await expect.poll(() => count('meter_reading')).toBe(1);
    // The same session again: nothing is asked.
    const back = broker.subscribed();
    broker.cut();
    await back;
    expect(asked).toHaveLength(1);
    const { port } = broker;
    await broker.close();
    broker = await startBroker(port);
    await broker.asked('park/all/resend', (payload) => asked.push(payload));
    await expect.poll(() => asked.length, { timeout: 15_000 }).toBe(2);
    const since = Date.now() - Date.parse(JSON.parse(asked[1] as string).since);
    expect(since).toBeGreaterThan(3_600_000);
    expect(since).toBeLessThan(2 * 3_600_000);
  });

  test('a refused subscription is a fault of the source, not silence', async () => {
    broker = await startBroker(undefined, (made) => {
      made.authorizeSubscribe = (_client, subscription, done) =>
        done(null, subscription.topic.endsWith('/info') ? subscription : null);
    });
    await raise();
    await expect(host?.runJob('air', 'poll telemetry')).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
  });

  test('another process than the one that listens knows how old the readings are', async () => {
    broker = await startBroker();
    const subscribed = broker.subscribed();
    await raise({ fresh: '2s' });
    await subscribed;
    await broker.publish('park/g/M1/info', { medium: 'electricity', unit: 'kWh', uscc: '91350100M000100Y43' });
    await broker.publish('park/g/M1/telemetry', reading(0, '1'));
    await expect.poll(() => count('meter_reading')).toBe(1);
    const raw = { url: `mqtt://127.0.0.1:${broker.port}`, fresh: '2s' };
    const other = await raiseIsland(energy, { id: 'air', park: 'works', raw }, database, {
      parks: [],
      pace: { checkUp: 60_000, checkDown: 100 },
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
