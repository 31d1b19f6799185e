/**
 * One client at a hundred times its budget: the others, and the islands, with it and without it in alternation. `npm run test:greedy`,
 * two minutes. The hub has a core of its own where the machine has two; everybody who asks shares the other.
 */
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { availableParallelism, setPriority } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SourceCallFact } from '../../connectors/kit/guard.ts';
import { openDemoIssuer } from '../../gateway/trust/issuer.ts';
import { until, type WholeHub, wholeHub } from '../hub.ts';
import type { GreedySaid, GreedyTold } from './client.ts';
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
const begun = new Map<string, number[]>();
const note = (message: unknown) => {
  const { source, milliseconds, waited } = message as SourceCallFact;
  if (waited === null) return;
  const calls = begun.get(source) ?? [];
  calls.push(performance.now() - milliseconds + waited);
  begun.set(source, calls);
};

/** Keeps a process to one core, where there is more than one and the system has the tool. */
function pin(pid: number | undefined, core: number): void {
  if (availableParallelism() < 2) return;
  try {
    execFileSync('taskset', ['-acp', String(core), String(pid)], { stdio: 'ignore' });
  } catch {
    // Then the processes share all cores.
  }
}
function beside(file: string): ChildProcess {
  const child = fork(join(import.meta.dirname, file), { execArgv: ['--import', 'tsx'] });
  pin(child.pid, 1);
  children.push(child);
  return child;
}
async function answer<T>(child: ChildProcess): Promise<T> {
  const [said] = await once(child, 'message');
  return said as T;
}

beforeAll(async () => {
  whole = await wholeHub('embedded', {
    quiet: true,
    settings: (text) => `${text}\nlimits: { rate: ${BUDGET} }\nguard: { rate: ${RATE} }\n`,
  });
  await until(
    'companies',
    90,
    async () => (await whole.ask('{ companies(first: 50) { totalCount } }')).data?.companies.totalCount === 40,
  );
}, 120_000);
afterAll(async () => {
  unsubscribe('isthmus:source:call', note);
  for (const child of children) child.disconnect();
  await whole?.close();
}, 60_000);

const say = (line: string) => process.stdout.write(`${line}\n`);
const at = (times: readonly number[], share: number): number =>
  [...times].sort((a, b) => a - b)[Math.floor(times.length * share)] ?? 0;
const p50 = (times: readonly number[]): string => at(times, 0.5).toFixed(1);
const p95 = (times: readonly number[]): number => at(times, 0.95);

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
  subscribe('isthmus:source:call', note);
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
    const beside = await ordinary();
    greedy.send('stop');
    const said = await answer<GreedySaid>(greedy);
    with_.times.push(...beside.times);
    with_.cpu += beside.cpu;
    for (const name of ['sent', 'served', 'refused', 'lost'] as const) all[name] += said[name];
    const ms = (times: readonly number[]) => `p50 ${p50(times)} p95 ${p95(times).toFixed(1)} ms`;
    say(
      `round ${round}: others ${ms(without.times)} alone, ${ms(beside.times)} beside; ${said.refused} refused, ${said.served} served`,
    );
  }
  const busiest = [...begun].map(([source, times]) => {
    const sorted = [...times].sort((a, b) => a - b);
    return {
      source,
      calls: sorted.length,
      most: Math.max(...sorted.map((at, i) => sorted.slice(i).filter((one) => one < at + 1_000).length)),
    };
  });
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
