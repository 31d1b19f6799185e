/**
 * Live under load: `npm run load:live [sockets] [seconds] [steady,stalled,saturated]`. The built hub, started by its own command and held to one core, serves the
 * sockets; this process is every client and the writer of the events. Prints latency, memory, what one stalled socket does to the others,
 * and deliveries per second at saturation beside a bare `ws` broadcast of the same bytes and beside one execution per client.
 */
import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../../schema/database/database.ts';
import { startEmbedded } from '../../schema/database/embedded/embedded-postgres.ts';
import { disperse, gather, type Member } from './crowd.ts';
import { EVENTS, type Heard, Listening, QUERY, Writer } from './live-events.ts';
import { type Served, serveBare, serveHub } from './served.ts';

const sockets = Number(process.argv[2] ?? 5_000);
const seconds = Number(process.argv[3] ?? 20);
const parts = (process.argv[4] ?? 'steady,stalled,saturated').split(',');
const few = Math.min(1_000, sockets);
/** Of the stalled run: events in each of ten bursts a second, for so long that a socket which takes nothing misses more than the kernel's
 * buffers of both ends hold (4 MB here). */
const BURST = 40;
const STALL = 25;
/** Saturation: so long each time, in turns, so often. */
const TURN = 4_000;
const TURNS = 2;

const say = (text: string) => void process.stdout.write(`${text}\n`);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const whole = (value: number) => value.toFixed(0);

// The server has the first core for itself; clients, writer and database take the others.
if (cpus().length > 1)
  execFileSync('taskset', ['-ap', '-c', `1-${cpus().length - 1}`, String(process.pid)], { stdio: 'ignore' });
