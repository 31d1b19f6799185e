/**
 * Subscriptions under load: `npm run load:live [sockets] [seconds] [steady,stalled,saturated]`. The built hub, started by its own command and pinned to one core, serves the
 * sockets; this process runs all clients and writes the events. Prints latency, memory, the effect of one stalled socket on the others,
 * and deliveries per second at saturation, compared with a plain `ws` broadcast of the same bytes and with one execution per client.
 */
import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../../schema/database/database.ts';
import { startEmbeddedPostgres } from '../../schema/database/embedded/embedded-postgres.ts';
import { type CheckResult, EVENTS, EventCheck, EventWriter, QUERY } from './live-events.ts';
import { type ServerProcess, serveHub, serveWsBroadcast } from './server-process.ts';
import { type Client, connectClients, disconnectClients } from './websocket-clients.ts';

const sockets = Number(process.argv[2] ?? 5_000);
const seconds = Number(process.argv[3] ?? 20);
const parts = (process.argv[4] ?? 'steady,stalled,saturated').split(',');
const few = Math.min(1_000, sockets);
/** Stalled run: events in each of ten bursts per second, for so long that a socket that reads nothing misses more than the kernel's
 * buffers at both ends hold (4 MB here). */
const BURST = 40;
const STALL = 25;
/** Saturation: milliseconds per measurement, and number of rounds. */
const TURN = 4_000;
const TURNS = 2;

const print = (text: string) => void process.stdout.write(`${text}\n`);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const integer = (value: number) => value.toFixed(0);

// The server has the first core to itself; clients, writer and database use the others.
if (cpus().length > 1)
  execFileSync('taskset', ['-ap', '-c', `1-${cpus().length - 1}`, String(process.pid)], { stdio: 'ignore' });
