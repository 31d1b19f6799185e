/**
 * One client at a hundred times its budget: latency of other callers and calls to sources, with and without it in alternation. Run:
 * `npm run test:greedy`, two minutes. On machines with two cores the hub has its own core; all clients share the other.
 */
import type { ChildProcess } from 'node:child_process';
import { setPriority } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDemoIssuer } from '../../gateway/trust/tokens/demo-issuer.ts';
import { startTestHub, type TestHub } from '../test-hub.ts';
import type { HeavyClientOptions, HeavyClientReport } from './heavy-client.ts';
import {
  countCalls,
  formatLatencies,
  nextMessage,
  p50,
  p95,
  pinToCore,
  print,
  startClientProcess,
  waitForCompanies,
} from './measure.ts';
import type { OrdinaryCallersOptions, OrdinaryCallersReport } from './ordinary-callers.ts';

/** Points per caller and minute. */
const BUDGET = 6_000;
/** Rate limit of each source, in calls per second. */
const RATE = 40;
/** Seconds per round, and number of rounds of each kind. */
const SECONDS = 4;
const ROUNDS = 8;
let testHub: TestHub;
const children: ChildProcess[] = [];

beforeAll(async () => {
  testHub = await startTestHub('embedded', {
    quiet: true,
    settings: (text) => `${text}\nlimits: { rate: ${BUDGET} }\nguard: { rate: ${RATE} }\n`,
  });
  await waitForCompanies(testHub);
}, 120_000);
afterAll(async () => {
  for (const child of children) child.disconnect();
  await testHub?.close();
}, 60_000);

test('keeps p95 of other callers within 1.5 times, and calls to sources within their rate limits', async () => {
  const issuer = await openDemoIssuer(testHub.data);
  const sign = (client: string) => issuer.sign({ role: 'operator', client, parks: ['lakeside'], seconds: 600 });
  const { data } = await testHub.query('{ companies(first: 50) { nodes { uscc } } }');
  const queries: string[] = data.companies.nodes.map(
    ({ uscc }: { uscc: string }) =>
      `{ company(uscc: "${uscc}") { name registration { status } vehicles(first: 5) { nodes { id } } } }`,
  );
  const { url } = testHub;
  const { extensions } = await testHub.query(queries[0] ?? '', {}, { extensions: { cost: true } });
  const points: number = extensions.cost.estimated.points;
  const tokens = await Promise.all(['one', 'two', 'three', 'four'].map(sign));
  const greedyToken = await sign('greedy');
  pinToCore(process.pid, 0);
  const others = startClientProcess('ordinary-callers.ts');
  const greedy = startClientProcess('heavy-client.ts');
  children.push(others, greedy);
  // Low priority, so that it does not take CPU from the measured callers.
  if (greedy.pid !== undefined) setPriority(greedy.pid, 10);

  /** Latencies of the ordinary callers, and the hub's CPU time meanwhile. */
  async function ordinary(seconds = SECONDS): Promise<OrdinaryCallersReport & { cpu: number }> {
    const before = process.cpuUsage();
    const callerOptions: OrdinaryCallersOptions = { url, tokens, queries, seconds };
    others.send(callerOptions);
    const report = await nextMessage<OrdinaryCallersReport>(others);
    const { user, system } = process.cpuUsage(before);
    return { ...report, cpu: (user + system) / 1_000 };
  }
  await ordinary();
  // Spend the saved-up budget first: the rounds measure a client that is over budget.
  const costly = '{ companies(first: 50) { nodes { name } } }';
  while (await testHub.query(costly, {}, { token: greedyToken }).then(({ errors }) => errors === undefined));
  const began = performance.now();
  const calls = countCalls();
  const alone = { times: [] as number[], cpu: 0 };
  const with_ = { times: [] as number[], cpu: 0 };
  const all: HeavyClientReport = { sent: 0, served: 0, rejected: 0, lost: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const without = await ordinary();
    alone.times.push(...without.times);
    alone.cpu += without.cpu;
    const clientOptions: HeavyClientOptions = {
      port: Number(new URL(url).port),
      token: greedyToken,
      queries,
      perSecond: (100 * BUDGET) / 60 / points,
    };
    greedy.send(clientOptions);
    const together = await ordinary();
    greedy.send('stop');
    const report = await nextMessage<HeavyClientReport>(greedy);
    with_.times.push(...together.times);
    with_.cpu += together.cpu;
    for (const name of ['sent', 'served', 'rejected', 'lost'] as const) all[name] += report[name];
    print(
      `round ${round}: other callers ${formatLatencies(without.times)} alone, ${formatLatencies(together.times)} with it; ${report.rejected} rejected, ${report.served} served`,
    );
  }
  const busiest = calls.busiest();
  calls.stop();
  const ratio = p95(with_.times) / p95(alone.times);
  // CPU time per request of the heavy client.
  const each = (with_.cpu - alone.cpu) / (all.rejected + all.served);
  print(`heavy client: ${points} points per request, ${all.sent} sent, ${all.rejected} rejected, ${all.served} served`);
  print(
    `other callers: p50 ${p50(alone.times)} ms and p95 ${p95(alone.times).toFixed(1)} ms alone, ${p50(with_.times)} ms and ${p95(with_.times).toFixed(1)} ms with it (p95 ${ratio.toFixed(2)} times)`,
  );
  print(
    `CPU of the hub: ${(alone.cpu / alone.times.length).toFixed(2)} ms per ordinary request, ${each.toFixed(3)} ms per request of the heavy client`,
  );
  for (const { source, most: maxPerSecond, calls } of busiest)
    print(`${source}: at most ${maxPerSecond} calls in a second, ${RATE} allowed; ${calls} in total`);
  // Over 90 % of the answered requests are rejected.
  expect(all.rejected).toBeGreaterThan(0.9 * (all.rejected + all.served));
  const allowed = BUDGET + ((performance.now() - began) / 60_000) * BUDGET;
  expect(all.served * points).toBeLessThanOrEqual(allowed);
  for (const { source, most: maxPerSecond } of busiest) expect(maxPerSecond, source).toBeLessThanOrEqual(RATE);
  expect(ratio).toBeLessThanOrEqual(1.5);
}, 180_000);
