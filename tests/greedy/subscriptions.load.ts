/**
 * One client that holds as many subscriptions as it may, each with a question of its own that asks three islands about every event, and
 * then one that comes again and again with the oldest cursor: what others wait for their answers and events. `npm run test:greedy`.
 */
import type { ChildProcess } from 'node:child_process';
import { setPriority } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../connectors/kit/config/sections/limits.ts';
import { openDemoIssuer } from '../../gateway/trust/tokens/demo-issuer.ts';
import { type Database, openDatabase } from '../../schema/database/database.ts';
import { appendEvents } from '../../schema/database/events/event-log.ts';
import { type WholeHub, wholeHub } from '../hub.ts';
import type { ListenerSaid, ListenerTold } from './listener.ts';
import { allCompanies, answer, beside, countCalls, p95, pin, say, shown } from './measure.ts';
import type { OthersSaid, OthersTold } from './others.ts';

/** Calls a second of each legacy system. */
const RATE = 40;
/** Seconds of each round, and how many rounds of each kind. */
const SECONDS = 4;
const ROUNDS = 3;
/** Cars a second while they are measured, and cars in the log before it begins. */
const CARS = 4;
const HISTORY = 3_000;
/** What it takes to hold all subscriptions, in milliseconds. */
const SETTLE = 6_000;
let whole: WholeHub;
let database: Database;
const children: ChildProcess[] = [];

beforeAll(async () => {
  whole = await wholeHub('embedded', { quiet: true, settings: (text) => `${text}\nguard: { rate: ${RATE} }\n` });
  database = await openDatabase(whole.databaseUrl, { pool: 1, name: 'cars' });
  await allCompanies(whole);
}, 120_000);
afterAll(async () => {
  for (const child of children) child.disconnect();
  await database?.close();
  await whole?.close();
}, 60_000);

const FOLLOW = 'subscription { events { ... on EventsBatch { events { id time } } } }';
const COSTLY = `subscription ($after: Cursor) { ALIAS: events(after: $after) {
  ... on EventsBatch { cursor events { id ... on VehicleEntered { vehicle { plate company { name registration { status }
    vehicles(first: 5) { nodes { plate } } } } } } }
  ... on Lagged { behind }
} }`;

test('one who listens too much hurts others neither by holding nor by coming again', async () => {
  const issuer = await openDemoIssuer(whole.data);
  const sign = (client: string) => issuer.sign({ role: 'operator', client, parks: ['lakeside'], seconds: 600 });
  const tokens = await Promise.all(['one', 'two', 'three', 'four'].map(sign));
  const token = await sign('greedy');
  const { url } = whole;
  const { data } = await whole.ask('{ companies(first: 50) { nodes { uscc vehicles(first: 20) { nodes { id } } } } }');
  const companies: { uscc: string; vehicles: { nodes: { id: string }[] } }[] = data.companies.nodes;
  const queries = companies.map(
    ({ uscc }) => `{ company(uscc: "${uscc}") { name registration { status } vehicles(first: 5) { nodes { id } } } }`,
  );
  const vehicles = companies.flatMap((one) => one.vehicles.nodes.map(({ id }) => id));
  let cars = 0;
  const drive = (count: number) =>
    database.transaction((tx) => {
      const [at, time] = [new Date(), new Date()];
      const by = { installation: 'lakeside-parking', connector: 'parking', park: 'lakeside', at };
      const entered = Array.from({ length: count }, () => {
        const vehicle = vehicles[cars % vehicles.length] ?? null;
        return { foreignId: `greedy ${cars++}`, time, kind: 'VEHICLE_ENTERED', vehicle };
      });
      return appendEvents(tx, by, entered);
    });
  const { data: start } = await whole.ask('{ events(first: 1) { pageInfo { endCursor } } }');
  const after: string = start.events.pageInfo.endCursor;
  for (let n = 0; n < HISTORY; n += 500) await drive(500);

  pin(process.pid, 0);
  const others = beside('others.ts');
  const greedy = beside('listener.ts');
  children.push(others, greedy);
  if (greedy.pid !== undefined) setPriority(greedy.pid, 10);
  /** What the others waited, the calls at each source, and the most memory meanwhile. */
  async function round(): Promise<OthersSaid & { rss: number; written: number; calls: ReturnType<typeof counted> }> {
    const counting = countCalls();
    const counted = () => counting.busiest();
    let rss = 0;
    let written = 0;
    const told: OthersTold = { url, tokens, queries, seconds: SECONDS, follow: FOLLOW };
    others.send(told);
    const driving = setInterval(() => {
      written += 1;
      void drive(1);
      rss = Math.max(rss, process.memoryUsage.rss() / 1_048_576);
    }, 1_000 / CARS);
    setTimeout(() => clearInterval(driving), SECONDS * 1_000);
    const said = await answer<OthersSaid>(others);
    counting.stop();
    return { ...said, rss, written, calls: counted() };
  }
  await round();
  const base: Omit<ListenerTold, 'replay'> = {
    ...{ url, token, query: COSTLY, subscriptions: DEFAULT_LIMITS.subscriptions },
  };
  const again: ListenerTold = { ...base, replay: { after, every: 1_000 } };
  const ways: { name: string; begin?: ListenerTold; settle?: number; stop?: boolean }[] = [
    { name: 'alone' },
    { name: 'beside one who subscribes', begin: { ...base, replay: null } },
    { name: 'beside one who holds it all', settle: SETTLE, stop: true },
    { name: 'beside one who comes again', begin: again, stop: true },
  ];
  const sums = ways.map(() => ({ times: [] as number[], ages: [] as number[], rss: 0 }));
  for (let n = 0; n < ROUNDS; n++) {
    for (const [i, { name, begin, settle, stop }] of ways.entries()) {
      if (begin) greedy.send(begin);
      if (settle) await new Promise((resolve) => setTimeout(resolve, settle));
      const got = await round();
      const sum = sums[i] as (typeof sums)[number];
      sum.times.push(...got.times);
      sum.ages.push(...got.ages);
      sum.rss = Math.max(sum.rss, got.rss);
      say(
        `round ${n}, ${name}: answers ${shown(got.times)}, events ${shown(got.ages)} (${Math.min(...got.events)} to each, ${got.written} cars); RSS ${got.rss.toFixed(0)} MB`,
      );
      say(`  ${got.calls.map(({ source, calls, most }) => `${source} ${calls} (${most} in a second)`).join(', ')}`);
      if (stop) {
        greedy.send('stop');
        say(`  the greedy one: ${JSON.stringify(await answer<ListenerSaid>(greedy))}`);
      }
      expect(got.faults).toEqual([]);
      for (const { source, most } of got.calls) expect(most, source).toBeLessThanOrEqual(RATE);
      expect(Math.min(...got.events)).toBeGreaterThan(0);
    }
  }
  const [alone, ...together] = sums;
  for (const [i, sum] of together.entries()) {
    const ratio = p95(sum.times) / p95(alone?.times ?? []);
    const events = p95(sum.ages) / p95(alone?.ages ?? []);
    say(
      `${ways[i + 1]?.name}: answers ${shown(sum.times)}, ${ratio.toFixed(2)} times; events ${shown(sum.ages)}, ${events.toFixed(2)} times; RSS ${sum.rss.toFixed(0)} MB (${alone?.rss.toFixed(0)} alone)`,
    );
    expect(ratio).toBeLessThanOrEqual(1.5);
    expect(events).toBeLessThanOrEqual(1.5);
  }
}, 180_000);
