/** One client at a hundred times its budget: the others, and the islands, before and meanwhile. `npm run test:greedy`, a minute. */
import { spawn } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDemoIssuer } from '../../gateway/trust/issuer.ts';
import { until, type WholeHub, wholeHub } from '../hub.ts';

/** Points a minute of each caller. */
const BUDGET = 6_000;
/** Calls a second of each legacy system. */
const RATE = 20;
const SECONDS = 8;
let whole: WholeHub;
const begun = new Map<string, number[]>();
const note = (message: unknown) => {
  const { source, milliseconds } = message as { source: string; milliseconds: number };
  begun.set(source, [...(begun.get(source) ?? []), performance.now() - milliseconds]);
};

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
  await whole?.close();
}, 60_000);

const p95 = (times: number[]): number => [...times].sort((a, b) => a - b)[Math.floor(times.length * 0.95)] ?? 0;

test('others hardly notice, and no island is asked beyond its budget', async () => {
  const issuer = await openDemoIssuer(whole.data);
  const sign = (client: string) => issuer.sign({ role: 'operator', client, parks: ['lakeside'], seconds: 600 });
  const { data } = await whole.ask('{ companies(first: 50) { nodes { uscc } } }');
  const codes: string[] = data.companies.nodes.map((one: { uscc: string }) => one.uscc);
  const greedy = await sign('greedy');
  const modest = await Promise.all(['one', 'two', 'three', 'four'].map(sign));
  const query = (uscc: string) =>
    `{ company(uscc: "${uscc}") { name registration { status } vehicles(first: 5) { nodes { id } } } }`;

  /** Four callers, twice a second each: how long they waited. */
  async function ordinary(): Promise<number[]> {
    const times: number[] = [];
    const end = performance.now() + SECONDS * 1_000;
    await Promise.all(
      modest.map(async (token, n) => {
        for (let i = n; performance.now() < end; i++) {
          const started = performance.now();
          const answer = await whole.ask(query(codes[(i * 7) % codes.length] ?? ''), {}, { token });
          expect(answer.errors).toBeUndefined();
          times.push(performance.now() - started);
          await new Promise((resolve) => setTimeout(resolve, 500 - (performance.now() - started)));
        }
      }),
    );
    return times;
  }
  async function besideGreedy(): Promise<{ times: number[]; sent: number; refused: number }> {
    // 8 points each: a hundred times BUDGET a minute.
    const perSecond = (100 * BUDGET) / 60 / 8;
    const child = spawn(
      process.execPath,
      [
        '--import',
        'tsx',
        join(import.meta.dirname, 'client.ts'),
        whole.url,
        greedy,
        query(codes[0] ?? ''),
        String(perSecond),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let said = '';
    child.stdout.on('data', (part: Buffer) => {
      said += part.toString();
    });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const times = await ordinary();
    await new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.kill('SIGTERM');
    });
    return { times, ...(JSON.parse(said) as { sent: number; refused: number }) };
  }

  await ordinary();
  subscribe('isthmus:source:call', note);
  const alone: number[] = [];
  const beside: number[] = [];
  let sent = 0;
  let refused = 0;
  for (let round = 0; round < 2; round++) {
    alone.push(...(await ordinary()));
    const made = await besideGreedy();
    beside.push(...made.times);
    sent += made.sent;
    refused += made.refused;
  }
  const busiest = [...begun].map(([source, times]) => {
    const sorted = [...times].sort((a, b) => a - b);
    return {
      source,
      most: Math.max(...sorted.map((at, i) => sorted.slice(i).filter((one) => one < at + 1_000).length)),
    };
  });
  process.stdout.write(
    `greedy: ${sent} sent, ${refused} refused; others' p95 ${p95(alone).toFixed(1)} ms alone, ${p95(beside).toFixed(1)} ms beside it (${(p95(beside) / p95(alone)).toFixed(2)} times)\n${busiest.map(({ source, most }) => `${source}: ${most} calls in its busiest second, ${RATE} allowed`).join('\n')}\n`,
  );
  expect(refused).toBeGreaterThan(0);
  for (const { source, most } of busiest) expect(most, source).toBeLessThanOrEqual(RATE);
  expect(p95(beside)).toBeLessThanOrEqual(1.5 * p95(alone));
}, 180_000);