const directory = mkdtempSync(join(tmpdir(), 'isthmus-load-'));
const cluster = await startEmbeddedPostgres({
  directory: join(directory, 'database'),
  listen: { host: '127.0.0.1', port: 0 },
});
const open = new Set<ServerProcess>();
try {
  const hub = await serveHub(directory, cluster.url);
  open.add(hub);
  const database = await openDatabase(cluster.url, { poolSize: 4, name: 'isthmus load' });
  const writer = new EventWriter(database);

  /** Writes ten bursts per second and returns the results. */
  async function run(
    count: number,
    time: number,
    burst: number,
    query: string,
    stalled: number | null,
  ): Promise<CheckResult & { deliveries: number }> {
    const listening = new EventCheck(writer, count, stalled);
    const { onMessage: got, watched } = listening;
    const all = await connectClients({ port: hub.port, count, subscribe: () => ({ query }), onMessage: got, watched });
    await sleep(2_000);
    hub.resetPeak();
    if (stalled !== null) all[stalled]?.socket.pause();
    const begun = performance.now();
    for (let tick = 0; performance.now() - begun < time * 1_000; tick++) {
      await writer.write(burst);
      await sleep(Math.max(0, begun + (tick + 1) * 100 - performance.now()));
    }
    await sleep(1_500);
    if (stalled !== null) all[stalled]?.socket.resume();
    for (let i = 0; i < 300 && !listening.isComplete(); i++) await sleep(100);
    const result = listening.result(hub.usage());
    await disconnectClients(all);
    const counts = all.map((one) => one.messages);
    const equal = stalled !== null || counts.every((count) => count === counts[0]);
    const wrong = result.wrong ?? (equal ? null : `messages ${Math.min(...counts)} to ${Math.max(...counts)}`);
    return { ...result, wrong, deliveries: counts.reduce((sum, one) => sum + one, 0) };
  }

  if (parts.includes('steady')) {
    const empty = hub.usage();
    const steady = await run(sockets, seconds, 1, QUERY, null);
    print(`${sockets} sockets, 10 events/s for ${seconds} s, the hub on one core:`);
    print(
      `  ${steady.deliveries} deliveries; p50 ${integer(steady.p50)} ms, p99 ${integer(steady.p99)} ms, max ${integer(steady.max)} ms`,
    );
    print(
      `  RSS ${integer(steady.rss)} MB, peak ${integer(steady.peak)} MB; before the first socket ${integer(empty.rss)} MB`,
    );
    if (steady.wrong) print(`  CLIENTS DIFFER: ${steady.wrong}`);
  }

  if (parts.includes('stalled')) {
    const calm = await run(few, STALL, BURST, EVENTS, null);
    const stall = await run(few, STALL, BURST, EVENTS, 0);
    print(
      `${few} sockets, ${BURST * 10} events/s of ${integer(calm.bytes)} bytes for ${STALL} s; p99 of the other sockets, peak RSS:`,
    );
    print(`  none stalled  ${integer(calm.p99)} ms (p50 ${integer(calm.p50)}), ${integer(calm.peak)} MB`);
    print(`  one stalled   ${integer(stall.p99)} ms (p50 ${integer(stall.p50)}), ${integer(stall.peak)} MB`);
    print(
      `  the stalled socket: Lagged ${stall.lagged} time(s), ${stall.behind} events behind; received ${stall.receivedByStalled} of ${stall.written} events`,
    );
    for (const { wrong } of [calm, stall]) if (wrong) print(`  CLIENTS DIFFER: ${wrong}`);
  }

  if (parts.includes('saturated')) {
    const bare = await serveWsBroadcast();
    open.add(bare);
    let text = '';
    /** Deliveries per second of server CPU and of wall-clock time; the next event is written once all clients have the last. */
    async function saturated(
      served: ServerProcess,
      all: Client[],
      push: () => Promise<unknown>,
    ): Promise<[number, number]> {
      const messages = () => all.reduce((sum, one) => sum + one.messages, 0);
      const go = async (time: number) => {
        for (const begun = performance.now(); performance.now() - begun < time; ) {
          const goal = messages() + all.length;
          await push();
          while (messages() < goal) await sleep(1);
        }
      };
      // Warm-up, which also collects the garbage of connecting.
      await go(TURN / 2);
      const [before, from, begun] = [served.usage(), messages(), performance.now()];
      await go(TURN);
      const [after, to, ended] = [served.usage(), messages(), performance.now()];
      await disconnectClients(all);
      return [((to - from) / (after.cpu - before.cpu)) * 1_000, ((to - from) / (ended - begun)) * 1_000];
    }
    const got = (message: Buffer) => {
      text = message.toString();
    };
    const event = () => writer.write(1);
    const hubOf = async (count: number, distinct: boolean) => {
      const subscribe = (client: number) => ({ query: QUERY, variables: distinct ? { client } : {} });
      const watched = (client: number) => client === 0;
      return saturated(hub, await connectClients({ port: hub.port, count, subscribe, onMessage: got, watched }), event);
    };
    const bareOf = async (count: number) =>
      saturated(bare, await connectClients({ port: bare.port, count }), async () => bare.child.send({ text }));
    const ways: [string, () => Promise<[number, number]>][] = [
      [`the hub, ${sockets} sockets`, () => hubOf(sockets, false)],
      [`plain ws, ${sockets} sockets`, () => bareOf(sockets)],
      [`the hub, ${few} sockets`, () => hubOf(few, false)],
      [`plain ws, ${few} sockets`, () => bareOf(few)],
      [`one execution per client, ${few} sockets`, () => hubOf(few, true)],
    ];
    const rates = ways.map((): [number, number] => [0, 0]);
    for (let turn = 0; turn < TURNS; turn++)
      for (const [i, [, way]] of ways.entries()) {
        const [cpu, clock] = await way();
        const [a, b] = rates[i] as [number, number];
        rates[i] = [a + cpu / TURNS, b + clock / TURNS];
      }
    print(
      `At saturation, ${text.length} bytes per delivery, deliveries per second of server CPU (per second of wall-clock time):`,
    );
    for (const [i, [name]] of ways.entries()) {
      const [cpu, clock] = rates[i] as [number, number];
      print(`  ${name.padEnd(40)} ${integer(cpu).padStart(8)} (${integer(clock)})`);
    }
    const [many, bareMany, some, bareSome, single] = rates.map(([cpu]) => cpu) as [
      number,
      number,
      number,
      number,
      number,
    ];
    print(
      `  compared with plain ws: ${(many / bareMany).toFixed(2)} (${few} sockets: ${(some / bareSome).toFixed(2)})`,
    );
    print(`  compared with one execution per client: ${(some / single).toFixed(1)}`);
  }
  await database.close();
} finally {
  for (const one of open) one.child.kill('SIGTERM');
  await sleep(1_000);
  for (const one of open) one.child.kill('SIGKILL');
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
}
process.exit(0);
