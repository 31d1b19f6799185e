/**
 * One client that holds as many subscriptions as allowed, each with a different query that calls three sources per event, and then
 * one that reconnects with the oldest cursor again and again: latency of responses and events of other callers. Run: `npm run test:greedy`.
 */
import type { ChildProcess } from 'node:child_process';
import { setPriority } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../connectors/kit/config/sections/limits.ts';
import { openDemoIssuer } from '../../gateway/trust/tokens/demo-issuer.ts';
import { type Database, openDatabase } from '../../schema/database/database.ts';
import { appendEvents } from '../../schema/database/events/event-log.ts';
import { startTestHub, type TestHub } from '../test-hub.ts';
import type { HeavySubscriberOptions, HeavySubscriberReport } from './heavy-subscriber.ts';
import {
  countCalls,
  formatLatencies,
  nextMessage,
  p95,
  pinToCore,
  print,
  startClientProcess,
  waitForCompanies,
} from './measure.ts';
import type { OrdinaryCallersOptions, OrdinaryCallersReport } from './ordinary-callers.ts';

/** Rate limit of each source, in calls per second. */
const RATE = 40;
/** Seconds per round, and number of rounds of each kind. */
const SECONDS = 4;
const ROUNDS = 3;
/** Cars per second during the measurement, and cars in the log before it. */
const CARS = 4;
const HISTORY = 3_000;
/** Time to open all subscriptions, in milliseconds. */
const SETTLE = 6_000;
let testHub: TestHub;
let database: Database;
const children: ChildProcess[] = [];

beforeAll(async () => {
  testHub = await startTestHub('embedded', { quiet: true, settings: (text) => `${text}\nguard: { rate: ${RATE} }\n` });
  database = await openDatabase(testHub.databaseUrl, { poolSize: 1, name: 'cars' });
  await waitForCompanies(testHub);
}, 120_000);
afterAll(async () => {
  for (const child of children) child.disconnect();
  await database?.close();
  await testHub?.close();
}, 60_000);

const FOLLOW = 'subscription { events { ... on EventsBatch { events { id time } } } }';
const COSTLY = `subscription ($after: Cursor) { ALIAS: events(after: $after) {
  ... on EventsBatch { cursor events { id ... on VehicleEntered { vehicle { plate company { name registration { status }
    vehicles(first: 5) { nodes { plate } } } } } } }
  ... on Lagged { behind }
} }`;

test('keeps p95 of other callers within 1.5 times while one client holds, or reopens, the maximum of subscriptions', async () => {
  const issuer = await openDemoIssuer(testHub.data);
  const sign = (client: string) => issuer.sign({ role: 'operator', client, parks: ['lakeside'], seconds: 600 });
  const tokens = await Promise.all(['one', 'two', 'three', 'four'].map(sign));
  const token = await sign('greedy');
  const { url } = testHub;
  const { data } = await testHub.query(
    '{ companies(first: 50) { nodes { uscc vehicles(first: 20) { nodes { id } } } } }',
  );
  const companies: { uscc: string; vehicles: { nodes: { id: string }[] } }[] = data.companies.nodes;
  const queries = companies.map(
    ({ uscc }) => `{ company(uscc: "${uscc}") { name registration { status } vehicles(first: 5) { nodes { id } } } }`,
  );
  const vehicles = companies.flatMap((company) => company.vehicles.nodes.map(({ id }) => id));
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
  const { data: start } = await testHub.query('{ events(first: 1) { pageInfo { endCursor } } }');
  const after: string = start.events.pageInfo.endCursor;
  for (let n = 0; n < HISTORY; n += 500) await drive(500);

  pinToCore(process.pid, 0);
  const others = startClientProcess('ordinary-callers.ts');
  const greedy = startClientProcess('heavy-subscriber.ts');
  children.push(others, greedy);
  if (greedy.pid !== undefined) setPriority(greedy.pid, 10);
  /** Latencies of the ordinary callers, calls per source, and peak memory meanwhile. */
  async function round(): Promise<
    OrdinaryCallersReport & { rss: number; written: number; calls: ReturnType<typeof counted> }
  > {
    const counting = countCalls();
    const counted = () => counting.busiest();
    let rss = 0;
    let written = 0;
    const callerOptions: OrdinaryCallersOptions = { url, tokens, queries, seconds: SECONDS, follow: FOLLOW };
    others.send(callerOptions);
    const driving = setInterval(() => {
      written += 1;
      void drive(1);
      rss = Math.max(rss, process.memoryUsage.rss() / 1_048_576);
    }, 1_000 / CARS);
    setTimeout(() => clearInterval(driving), SECONDS * 1_000);
    const report = await nextMessage<OrdinaryCallersReport>(others);
    counting.stop();
    return { ...report, rss, written, calls: counted() };
  }
  await round();
  const base: Omit<HeavySubscriberOptions, 'replay'> = {
    ...{ url, token, query: COSTLY, subscriptions: DEFAULT_LIMITS.subscriptions },
  };
  const again: HeavySubscriberOptions = { ...base, replay: { after, every: 1_000 } };
  const ways: { name: string; begin?: HeavySubscriberOptions; settle?: number; stop?: boolean }[] = [
    { name: 'alone' },
    { name: 'while one client subscribes', begin: { ...base, replay: null } },
    { name: 'while one client holds all subscriptions', settle: SETTLE, stop: true },
    { name: 'while one client reconnects', begin: again, stop: true },
  ];
  const sums = ways.map(() => ({ times: [] as number[], ages: [] as number[], rss: 0 }));
  for (let n = 0; n < ROUNDS; n++) {
    for (const [i, { name, begin, settle, stop }] of ways.entries()) {
      if (begin) greedy.send(begin);
      if (settle) await new Promise((resolve) => setTimeout(resolve, settle));
      const result = await round();
      const sum = sums[i] as (typeof sums)[number];
      sum.times.push(...result.times);
      sum.ages.push(...result.ages);
      sum.rss = Math.max(sum.rss, result.rss);
      print(
        `round ${n}, ${name}: responses ${formatLatencies(result.times)}, events ${formatLatencies(result.ages)} (at least ${Math.min(...result.events)} received, ${result.written} cars); RSS ${result.rss.toFixed(0)} MB`,
      );
      print(
        `  calls: ${result.calls.map(({ source, calls, most }) => `${source} ${calls} (at most ${most} in a second)`).join(', ')}`,
      );
      if (stop) {
        greedy.send('stop');
        print(`  heavy subscriber: ${JSON.stringify(await nextMessage<HeavySubscriberReport>(greedy))}`);
      }
      expect(result.errors).toEqual([]);
      for (const { source, most } of result.calls) expect(most, source).toBeLessThanOrEqual(RATE);
      expect(Math.min(...result.events)).toBeGreaterThan(0);
    }
  }
  const [alone, ...together] = sums;
  for (const [i, sum] of together.entries()) {
    const ratio = p95(sum.times) / p95(alone?.times ?? []);
    const events = p95(sum.ages) / p95(alone?.ages ?? []);
    print(
      `${ways[i + 1]?.name}: responses ${formatLatencies(sum.times)}, ${ratio.toFixed(2)} times; events ${formatLatencies(sum.ages)}, ${events.toFixed(2)} times; RSS ${sum.rss.toFixed(0)} MB (${alone?.rss.toFixed(0)} alone)`,
    );
    expect(ratio).toBeLessThanOrEqual(1.5);
    expect(events).toBeLessThanOrEqual(1.5);
  }
}, 180_000);
