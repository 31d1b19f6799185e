/**
 * The kill test: two replicas, subscribers that keep only a cursor, and a log that is written continuously, while sockets, replicas,
 * the database and the broker are killed and the graph is replaced. In the end every subscriber has the log in order, without duplicates.
 */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomNumbers } from '../../gateway/federation/testing/random-numbers.ts';
import { migrate } from '../../migrations/migrate.ts';
import { openDatabase } from '../../schema/database/database.ts';
import { startEmbeddedPostgres } from '../../schema/database/embedded/embedded-postgres.ts';
import { appendTestEvents, loggedEventIds } from '../bare-hub.ts';
import { waitFor } from '../test-hub.ts';
import { inProcessReplica, processReplica } from './replica.ts';
import { startSubscriber } from './subscriber.ts';

export interface KillOptions {
  readonly events: number;
  /** Number of killed sockets. */
  readonly kills: number;
  readonly reloads: number;
  readonly subscribers: number;
  readonly seed: number;
  /** Runs the replica that is not killed in this process, which starts faster. */
  readonly short?: boolean;
  /** A NATS broker between the replicas, and how to kill and restart it. */
  readonly broker?: { readonly url: string; restart(): Promise<void> };
}

export interface KillFigures {
  readonly events: number;
  readonly kills: number;
  readonly reloads: number;
  /** Failures that were injected, in order. */
  readonly failures: readonly string[];
  /** Disconnects and deliveries, summed over all subscribers. */
  readonly disconnects: number;
  readonly delivered: number;
  readonly lagged: number;
  readonly seconds: number;
}

