/**
 * Live under load: `npm run load:live [sockets] [seconds]`. A hub on one core serves the sockets, this process is every client and the
 * writer of the events. Prints latency, memory, deliveries per second at saturation beside a bare `ws` broadcast of the same bytes and
 * beside one execution per client, and what one stalled socket does to the others.
 */
import 'reflect-metadata';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { freshDatabase } from '../../connectors/kit/testing/database.ts';
import { startEmbedded } from '../../schema/database/embedded.ts';
import { appendEvents } from '../../schema/database/events.ts';

const sockets = Number(process.argv[2] ?? 5_000);
const seconds = Number(process.argv[3] ?? 20);
const say = (text: string) => void process.stdout.write(`${text}\n`);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const QUERY =
  'subscription { events { __typename ... on EventsBatch { cursor events { __typename id time kind } } ... on Lagged { cursor behind } } }';

interface Served {
  readonly port: number;
  readonly child: ChildProcess;
  usage(): Promise<{ cpu: number; rss: number; peak: number }>;
}

/** One core for the server where the system can say so. */
async function serve(...args: string[]): Promise<Served> {
  const node = [process.execPath, '--import', 'tsx', join(import.meta.dirname, 'server.ts'), ...args];
  const command = process.platform === 'linux' ? ['taskset', '-c', '0', ...node] : node;
  const child = spawn(command[0] as string, command.slice(1), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const answer = <T>(pick: (message: Record<string, unknown>) => T | undefined): Promise<T> =>
    new Promise((resolve, reject) => {
      child.once('exit', () => reject(new Error('The server has ended.')));
      child.on('message', function take(message: Record<string, unknown>) {
        const found = pick(message);
        if (found === undefined) return;
        child.off('message', take);
        resolve(found);
      });
    });
  const port = await answer((message) => message['port'] as number | undefined);
  return {
    port,
    child,
    usage: () => {
      child.send({ ask: 'usage' });
      return answer((message) => message['usage'] as { cpu: number; rss: number; peak: number } | undefined);
    },
  };
}

/** Many clients at once; each delivery calls `got`. */
async function clients(
  url: string,
  count: number,
  options: { distinct?: boolean; protocol: boolean },
  got: (text: string, client: number) => void,
): Promise<WebSocket[]> {
  const all: WebSocket[] = [];
  for (let begun = 0; begun < count; begun += 100) {
    await Promise.all(
      Array.from({ length: Math.min(100, count - begun) }, (_, i) => {
        const client = begun + i;
        const socket = new WebSocket(url, options.protocol ? 'graphql-transport-ws' : [], { perMessageDeflate: false });
        all.push(socket);
        return new Promise<void>((resolve, reject) => {
          socket.on('error', reject);
          socket.on('open', () => {
            if (options.protocol) socket.send('{"type":"connection_init"}');
            else resolve();
          });
          socket.on('message', (data: Buffer) => {
            const text = data.toString();
            if (text.startsWith('{"type":"connection_ack"')) {
              const variables = options.distinct ? { client } : {};
              socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: QUERY, variables } }));
              setTimeout(resolve, 20);
            } else if (text.startsWith('{"type":"ping"')) socket.send('{"type":"pong"}');
            else got(text, client);
          });
        });
      }),
    );
  }
  return all;
}

const end = async (all: WebSocket[]): Promise<void> => {
  for (const socket of all) socket.terminate();
  await sleep(500);
};
const percentile = (values: number[], share: number): number => {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
};

const directory = mkdtempSync(join(tmpdir(), 'isthmus-load-'));
const cluster = await startEmbedded({ directory: join(directory, 'database'), listen: { host: '127.0.0.1', port: 0 } });
process.env['ISTHMUS_TEST_CLUSTER'] = cluster.url;
const database = await freshDatabase();
let written = 0;
const sentAt = new Map<string, number>();
/** Writes events as the hub's own; the time of writing is found again by the event's `time`. */
async function write(count: number): Promise<void> {
  const times = Array.from({ length: count }, () => new Date(1_700_000_000_000 + written++));
  const now = performance.now();
  for (const time of times) sentAt.set(time.toISOString(), now);
  await database.transaction((tx) =>
    appendEvents(
      tx,
      { installation: 'load', connector: 'hub', park: 'load', at: new Date() },
      times.map((time) => ({
        foreignId: `load ${time.getTime()}`,
        time,
        kind: 'SOURCE_STATE_CHANGED',
        data: { source: 'load', from: 'UP', to: 'DOWN', reason: null },
      })),
    ),
  );
}
const eventsOf = (text: string): string[] => [...text.matchAll(/"time":"([^"]+)"/g)].map((one) => one[1] as string);

