/** NATS JetStream between replicas: one listens to the database and tells the rest; without the broker, or lied to by it, nothing is lost. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeLog } from '../../connectors/kit/log.ts';
import { freshDatabase } from '../../connectors/kit/testing/test-database.ts';
import { Tail } from '../../gateway/live/log-tail.ts';
import { Bus } from '../../gateway/live/nats/nats-bus.ts';
import { busName, sealWord } from '../../gateway/live/nats/position-message.ts';
import { headPosition } from '../../schema/database/events/event-log.ts';
import { until } from '../hub.ts';
import { killTest } from '../kill/scenario.ts';
import { write } from '../live-hub.ts';
import { natsServer } from './peers/nats.ts';

const KEY = Buffer.from('the key of all replicas');
const directory = mkdtempSync(join(tmpdir(), 'isthmus-bus-'));
let server: Awaited<ReturnType<typeof natsServer>>;
let database: Awaited<ReturnType<typeof freshDatabase>>;
beforeAll(async () => {
  server = await natsServer(directory);
  database = await freshDatabase();
});
afterAll(async () => {
  await server?.stop();
  await database?.drop();
  rmSync(directory, { recursive: true, force: true });
});

async function replica(url = server.url) {
  const said: string[] = [];
  const tail = new Tail(database);
  await tail.open();
  const bus = new Bus({ url, tail, database, key: KEY, log: makeLog((line) => said.push(line)) });
  bus.open();
  const close = async () => {
    await bus.close();
    await tail.close();
  };
  return { tail, bus, said, close };
}
const listening = async (): Promise<number> => {
  const rows = await database.plain.query(
    "SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'isthmus listen%'",
  );
  return rows[0].count;
};

test('one replica of three listens to the database; it ends, and another does; the broker is killed, and each does', async () => {
  const all = [await replica(), await replica(), await replica()];
  const standing = new Set(all);
  const everybody = async (id: string) => {
    await write(database, [id]);
    const head = await headPosition(database.plain);
    await until(`all know of ${id}`, 30, () => [...standing].every((one) => one.tail.head === head));
  };
  try {
    await until('one listens and the others hear', 30, async () => {
      const [speaking, hearing] = [all.filter((one) => one.bus.speaking), all.filter((one) => one.bus.heard)];
      return speaking.length === 1 && hearing.length === 2 && (await listening()) === 1;
    });
    await everybody('told');
    const speaker = all.find((one) => one.bus.speaking);
    if (!speaker) throw new Error('nobody speaks');
    standing.delete(speaker);
    await speaker.close();
    await everybody('while nobody speaks');
    await until('another listens', 30, async () => (await listening()) === 1);

    await server.kill();
    await until('each listens for itself', 30, async () => (await listening()) === 2);
    await everybody('without a broker');
    await server.start();
    await until('one listens again', 60, async () => (await listening()) === 1);
    await everybody('told again');
    // Once of the outage, whatever was tried meanwhile.
    for (const one of standing) expect(one.said.filter((line) => line.includes('cannot be used'))).toHaveLength(1);
  } finally {
    for (const one of standing) await one.close();
  }
});

test('words that are forged, or of a log that never was, lead nobody beyond the log', async () => {
  const one = await replica();
  const stranger = await connect({ servers: `127.0.0.1:${server.port}` });
  try {
    const subject = `isthmus.${busName(KEY)}.log`;
    await until('it speaks', 30, () => one.bus.speaking);
    const two = await replica();
    try {
      await until('it hears', 30, () => two.bus.heard);
      const head = await headPosition(database.plain);
      const word = { epoch: 'another', from: head + 1n, to: head + 1_000n };
      stranger.publish(subject, sealWord(Buffer.from('another key'), word));
      stranger.publish(subject, sealWord(KEY, word));
      await stranger.flush();
      await write(database, ['after the lies']);
      await until('the truth is known', 30, () => two.tail.head === head + 1n);
      expect(one.tail.head).toBe(head + 1n);
    } finally {
      await two.close();
    }
  } finally {
    await stranger.close();
    await one.close();
  }
});

test('an address that is none, or where nobody is: one sentence without the password, and the database is listened to', async () => {
  for (const url of ['127.0.0.1', 'nats://park:secret@127.0.0.1:9']) {
    const one = await replica(url);
    try {
      const head = await headPosition(database.plain);
      await write(database, [url]);
      await until('it knows', 30, () => one.tail.head === head + 1n);
      await until('it says so', 30, () => one.said.length > 0);
      expect(one.said).toHaveLength(1);
      expect(one.said[0]).toContain('NATS');
      expect(one.said[0]).not.toContain('secret');
    } finally {
      await one.close();
    }
  }
});

test('the kill test with the broker killed too', { timeout: 240_000 }, async () => {
  const size = {
    events: 1_500,
    kills: 30,
    reloads: 1,
    listeners: 4,
    short: true,
    seed: Number(process.env['ISTHMUS_SEED'] ?? 4),
  };
  const broker = { url: server.url, restart: () => server.kill().then(server.start) };
  const figures = await killTest({ ...size, broker });
  expect(figures).toMatchObject({
    kills: size.kills,
    reloads: size.reloads,
    blows: ['kill -9 of a hub', 'database restarted', 'broker restarted', 'replica switched off'],
  });
});
