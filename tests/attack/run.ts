/**
 * `npm run test:attack`: measures the CPU time that each hostile document costs the hub and the standalone gateway. Exits with 1 if one costs
 * more than a millisecond per kilobyte, or if an ordinary document of the same size is not answered.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { DEFAULT_LIMITS } from '../../connectors/kit/config/sections/limits.ts';
import { STANDALONE_LIMITS } from '../../gateway/standalone-gateway.ts';
import { ordinaryDocument, SHAPES } from './shapes.ts';

/** Maximum milliseconds of CPU time per kilobyte. */
const MAX_MS_PER_KB = 1;
/** Warm-up rounds before measuring, so that the code is compiled. Other load only adds time, so the fastest round counts. */
const WARM_UP_ROUNDS = 3;
const ROUNDS = 5;
const TABLES = [
  { role: 'hub', sizes: [99_000], tokens: DEFAULT_LIMITS.tokens, selections: DEFAULT_LIMITS.fields },
  {
    role: 'gateway',
    sizes: [128_000, 500_000],
    tokens: STANDALONE_LIMITS.tokens,
    selections: STANDALONE_LIMITS.fields,
  },
] as const;

const children: ChildProcess[] = [];
function startServer(...args: string[]): Promise<{ child: ChildProcess; reply: Record<string, unknown> }> {
  const child = fork(join(import.meta.dirname, 'serve.ts'), args, {
    execArgv: ['--import', 'tsx'],
    // As in production.
    env: { ...process.env, NODE_ENV: 'production' },
  });
  children.push(child);
  return new Promise((resolve, reject) => {
    child.once('message', (reply) => resolve({ child, reply: reply as Record<string, unknown> }));
    child.once('exit', (code) => reject(new Error(`${args[0]} exited with ${code} before it was ready.`)));
  });
}

const cpuOf = (child: ChildProcess): Promise<number> =>
  new Promise((resolve) => {
    child.once('message', ({ cpu }: { cpu: NodeJS.CpuUsage }) => resolve((cpu.user + cpu.system) / 1_000));
    child.send('cpu');
  });

/** Posts the document and returns the outcome: `answered`, or the error code. */
async function outcome(url: string, query: string): Promise<string> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(query.includes('query Page') ? { query, operationName: 'Page' } : { query }),
  });
  const text = await answer.text();
  try {
    const { data, errors } = JSON.parse(text);
    const code = errors?.[0]?.extensions?.code ?? (errors ? 'no code' : undefined);
    const what = code ?? (data ? 'answered' : `nothing: ${text.slice(0, 80)}`);
    return answer.status === 200 ? what : `${answer.status} ${what}`;
  } catch {
    return `${answer.status} ${text.slice(0, 80)}`;
  }
}

const median = (all: number[]): number => all.sort((a, b) => a - b)[all.length >> 1] as number;
let failed = 0;
const only = process.argv[2];

try {
  const { reply } = await startServer('subgraphs');
  const urls = reply['urls'] as string[];
  for (const { role, sizes, tokens, selections } of TABLES) {
    for (const size of sizes) {
      const limits = { size: size - 10, tokens, selections };
      const { child, reply } = await startServer(role, ...urls);
      const url = String(reply['url']);
      for (let i = 0; i < 10; i++) await outcome(url, `#${i}\n${ordinaryDocument(limits)}`);
      console.log(`\n${role}, ${size / 1_000} kB\n  CPU ms  median   ms/kB  shape`);
      const all = [{ name: 'harmless', document: ordinaryDocument }, ...SHAPES];
      for (const { name, document } of all.filter((one) => !only || one.name.includes(only))) {
        const text = document(limits);
        const costs: number[] = [];
        let result = '';
        for (let i = 0; i < WARM_UP_ROUNDS + ROUNDS && (costs[0] ?? 0) < 4_000; i++) {
          const before = await cpuOf(child);
          // The comment makes each document unique, so it is not cached.
          result = await outcome(url, `#${i}\n${text}`);
          if (i >= WARM_UP_ROUNDS) costs.push((await cpuOf(child)) - before);
        }
        const cost = Math.min(...costs);
        const each = cost / (size / 1_000);
        const bad =
          each > MAX_MS_PER_KB ||
          (name === 'harmless' && result !== 'answered') ||
          /INTERNAL|no code|nothing/.test(result);
        if (bad) failed++;
        console.log(
          `${cost.toFixed(1).padStart(8)} ${median(costs).toFixed(1).padStart(7)} ${each.toFixed(3).padStart(7)}  ${name.padEnd(58)} ${result}${bad ? '   <<<' : ''}`,
        );
      }
      child.disconnect();
    }
  }
} finally {
  for (const one of children) if (one.connected) one.disconnect();
}
console.log(failed === 0 ? '\nAll documents are within the limit.' : `\n${failed} documents exceed the limit.`);
process.exitCode = failed === 0 ? 0 : 1;
