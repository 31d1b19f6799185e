/** NATS JetStream between replicas: one listens to the database and publishes positions; without the broker, or with forged messages, no event is lost. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLog } from '../../connectors/kit/log.ts';
import { createTestDatabase } from '../../connectors/kit/testing/test-database.ts';
import { LogTail } from '../../gateway/live/log-tail.ts';
import { NatsBus } from '../../gateway/live/nats/nats-bus.ts';
import { busId, signPosition } from '../../gateway/live/nats/position-message.ts';
import { headPosition } from '../../schema/database/events/event-log.ts';
import { appendTestEvents } from '../bare-hub.ts';
import { killTest } from '../kill/scenario.ts';
import { waitFor } from '../test-hub.ts';
import { startNatsServer } from './peers/nats.ts';

const KEY = Buffer.from('the key of all replicas');
const directory = mkdtempSync(join(tmpdir(), 'isthmus-bus-'));
let server: Awaited<ReturnType<typeof startNatsServer>>;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
beforeAll(async () => {
  server = await startNatsServer(directory);
  database = await createTestDatabase();
});
afterAll(async () => {
  await server?.stop();
  await database?.drop();
  rmSync(directory, { recursive: true, force: true });
});

async function replica(url = server.url) {
  const logLines: string[] = [];
  const tail = new LogTail(database);
  await tail.open();
  const bus = new NatsBus({ url, tail, database, key: KEY, log: createLog((line) => logLines.push(line)) });
  bus.open();
  const close = async () => {
    await bus.close();
    await tail.close();
  };
  return { tail, bus, logLines, close };
}
const listening = async (): Promise<number> => {
  const rows = await database.plain.query(
    "SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'isthmus listen%'",
  );
  return rows[0].count;
};

test('NATS bus: one replica of three listens to the database; another takes over when it stops; all listen when the broker is killed', async () => {
  const all = [await replica(), await replica(), await replica()];
  const standing = new Set(all);
  const everybody = async (id: string) => {
    await appendTestEvents(database, [id]);
    const head = await headPosition(database.plain);
    await waitFor(`all replicas have reached ${id}`, 30, () => [...standing].every((one) => one.tail.head === head));
  };
  try {
    await waitFor('one replica publishes and the others receive', 30, async () => {
      const [speaking, hearing] = [all.filter((one) => one.bus.isPublisher), all.filter((one) => one.bus.isReceiving)];
      return speaking.length === 1 && hearing.length === 2 && (await listening()) === 1;
    });
    await everybody('with a broker');
    const speaker = all.find((one) => one.bus.isPublisher);
    if (!speaker) throw new Error('no replica publishes');
    standing.delete(speaker);
    await speaker.close();
    await everybody('without a publisher');
    await waitFor('another replica listens', 30, async () => (await listening()) === 1);

    await server.kill();
    await waitFor('each replica listens', 30, async () => (await listening()) === 2);
    await everybody('without a broker');
    await server.start();
    await waitFor('only one replica listens again', 60, async () => (await listening()) === 1);
    await everybody('with the broker back');
    // The outage is logged once, however often the connection was retried.
    for (const one of standing) expect(one.logLines.filter((line) => line.includes('is unavailable'))).toHaveLength(1);
  } finally {
    for (const one of standing) await one.close();
  }
});

test('NATS bus: ignores forged position messages and positions beyond the log', async () => {
  const one = await replica();
  const stranger = await connect({ servers: `127.0.0.1:${server.port}` });
  try {
    const subject = `isthmus.${busId(KEY)}.log`;
    await waitFor('the first replica publishes', 30, () => one.bus.isPublisher);
    const other = await replica();
    try {
      await waitFor('the second replica receives', 30, () => other.bus.isReceiving);
      const head = await headPosition(database.plain);
      const position = { epoch: 'another', from: head + 1n, to: head + 1_000n };
      stranger.publish(subject, signPosition(Buffer.from('another key'), position));
      stranger.publish(subject, signPosition(KEY, position));
      await stranger.flush();
      await appendTestEvents(database, ['after the forged messages']);
      await waitFor('the real position is reached', 30, () => other.tail.head === head + 1n);
      expect(one.tail.head).toBe(head + 1n);
    } finally {
      await other.close();
    }
  } finally {
    await stranger.close();
    await one.close();
  }
});

test('NATS bus: with an invalid or unreachable address, logs one line without the password and listens to the database', async () => {
  for (const url of ['127.0.0.1', 'nats://park:secret@127.0.0.1:9']) {
    const one = await replica(url);
    try {
      const head = await headPosition(database.plain);
      await appendTestEvents(database, [url]);
      await waitFor('the replica has the event', 30, () => one.tail.head === head + 1n);
      await waitFor('the outage is logged', 30, () => one.logLines.length > 0);
      expect(one.logLines).toHaveLength(1);
      expect(one.logLines[0]).toContain('NATS');
      expect(one.logLines[0]).not.toContain('secret');
    } finally {
      await one.close();
    }
  }
});

test('NATS bus: passes the kill test with a broker that is killed as well', { timeout: 240_000 }, async () => {
  const size = {
    events: 1_500,
    kills: 30,
    reloads: 1,
    subscribers: 4,
    short: true,
    seed: Number(process.env['ISTHMUS_SEED'] ?? 4),
  };
  const broker = { url: server.url, restart: () => server.kill().then(server.start) };
  const figures = await killTest({ ...size, broker });
  expect(figures).toMatchObject({
    kills: size.kills,
    reloads: size.reloads,
    failures: ['kill -9 of a hub', 'database restarted', 'broker restarted', 'replica switched off'],
  });
});
