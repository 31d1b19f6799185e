/**
 * One client at a hundred times its budget: the others, and the islands, with it and without it in alternation. `npm run test:greedy`,
 * two minutes. The hub has a core of its own where the machine has two; everybody who asks shares the other.
 */
import type { ChildProcess } from 'node:child_process';
import { setPriority } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDemoIssuer } from '../../gateway/trust/tokens/demo-issuer.ts';
import { type WholeHub, wholeHub } from '../hub.ts';
import type { GreedySaid, GreedyTold } from './client.ts';
import { allCompanies, answer, beside, countCalls, p50, p95, pin, say, shown } from './measure.ts';
import type { OthersSaid, OthersTold } from './others.ts';

/** Points a minute of each caller. */
const BUDGET = 6_000;
/** Calls a second of each legacy system. */
const RATE = 40;
/** Seconds of each round, and how many of either kind. */
const SECONDS = 4;
const ROUNDS = 8;
let whole: WholeHub;
const children: ChildProcess[] = [];

beforeAll(async () => {
  whole = await wholeHub('embedded', {
    quiet: true,
    settings: (text) => `${text}\nlimits: { rate: ${BUDGET} }\nguard: { rate: ${RATE} }\n`,
  });
  await allCompanies(whole);
}, 120_000);
afterAll(async () => {
  for (const child of children) child.disconnect();
  await whole?.close();
}, 60_000);

test('others hardly notice, and no island is asked beyond its budget', async () => {
  const issuer = await openDemoIssuer(whole.data);
  const sign = (client: string) => issuer.sign({ role: 'operator', client, parks: ['lakeside'], seconds: 600 });
  const { data } = await whole.ask('{ companies(first: 50) { nodes { uscc } } }');
  const queries: string[] = data.companies.nodes.map(
    ({ uscc }: { uscc: string }) =>
      `{ company(uscc: "${uscc}") { name registration { status } vehicles(first: 5) { nodes { id } } } }`,
  );
  const { url } = whole;
  const { extensions } = await whole.ask(queries[0] ?? '', {}, { extensions: { cost: true } });
  const points: number = extensions.cost.estimated.points;
  const tokens = await Promise.all(['one', 'two', 'three', 'four'].map(sign));
  const greedyToken = await sign('greedy');
  pin(process.pid, 0);
  const others = beside('others.ts');
  const greedy = beside('client.ts');
  children.push(others, greedy);
  // It shall not take the others' core from them: what is measured is the hub.
  if (greedy.pid !== undefined) setPriority(greedy.pid, 10);

  /** What the others waited, and the hub's own processor time meanwhile. */
  async function ordinary(seconds = SECONDS): Promise<OthersSaid & { cpu: number }> {
    const before = process.cpuUsage();
    const told: OthersTold = { url, tokens, queries, seconds };
    others.send(told);
    const said = await answer<OthersSaid>(others);
    const { user, system } = process.cpuUsage(before);
    return { ...said, cpu: (user + system) / 1_000 };
  }
  await ordinary();
  // What it has saved is spent but for a few seconds: the rounds are about who asks on.
  const costly = '{ companies(first: 50) { nodes { name } } }';
  while (await whole.ask(costly, {}, { token: greedyToken }).then(({ errors }) => errors === undefined));
  const began = performance.now();
  const calls = countCalls();
  const alone = { times: [] as number[], cpu: 0 };
  const with_ = { times: [] as number[], cpu: 0 };
  const all: GreedySaid = { sent: 0, served: 0, refused: 0, lost: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const without = await ordinary();
    alone.times.push(...without.times);
    alone.cpu += without.cpu;
    const told: GreedyTold = {
      port: Number(new URL(url).port),
      token: greedyToken,
      queries,
      perSecond: (100 * BUDGET) / 60 / points,
    };
    greedy.send(told);
    const together = await ordinary();
    greedy.send('stop');
    const said = await answer<GreedySaid>(greedy);
    with_.times.push(...together.times);
    with_.cpu += together.cpu;
    for (const name of ['sent', 'served', 'refused', 'lost'] as const) all[name] += said[name];
    say(
      `round ${round}: others ${shown(without.times)} alone, ${shown(together.times)} beside; ${said.refused} refused, ${said.served} served`,
    );
  }
  const busiest = calls.busiest();
  calls.stop();
  const ratio = p95(with_.times) / p95(alone.times);
  // What the refused have cost besides those who were served, at what the others cost each.
  const each = (with_.cpu - alone.cpu) / (all.refused + all.served);
  say(`greedy: ${points} points each, ${all.sent} sent, ${all.refused} refused, ${all.served} served`);
  say(
    `others: p50 ${p50(alone.times)} ms and p95 ${p95(alone.times).toFixed(1)} ms alone, ${p50(with_.times)} ms and ${p95(with_.times).toFixed(1)} ms beside it: ${ratio.toFixed(2)} times`,
  );
  say(
    `the hub’s processor time: ${(alone.cpu / alone.times.length).toFixed(2)} ms for each request alone, ${each.toFixed(3)} ms for each of the greedy one’s`,
  );
  for (const { source, most, calls } of busiest)
    say(`${source}: ${most} calls in its busiest second, ${RATE} allowed; ${calls} in all`);
  // Nearly everything is refused, of what is answered at all.
  expect(all.refused).toBeGreaterThan(0.9 * (all.refused + all.served));
  const allowed = BUDGET + ((performance.now() - began) / 60_000) * BUDGET;
  expect(all.served * points).toBeLessThanOrEqual(allowed);
  for (const { source, most } of busiest) expect(most, source).toBeLessThanOrEqual(RATE);
  expect(ratio).toBeLessThanOrEqual(1.5);
}, 180_000);
