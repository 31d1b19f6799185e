/**
 * The kill test: two replicas, listeners that hold nothing but a cursor, and a log that is written all the time, while sockets, replicas,
 * the database and the broker are killed and the graph is exchanged. In the end every listener has the log, in order, none twice.
 */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '../../migrations/migrate.ts';
import { openDatabase } from '../../schema/database/database.ts';
import { startEmbedded } from '../../schema/database/embedded/embedded-postgres.ts';
import { until } from '../hub.ts';
import { logged, write } from '../live-hub.ts';
import { listener } from './listener.ts';
import { replica, replicaHere } from './replica.ts';

export interface KillOptions {
  readonly events: number;
  /** Of sockets. */
  readonly kills: number;
  readonly reloads: number;
  readonly listeners: number;
  readonly seed: number;
  /** The replica that is not killed lives in this process: it starts faster. */
  readonly short?: boolean;
  /** A broker between the replicas, and what kills it and brings it back. */
  readonly broker?: { readonly url: string; restart(): Promise<void> };
}

export interface KillFigures {
  readonly events: number;
  readonly kills: number;
  readonly reloads: number;
  /** Hub, database, broker, switched. */
  readonly blows: readonly string[];
  /** Breaks as the listeners felt them, and their deliveries in all. */
  readonly breaks: number;
  readonly delivered: number;
  readonly lagged: number;
  readonly seconds: number;
}

/** The same numbers for the same seed, 0 up to 1 (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Runs it; rejects with what was lost, doubled or out of order, and with the seed. */
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
  const chance = random(options.seed);
  const upTo = (most: number) => Math.floor(chance() * most);
  const cluster = await startEmbedded({
    directory: join(directory, 'database'),
    listen: { host: '127.0.0.1', port: 0 },
  });
  ends.push(() => cluster.stop());
  const database = await openDatabase(cluster.url, { pool: 6, name: 'isthmus kill test' });
  ends.push(() => database.close());
  await migrate(database.source);
  const where = [directory, cluster.url, options.broker?.url ?? null] as const;
  const first = await replica(...where);
  const second = await (options.short ? replicaHere : replica)(...where);
  ends.push(() => Promise.all([first.stop(), second.stop()]));
  await Promise.all([first.raise(), second.raise()]);
  const began = Date.now();

  await write(database, ['the first']);
  const after = await endCursor(first.address);
  const before = (await logged(database)).length;
  const listeners = Array.from({ length: options.listeners }, (_, i) =>
    listener((i % 2 === 0 ? first : second).address, after),
  );
  ends.push(() => Promise.all(listeners.map((one) => one.close())));

  const blows: string[] = [];
  const blow = (name: string, strike: () => Promise<void>) => async () => {
    await strike();
    blows.push(name);
  };
  let up: readonly { reload(): Promise<void> }[] = [first, second];
  const reload = (n: number) => async () => up[n % up.length]?.reload();
  const kill = async () => {
    // While a replica is away its listeners have no socket that could be killed.
    await until('a socket that can be killed', 60, () => listeners[upTo(listeners.length)]?.kill());
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
    { at: 0.25, strike: blow('kill -9 of a hub', () => first.kill().then(first.raise)) },
    {
      at: 0.45,
      strike: blow('database restarted', async () => {
        const { pid } = cluster;
        process.kill(pid, 'SIGQUIT');
        await until('another database process', 60, async () => {
          await database.plain.query('SELECT 1');
          return cluster.pid !== pid;
        });
      }),
    },
    ...(options.broker ? [{ at: 0.6, strike: blow('broker restarted', options.broker.restart) }] : []),
    {
      at: 0.8,
      strike: blow('replica switched off', async () => {
        up = [first];
        await second.stop();
        for (const one of listeners) one.move(first.address);
      }),
    },
  ].sort((a, b) => a.at - b.at);

  // Both rows of blows follow what is written, and what is written waits for neither longer than a while.
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
      // Whether a commit whose answer was lost has happened is not known: it is sent again, and the log takes it once.
      await until('the write', 60, () => write(database, ids));
      written += size;
      while (gates.some((gate) => written > gate.next + slack) && !failed.signal.aborted) await pause(2);
    }
  };
  const all = [row(quick, gates[0] as never), row(slow, gates[1] as never), ...[0, 1, 2].map(writer)];
  await Promise.all(all).catch((error: unknown) => {
    failed.abort(error);
    return Promise.allSettled(all).then(() => Promise.reject(error));
  });

  const log = (await logged(database)).slice(before);
  await until('everybody has everything', 120, () => listeners.every((one) => one.ids.length >= log.length)).catch(
    (error: unknown) => {
      const short = listeners.map((one) => `${one.ids.length} of ${log.length} ${one.faults.join(' ')}`);
      throw new Error(short.join('; '), { cause: error });
    },
  );
  const seconds = (Date.now() - began) / 1000;
  const own = await database.plain.query(
    "SELECT count(*)::int AS count FROM event WHERE installation = 'lakeside-parking'",
  );
  if (own[0].count !== options.events + 1)
    throw new Error(`The log has ${own[0].count} of ${options.events + 1} events.`);
  for (const [i, one] of listeners.entries()) {
    if (one.faults.length > 0) throw new Error(`Listener ${i} was told ${one.faults.join(', ')}.`);
    const wrong = one.ids.findIndex((id, at) => id !== log[at]);
    if (wrong >= 0) throw new Error(`Listener ${i} got something else than the log at ${wrong} of ${log.length}.`);
  }
  const sum = (of: (one: (typeof listeners)[number]) => number) => listeners.reduce((all, one) => all + of(one), 0);
  return {
    events: log.length,
    kills,
    reloads,
    blows,
    breaks: sum((one) => one.breaks),
    delivered: sum((one) => one.ids.length),
    lagged: sum((one) => one.lagged),
    seconds,
  };
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Behind the newest event. */
async function endCursor(address: string): Promise<string> {
  const answer = await fetch(`http://${address}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ events(last: 1) { pageInfo { endCursor } } }' }),
  });
  const body = (await answer.json()) as { data: { events: { pageInfo: { endCursor: string } } } };
  return body.data.events.pageInfo.endCursor;
}