/** `seconds` at ten events a second. Latency from the beginning of the writing transaction to the client. */
async function steady(
  url: string,
  count: number,
  stalled = 0,
): Promise<{ late: number[]; got: number; lagged: number; woken: number }> {
  const late: number[] = [];
  const asleep = new Set<number>();
  let lagged = 0;
  let got = 0;
  const perClient = new Map<number, number>();
  const all = await clients(url, count, { protocol: true }, (text, client) => {
    if (text.includes('"Lagged"')) lagged += 1;
    const now = performance.now();
    for (const time of eventsOf(text)) {
      got += 1;
      perClient.set(client, (perClient.get(client) ?? 0) + 1);
      if (!asleep.has(client)) late.push(now - (sentAt.get(time) ?? now));
    }
  });
  await sleep(1_500);
  for (let i = 0; i < stalled; i++) {
    asleep.add(i);
    all[i]?.pause();
  }
  const begun = performance.now();
  for (let tick = 0; performance.now() - begun < seconds * 1000; tick++) {
    // A stalled socket is felt only when much is written: then each tick brings a burst.
    await write(stalled > 0 ? 100 : 1);
    await sleep(Math.max(0, begun + (tick + 1) * 100 - performance.now()));
  }
  await sleep(1_500);
  for (let i = 0; i < stalled; i++) all[i]?.resume();
  const expected = perClient.get(count - 1) ?? 0;
  for (let i = 0; i < 100 && stalled > 0 && (perClient.get(0) ?? 0) < expected; i++) await sleep(100);
  const woken = perClient.get(0) ?? 0;
  await end(all);
  if ([...perClient.values()].some((one) => one !== expected))
    say(`  NOT ALL GOT THE SAME: ${[...new Set(perClient.values())].join(', ')}`);
  return { late, got, lagged, woken };
}

/** Deliveries per second of server CPU, while as much is written as is taken. */
async function saturated(
  served: Served,
  all: WebSocket[],
  count: () => number,
  push: () => Promise<void>,
): Promise<{ perSecond: number; perCpuSecond: number }> {
  await push();
  await sleep(500);
  const [before, from, begun] = [await served.usage(), count(), performance.now()];
  while (performance.now() - begun < 8_000) await push();
  const [after, to, ended] = [await served.usage(), count(), performance.now()];
  await end(all);
  return {
    perSecond: ((to - from) / (ended - begun)) * 1000,
    perCpuSecond: ((to - from) / (after.cpu - before.cpu)) * 1000,
  };
}

const open = new Set<Served>();
try {
  const hub = await serve('hub', database.url, directory);
  open.add(hub);
  const url = `ws://127.0.0.1:${hub.port}/graphql`;

  const run = await steady(url, sockets);
  const { peak, rss } = await hub.usage();
  say(`${sockets} sockets, 10 events/s for ${seconds} s, server on one core:`);
  say(
    `  deliveries ${run.got}, p50 ${percentile(run.late, 0.5).toFixed(0)} ms, p99 ${percentile(run.late, 0.99).toFixed(0)} ms, max ${percentile(run.late, 1).toFixed(0)} ms`,
  );
  say(`  RSS ${(rss / 2 ** 20).toFixed(0)} MB, at most ${(peak / 2 ** 20).toFixed(0)} MB`);

  const few = Math.min(1_000, sockets);
  const calm = await steady(url, few);
  const stall = await steady(url, few, 1);
  const after = await hub.usage();
  say(`${few} sockets, one of them stalled while 1,000 events/s are written:`);
  say(
    `  p99 of the others ${percentile(stall.late, 0.99).toFixed(0)} ms (10 events/s without it: ${percentile(calm.late, 0.99).toFixed(0)} ms); told Lagged ${stall.lagged} time(s); got ${stall.woken} events after it woke; peak RSS ${(after.peak / 2 ** 20).toFixed(0)} MB`,
  );

  let counted = 0;
  let frame = '';
  const take = (text: string) => {
    counted += 1;
    frame = text;
  };
  const settle = async (before: number, goal: number) => {
    for (let i = 0; i < 400 && counted - before < goal; i++) await sleep(5);
  };
  const push = (goal: number) => async () => {
    const before = counted;
    await write(1);
    await settle(before, goal);
  };
  const grouped = await saturated(hub, await clients(url, few, { protocol: true }, take), () => counted, push(few));
  const size = frame.length;
  const single = await saturated(
    hub,
    await clients(url, few, { protocol: true, distinct: true }, take),
    () => counted,
    push(few),
  );
  hub.child.kill('SIGTERM');
  const raw = await serve('raw');
  open.add(raw);
  const text = frame;
  const bare = await saturated(
    raw,
    await clients(`ws://127.0.0.1:${raw.port}`, few, { protocol: false }, take),
    () => counted,
    async () => {
      const before = counted;
      raw.child.send({ ask: 'broadcast', text, count: 1 });
      await settle(before, few);
    },
  );
  raw.child.kill('SIGTERM');
  say(`At saturation, ${few} sockets, ${size} bytes a delivery, per second of server CPU (per second of the clock):`);
  for (const [name, one] of [
    ['the hub', grouped],
    ['one execution per client', single],
    ['bare ws broadcast', bare],
  ] as const)
    say(`  ${name.padEnd(26)} ${one.perCpuSecond.toFixed(0).padStart(8)} (${one.perSecond.toFixed(0)})`);
  say(
    `  against bare ws ${(grouped.perCpuSecond / bare.perCpuSecond).toFixed(2)}; against one execution per client ${(grouped.perCpuSecond / single.perCpuSecond).toFixed(1)}`,
  );
} finally {
  for (const one of open) one.child.kill('SIGTERM');
  await sleep(1_000);
  await database.drop();
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
}
process.exit(0);