const directory = mkdtempSync(join(tmpdir(), 'isthmus-load-'));
const cluster = await startEmbedded({ directory: join(directory, 'database'), listen: { host: '127.0.0.1', port: 0 } });
const open = new Set<Served>();
try {
  const hub = await serveHub(directory, cluster.url);
  open.add(hub);
  const database = await openDatabase(cluster.url, { pool: 4, name: 'isthmus load' });
  const writer = new Writer(database);

  /** Ten bursts a second, and what was heard of them. */
  async function run(
    count: number,
    time: number,
    burst: number,
    query: string,
    stalled: number | null,
  ): Promise<Heard & { deliveries: number }> {
    const listening = new Listening(writer, count, stalled);
    const { got, watched } = listening;
    const all = await gather({ port: hub.port, count, subscribe: () => ({ query }), got, watched });
    await sleep(2_000);
    hub.forget();
    if (stalled !== null) all[stalled]?.socket.pause();
    const begun = performance.now();
    for (let tick = 0; performance.now() - begun < time * 1_000; tick++) {
      await writer.write(burst);
      await sleep(Math.max(0, begun + (tick + 1) * 100 - performance.now()));
    }
    await sleep(1_500);
    if (stalled !== null) all[stalled]?.socket.resume();
    for (let i = 0; i < 300 && !listening.all(); i++) await sleep(100);
    const heard = listening.heard(hub.usage());
    await disperse(all);
    const counts = all.map((one) => one.messages);
    const equal = stalled !== null || counts.every((one) => one === counts[0]);
    const wrong = heard.wrong ?? (equal ? null : `messages ${Math.min(...counts)} to ${Math.max(...counts)}`);
    return { ...heard, wrong, deliveries: counts.reduce((sum, one) => sum + one, 0) };
  }

  if (parts.includes('steady')) {
    const empty = hub.usage();
    const steady = await run(sockets, seconds, 1, QUERY, null);
    say(`${sockets} sockets, 10 events/s for ${seconds} s, the hub on one core:`);
    say(
      `  ${steady.deliveries} deliveries; p50 ${whole(steady.p50)} ms, p99 ${whole(steady.p99)} ms, max ${whole(steady.max)} ms`,
    );
    say(
      `  RSS ${whole(steady.rss)} MB, at most ${whole(steady.peak)} MB; before the first socket ${whole(empty.rss)} MB`,
    );
    if (steady.wrong) say(`  NOT ALL GOT THE SAME: ${steady.wrong}`);
  }

  if (parts.includes('stalled')) {
    const calm = await run(few, STALL, BURST, EVENTS, null);
    const stall = await run(few, STALL, BURST, EVENTS, 0);
    say(
      `${few} sockets, ${BURST * 10} events/s of ${whole(calm.bytes)} bytes for ${STALL} s; p99 of the others, most RSS:`,
    );
    say(`  none stalled  ${whole(calm.p99)} ms (p50 ${whole(calm.p50)}), ${whole(calm.peak)} MB`);
    say(`  one stalled   ${whole(stall.p99)} ms (p50 ${whole(stall.p50)}), ${whole(stall.peak)} MB`);
    say(
      `  the stalled one: Lagged ${stall.lagged} time(s), behind ${stall.behind}; got ${stall.woken} of ${stall.written} events`,
    );
    for (const { wrong } of [calm, stall]) if (wrong) say(`  NOT ALL GOT THE SAME: ${wrong}`);
  }

  if (parts.includes('saturated')) {
    const bare = await serveBare();
    open.add(bare);
    let text = '';
    /** Deliveries per second of server CPU and of the clock, while the next is written as soon as all have the last. */
    async function saturated(served: Served, all: Member[], push: () => Promise<unknown>): Promise<[number, number]> {
      const messages = () => all.reduce((sum, one) => sum + one.messages, 0);
      const go = async (time: number) => {
        for (const begun = performance.now(); performance.now() - begun < time; ) {
          const goal = messages() + all.length;
          await push();
          while (messages() < goal) await sleep(1);
        }
      };
      // What connecting leaves behind is collected first.
      await go(TURN / 2);
      const [before, from, begun] = [served.usage(), messages(), performance.now()];
      await go(TURN);
      const [after, to, ended] = [served.usage(), messages(), performance.now()];
      await disperse(all);
      return [((to - from) / (after.cpu - before.cpu)) * 1_000, ((to - from) / (ended - begun)) * 1_000];
    }
    const got = (message: Buffer) => {
      text = message.toString();
    };
    const event = () => writer.write(1);
    const hubOf = async (count: number, distinct: boolean) => {
      const subscribe = (client: number) => ({ query: QUERY, variables: distinct ? { client } : {} });
      const watched = (client: number) => client === 0;
      return saturated(hub, await gather({ port: hub.port, count, subscribe, got, watched }), event);
    };
    const bareOf = async (count: number) =>
      saturated(bare, await gather({ port: bare.port, count }), async () => bare.child.send({ text }));
    const ways: [string, () => Promise<[number, number]>][] = [
      [`the hub, ${sockets} sockets`, () => hubOf(sockets, false)],
      [`bare ws, ${sockets} sockets`, () => bareOf(sockets)],
      [`the hub, ${few} sockets`, () => hubOf(few, false)],
      [`bare ws, ${few} sockets`, () => bareOf(few)],
      [`one execution per client, ${few} sockets`, () => hubOf(few, true)],
    ];
    const rates = ways.map((): [number, number] => [0, 0]);
    for (let turn = 0; turn < TURNS; turn++)
      for (const [i, [, way]] of ways.entries()) {
        const [cpu, clock] = await way();
        const [a, b] = rates[i] as [number, number];
        rates[i] = [a + cpu / TURNS, b + clock / TURNS];
      }
    say(
      `At saturation, ${text.length} bytes a delivery, deliveries per second of server CPU (per second of the clock):`,
    );
    for (const [i, [name]] of ways.entries()) {
      const [cpu, clock] = rates[i] as [number, number];
      say(`  ${name.padEnd(40)} ${whole(cpu).padStart(8)} (${whole(clock)})`);
    }
    const [many, bareMany, some, bareSome, single] = rates.map(([cpu]) => cpu) as [
      number,
      number,
      number,
      number,
      number,
    ];
    say(`  against bare ws ${(many / bareMany).toFixed(2)} (${few} sockets: ${(some / bareSome).toFixed(2)})`);
    say(`  against one execution per client ${(some / single).toFixed(1)}`);
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
