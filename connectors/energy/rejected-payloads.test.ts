import { createHash, randomBytes } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Host } from '../kit/host/host.ts';
import { type Log, silentLog } from '../kit/log.ts';
import type { RejectedPayloadsEvent } from '../kit/monitoring/rejected-payloads.ts';
import { createTestDatabase } from '../kit/testing/test-database.ts';
import { startInstallation } from '../kit/testing/test-installation.ts';
import energy from './index.ts';
import { startTestBroker } from './simulator/test-broker.ts';

describe('rejected payloads', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let host: Host | undefined;
  let broker: Awaited<ReturnType<typeof startTestBroker>>;
  let acknowledged = 0;
  const facts: RejectedPayloadsEvent[] = [];
  const note = (fact: unknown) => void facts.push(fact as RejectedPayloadsEvent);
  const warned: string[] = [];
  const log: Log = { ...silentLog, warn: (message) => void warned.push(message), child: () => log };

  beforeAll(async () => {
    database = await createTestDatabase();
    subscribe('isthmus:payloads:refused', note);
  });
  afterAll(async () => {
    unsubscribe('isthmus:payloads:refused', note);
    await database.drop();
  });
  beforeEach(async () => {
    broker = await startTestBroker(undefined, (aedes) => {
      aedes.on('ack', () => void acknowledged++);
    });
    acknowledged = 0;
    facts.length = 0;
    warned.length = 0;
  });
  afterEach(async () => {
    await host?.close();
    await broker.close();
    await database.plain.query(
      'TRUNCATE meter_refusal, meter_refusal_part, meter_refusal_total, meter_reading, meter, event, state',
    );
  });

  async function raise(more: Record<string, unknown> = {}) {
    const subscribed = broker.subscribed();
    const raw = { url: `mqtt://127.0.0.1:${broker.port}`, ...more };
    host = await startInstallation(energy, { id: 'air', park: 'works', raw }, database, {
      ...{ parks: [], log, intervals: { checkUp: 60_000, checkDown: 300 } },
    });
    await subscribed;
  }
  const digests = async (): Promise<string[]> =>
    (await database.plain.query("SELECT encode(digest, 'hex') AS digest FROM meter_refusal ORDER BY id")).map(
      (row: { digest: string }) => row.digest,
    );
  const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  const good = { ts: new Date().toISOString(), register: '1' };
  const count = async (what: string) => Number((await database.plain.query(`SELECT count(*) FROM ${what}`))[0].count);

  test('are stored completely before they are acknowledged: truncated, binary, and larger than `largest`', async () => {
    await raise({ largest: '100kB' });
    const payloads = [
      Buffer.from(`{"ts":"${'9'.repeat(9_495)}`),
      randomBytes(9_502),
      Buffer.alloc(0),
      randomBytes(99_000),
      randomBytes(100_001),
      randomBytes(3_500_000),
    ];
    for (const payload of payloads) await broker.publish('park/g/M1/telemetry', payload);
    await broker.publish('park/g/GOOD/telemetry', good);
    await expect.poll(() => acknowledged).toBe(payloads.length + 1);
    expect((await digests()).sort()).toEqual(payloads.map(sha256).sort());
    const rows = await database.plain.query(
      `SELECT digest, size, gateway, reason, sha256(CASE WHEN payload = '' THEN coalesce(
         (SELECT string_agg(p.payload, '' ORDER BY number) FROM meter_refusal_part p WHERE p.refusal = r.id), '') ELSE payload END) AS kept
       FROM meter_refusal r ORDER BY size`,
    );
    for (const row of rows) expect(row.kept.equals(row.digest)).toBe(true);
    expect(rows.at(-1)).toMatchObject({
      ...{ size: '3500000', gateway: 'g' },
      reason: 'payload of 3500000 bytes exceeds largest (100000 bytes)',
    });
    expect(await count("meter_reading WHERE meter = 'air:GOOD'")).toBe(1);
    const kept = facts.filter((one) => one.outcome === 'kept');
    expect(kept.reduce((sum, one) => sum + one.count, 0)).toBe(payloads.length);
  });

  test('are not acknowledged when their commit fails, whatever their size, and are received again', async () => {
    await raise({ largest: '100kB' });
    await database.plain.query(`
      CREATE FUNCTION no_refusal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no commit'; END $$;
      CREATE CONSTRAINT TRIGGER no_refusal AFTER INSERT ON meter_refusal DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION no_refusal();
    `);
    const payloads = [randomBytes(5_000), randomBytes(1_200_000)];
    try {
      for (const payload of payloads) await broker.publish('park/g/M1/telemetry', payload);
      await expect.poll(() => warned.filter((one) => one.includes('poll telemetry')).length).toBeGreaterThan(0);
      expect([acknowledged, await count('meter_refusal')]).toEqual([0, 0]);
      // Commits succeed again while nothing is being delivered; otherwise one payload could be committed in a session that another one ends.
      await host?.close();
    } finally {
      await database.plain.query('DROP TRIGGER no_refusal ON meter_refusal; DROP FUNCTION no_refusal()');
    }
    await raise({ largest: '100kB' });
    await expect.poll(() => acknowledged, { timeout: 15_000 }).toBe(2);
    expect((await digests()).sort()).toEqual(payloads.map(sha256).sort());
    // Parts of failed attempts are deleted; the parts of the large payload exist once.
    await host?.close();
    await raise();
    await expect.poll(() => count('meter_refusal_part')).toBe(2);
  });

  test('beyond refusedBytes: deletes the oldest, warns once, reports DEGRADED, and good readings are not affected', async () => {
    await raise({ refusedBytes: '20kB' });
    for (let n = 0; n < 6; n++) await broker.publish('park/g/M1/telemetry', randomBytes(5_000));
    await broker.publish('park/g/GOOD/telemetry', good);
    await expect.poll(() => acknowledged).toBe(7);
    expect(await count('meter_refusal')).toBe(3);
    expect(await count('meter_reading')).toBe(1);
    const reached = () => warned.filter((one) => one.startsWith('Rejected payloads reached')).length;
    expect(reached()).toBe(1);
    expect(await host?.check('air')).toMatchObject({
      state: 'DEGRADED',
      reason: expect.stringMatching(
        /rejected payloads reached refusedBytes \(20000 bytes\): deleted the oldest 3 \(15\d{3} bytes, received until .*\)/,
      ),
    });
    const dropped = facts.filter((one) => one.outcome === 'dropped');
    expect(dropped.reduce((sum, one) => sum + one.count, 0)).toBe(3);
    // The state is kept across restarts.
    await host?.close();
    await raise({ refusedBytes: '20kB' });
    expect(await host?.check('air')).toMatchObject({ state: 'DEGRADED' });
    expect(reached()).toBe(1);
  });

  test('are deleted and counted after refusedFor', async () => {
    await raise({ refusedFor: '1h' });
    await broker.publish('park/g/M1/telemetry', 'old');
    await broker.publish('park/g/M1/telemetry', 'young');
    await expect.poll(() => count('meter_refusal')).toBe(2);
    await database.plain.query("UPDATE meter_refusal SET at = now() - interval '2 hours' WHERE payload = 'old'");
    await host?.runJob('air', 'expire refused payloads');
    expect(await digests()).toEqual([sha256(Buffer.from('young'))]);
    expect(facts.find((one) => one.outcome === 'expired')).toMatchObject({ source: 'air', count: 1 });
    expect((await host?.check('air'))?.reason ?? '').not.toContain('refusedBytes');
  });

  test('messages to topics of a previous prefix are rejected and stored, not dropped', async () => {
    await raise({ prefix: 'old' });
    await host?.close();
    await raise({ prefix: 'park' });
    await broker.publish('old/g/M1/telemetry', good);
    await expect.poll(() => count('meter_refusal')).toBe(1);
    expect((await database.plain.query('SELECT reason FROM meter_refusal'))[0].reason).toBe('unexpected topic');
  });
});
