/**
 * `npm run test:attack`: what each hostile shape costs the hub and the bare gateway in processor time. Ends with 1 when one costs more
 * than a millisecond for each kilobyte, or when an ordinary document of the same size is not answered.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { DEFAULT_LIMITS } from '../../connectors/kit/config/sections/limits.ts';
import { PLAIN_LIMITS } from '../../gateway/standalone-gateway.ts';
import { harmless, SHAPES } from './shapes.ts';

/** Milliseconds of processor time for each kilobyte; there is no floor: the documents are large. */
const MOST = 1;
/** Before a shape is measured it is asked as often, so that the code for it is compiled. Other work of the machine only adds, so the least of the rounds counts. */
const WARM = 3;
const ROUNDS = 5;
const TABLES = [
  { role: 'hub', sizes: [99_000], tokens: DEFAULT_LIMITS.tokens, selections: DEFAULT_LIMITS.fields },
  { role: 'gateway', sizes: [128_000, 500_000], tokens: PLAIN_LIMITS.tokens, selections: PLAIN_LIMITS.fields },
] as const;

const children: ChildProcess[] = [];
function begin(...args: string[]): Promise<{ child: ChildProcess; said: Record<string, unknown> }> {
  const child = fork(join(import.meta.dirname, 'serve.ts'), args, {
    execArgv: ['--import', 'tsx'],
    // As `isthmus` runs.
    env: { ...process.env, NODE_ENV: 'production' },
  });
  children.push(child);
  return new Promise((resolve, reject) => {
    child.once('message', (said) => resolve({ child, said: said as Record<string, unknown> }));
    child.once('exit', (code) => reject(new Error(`${args[0]} ended with ${code} before it was ready.`)));
  });
}

const cpuOf = (child: ChildProcess): Promise<number> =>
  new Promise((resolve) => {
    child.once('message', ({ cpu }: { cpu: NodeJS.CpuUsage }) => resolve((cpu.user + cpu.system) / 1_000));
    child.send('cpu');
  });

/** Posts the document; what it came to. */
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
  const { said } = await begin('subgraphs');
  const urls = said['urls'] as string[];
  for (const { role, sizes, tokens, selections } of TABLES) {
    for (const size of sizes) {
      const room = { size: size - 10, tokens, selections };
      const { child, said } = await begin(role, ...urls);
      const url = String(said['url']);
      for (let i = 0; i < 10; i++) await outcome(url, `#${i}\n${harmless(room)}`);
      console.log(`\n${role}, ${size / 1_000} kB\n  CPU ms  median   ms/kB  shape`);
      const all = [{ name: 'harmless', document: harmless }, ...SHAPES];
      for (const { name, document } of all.filter((one) => !only || one.name.includes(only))) {
        const text = document(room);
        const costs: number[] = [];
        let result = '';
        for (let i = 0; i < WARM + ROUNDS && (costs[0] ?? 0) < 4_000; i++) {
          const before = await cpuOf(child);
          // Nothing compiled of it is found again.
          result = await outcome(url, `#${i}\n${text}`);
          if (i >= WARM) costs.push((await cpuOf(child)) - before);
        }
        const cost = Math.min(...costs);
        const each = cost / (size / 1_000);
        const bad =
          each > MOST || (name === 'harmless' && result !== 'answered') || /INTERNAL|no code|nothing/.test(result);
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
console.log(failed === 0 ? '\nAll within the bound.' : `\n${failed} beyond the bound.`);
process.exitCode = failed === 0 ? 0 : 1;