/** Runs the scenario; rejects with what was lost, duplicated or out of order, and with the seed. */
export async function killTest(options: KillOptions): Promise<KillFigures> {
  const directory = await mkdtemp(join(tmpdir(), 'isthmus-kill-'));
  const ends: (() => Promise<unknown>)[] = [async () => rmSync(directory, { recursive: true, force: true })];
  try {
    return await run(options, directory, ends);
  } catch (error) {
    throw new Error(`${(error as Error).message} (seed ${options.seed})`, { cause: error });
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

async function run(options: KillOptions, directory: string, ends: (() => Promise<unknown>)[]): Promise<KillFigures> {
  const chance = randomNumbers(options.seed);
  const upTo = (limit: number) => Math.floor(chance() * limit);
  const cluster = await startEmbeddedPostgres({
    directory: join(directory, 'database'),
    listen: { host: '127.0.0.1', port: 0 },
  });
  ends.push(() => cluster.stop());
  const database = await openDatabase(cluster.url, { poolSize: 6, name: 'isthmus kill test' });
  ends.push(() => database.close());
  await migrate(database.source);
  const where = [directory, cluster.url, options.broker?.url ?? null] as const;
  const first = await processReplica(...where);
  const second = await (options.short ? inProcessReplica : processReplica)(...where);
  ends.push(() => Promise.all([first.stop(), second.stop()]));
  await Promise.all([first.start(), second.start()]);
  const began = Date.now();

  await appendTestEvents(database, ['the first']);
  const after = await endCursor(first.address);
  const before = (await loggedEventIds(database)).length;
  const subscribers = Array.from({ length: options.subscribers }, (_, i) =>
    startSubscriber((i % 2 === 0 ? first : second).address, after),
  );
  ends.push(() => Promise.all(subscribers.map((listener) => listener.close())));

  const failures: string[] = [];
  const failure = (name: string, strike: () => Promise<void>) => async () => {
    await strike();
    failures.push(name);
  };
  let up: readonly { reload(): Promise<void> }[] = [first, second];
  const reload = (n: number) => async () => up[n % up.length]?.reload();
  const kill = async () => {
    // While a replica is down, its subscribers have no socket to kill.
    await waitFor('a socket that can be killed', 60, () => subscribers[upTo(subscribers.length)]?.dropConnection());
  };
  let kills = 0;
  let reloads = 0;
  const spread = (count: number, what: (n: number) => () => Promise<void>, done: () => void) =>
    Array.from({ length: count }, (_, n) => ({
      at: (n + 1) / (count + 1),
      strike: async () => {
        await what(n)();
        done();
      },
    }));
  const quick = spread(
    options.kills,
    () => kill,
    () => kills++,
  );
  const slow = [
    ...spread(options.reloads, reload, () => reloads++),
    { at: 0.25, strike: failure('kill -9 of a hub', () => first.kill().then(first.start)) },
    {
      at: 0.45,
      strike: failure('database restarted', async () => {
        const { pid } = cluster;
        process.kill(pid, 'SIGQUIT');
        await waitFor('another database process', 60, async () => {
          await database.plain.query('SELECT 1');
          return cluster.pid !== pid;
        });
      }),
    },
    ...(options.broker ? [{ at: 0.6, strike: failure('broker restarted', options.broker.restart) }] : []),
    {
      at: 0.8,
      strike: failure('replica switched off', async () => {
        up = [first];
        await second.stop();
        for (const listener of subscribers) listener.move(first.address);
      }),
    },
  ].sort((a, b) => a.at - b.at);

  // Both sequences of failures follow the number of written events, and the writers wait if they get too far ahead.
  let written = 0;
  const failed = new AbortController();
  const row = async (strikes: readonly { at: number; strike(): Promise<void> }[], gate: { next: number }) => {
    for (const { at, strike } of strikes) {
      gate.next = at * options.events;
      while (written < gate.next && !failed.signal.aborted) await pause(2);
      failed.signal.throwIfAborted();
      await strike();
    }
    gate.next = Number.POSITIVE_INFINITY;
  };
  const gates = [{ next: 0 }, { next: 0 }];
  const slack = Math.max(200, options.events / 25);
  let numbered = 0;
  const writer = async () => {
    while (numbered < options.events) {
      const size = Math.min(1 + upTo(20), options.events - numbered);
      const ids = Array.from({ length: size }, () => `e${numbered++}`);
      // If the response to a commit is lost, the write is repeated; the log deduplicates it.
      await waitFor('the write', 60, () => appendTestEvents(database, ids));
      written += size;
      while (gates.some((gate) => written > gate.next + slack) && !failed.signal.aborted) await pause(2);
    }
  };
  const all = [row(quick, gates[0] as never), row(slow, gates[1] as never), ...[0, 1, 2].map(writer)];
  await Promise.all(all).catch((error: unknown) => {
    failed.abort(error);
    return Promise.allSettled(all).then(() => Promise.reject(error));
  });

  const log = (await loggedEventIds(database)).slice(before);
  await waitFor('all subscribers have all events', 120, () =>
    subscribers.every((listener) => listener.ids.length >= log.length),
  ).catch((error: unknown) => {
    const short = subscribers.map((listener) => `${listener.ids.length} of ${log.length} ${listener.errors.join(' ')}`);
    throw new Error(short.join('; '), { cause: error });
  });
  const seconds = (Date.now() - began) / 1000;
  const own = await database.plain.query(
    "SELECT count(*)::int AS count FROM event WHERE installation = 'lakeside-parking'",
  );
  if (own[0].count !== options.events + 1)
    throw new Error(`The log has ${own[0].count} of ${options.events + 1} events.`);
  for (const [i, one] of subscribers.entries()) {
    if (one.errors.length > 0) throw new Error(`Subscriber ${i} received ${one.errors.join(', ')}.`);
    const wrong = one.ids.findIndex((id, at) => id !== log[at]);
    if (wrong >= 0) throw new Error(`Subscriber ${i} differs from the log at ${wrong} of ${log.length}.`);
  }
  const sum = (of: (one: (typeof subscribers)[number]) => number) => subscribers.reduce((all, one) => all + of(one), 0);
  return {
    events: log.length,
    kills,
    reloads,
    failures: failures,
    disconnects: sum((one) => one.disconnects),
    delivered: sum((one) => one.ids.length),
    lagged: sum((one) => one.lagged),
    seconds,
  };
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A cursor after the newest event. */
async function endCursor(address: string): Promise<string> {
  const answer = await fetch(`http://${address}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ events(last: 1) { pageInfo { endCursor } } }' }),
  });
  const body = (await answer.json()) as { data: { events: { pageInfo: { endCursor: string } } } };
  return body.data.events.pageInfo.endCursor;
}
