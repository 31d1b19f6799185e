/** `isthmus bench`: what one request costs, ours beside a hand-written plan, ready-made bytes and peers, in alternation. */
import { type Candidate, ours, PEER_NAMES, peer } from './candidates.ts';
import { coldMilliseconds, startedGateway } from './cold-start.ts';
import { type Load, load } from './load-generator.ts';
import { judge, type Measured, TARGETS } from './targets.ts';
import { BODIES, QUERY_NAMES, type QueryName } from './workload.ts';

export interface BenchOptions {
  /** A folder with other gateways, as docs/performance.md says. */
  readonly peers?: string | undefined;
  readonly json: boolean;
  /** Rounds whose median counts. */
  readonly rounds: number;
  /** Of one load, in milliseconds. */
  readonly milliseconds: number;
  say(text: string): void;
}

/** Peers' supergraphs name these addresses. */
const PEER_PORT = 4101;

/** Each candidate answers each question for so long before anything counts, in milliseconds: compiling is CPU of the process too. */
const WARM = 3_000;

type Figures = Map<string, Map<QueryName, (Load & { cpu: number })[]>>;

/** Runs and prints. Resolves with whether every target is met. */
export async function bench(options: BenchOptions): Promise<boolean> {
  const running: Candidate[] = [];
  const tell = (text: string): void => (options.json ? void process.stderr.write(`${text}\n`) : options.say(text));
  try {
    const subgraphs = await ours('subgraphs', options.peers ? String(PEER_PORT) : '0');
    running.push(subgraphs);
    const candidates: Candidate[] = [];
    for (const name of ['fused', 'http', 'hand', 'hand-door', 'bytes'])
      candidates.push(await ours(name, name === 'http' ? JSON.stringify(subgraphs.urls) : ''));
    running.push(...candidates);
    const counts = await count(candidates[1] as Candidate, subgraphs);
    if (options.peers) {
      for (const name of PEER_NAMES) {
        const one = await peer(name, options.peers, BODIES.Q1[0] as string);
        if (one) candidates.push(one);
        else tell(`The peer ${name} does not answer here and is left out.`);
        if (one) running.push(one);
      }
    }
    const figures: Figures = new Map(candidates.map((one) => [one.name, new Map(QUERY_NAMES.map((q) => [q, []]))]));
    for (let round = -1; round < options.rounds; round++) {
      tell(round < 0 ? 'Warming up.' : `Round ${round + 1} of ${options.rounds}.`);
      for (const query of QUERY_NAMES) {
        for (const one of round % 2 ? [...candidates].reverse() : candidates) {
          const before = await one.used();
          const time = round < 0 ? Math.max(WARM, options.milliseconds) : options.milliseconds;
          const result = await load(one.port, BODIES[query], time);
          const after = await one.used();
          if (result.faults > 0) throw new Error(`${one.name} gave ${result.faults} wrong answers to ${query}.`);
          if (round < 0) continue;
          figures
            .get(one.name)
            ?.get(query)
            ?.push({ ...result, cpu: (after.cpu - before.cpu) / 1_000 / result.requests });
        }
      }
    }
    const memory = new Map<string, number>();
    for (const one of candidates) memory.set(one.name, (await one.used()).rss / 1_048_576);
    const measured: Measured = {
      cpu: (name, query) => middle(figures, name, query, 'cpu'),
      counts,
      cold: coldMilliseconds(),
      started: await startedGateway(subgraphs.urls),
    };
    const targets = judge(TARGETS, measured);
    if (options.json) options.say(JSON.stringify({ targets }));
    else {
      for (const line of table(candidates, figures, memory)) tell(line);
      tell(`\nSubgraph requests: ${QUERY_NAMES.map((query) => `${query} ${counts[query]}`).join(', ')}\n`);
      for (const { name, value, limit, ok } of targets)
        tell(`${ok ? 'met   ' : 'MISSED'}  ${name}: ${value} (limit ${limit})`);
    }
    return targets.every((one) => one.ok);
  } finally {
    for (const one of running) one.stop();
  }
}

/** Requests that the subgraphs get for one of each. */
async function count(gateway: Candidate, subgraphs: Candidate): Promise<Record<QueryName, number>> {
  const counts = { Q1: 0, Q2: 0, Q3: 0 };
  for (const query of QUERY_NAMES) {
    const before = (await subgraphs.used()).requests;
    await fetch(`http://127.0.0.1:${gateway.port}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: BODIES[query][0] as string,
    }).then((answer) => answer.text());
    counts[query] = (await subgraphs.used()).requests - before;
  }
  return counts;
}

function middle(figures: Figures, name: string, query: QueryName, of: 'cpu' | 'rate' | 'p50' | 'p99'): number | null {
  const all = (figures.get(name)?.get(query) ?? []).map((one) => one[of]).sort((a, b) => a - b);
  return all[all.length >> 1] ?? null;
}

function table(candidates: readonly Candidate[], figures: Figures, memory: ReadonlyMap<string, number>): string[] {
  const cell = (name: string, query: QueryName): string => {
    const of = (what: 'cpu' | 'rate' | 'p50' | 'p99') => middle(figures, name, query, what) ?? 0;
    return `${of('cpu').toFixed(3)} | ${Math.round(of('rate'))} | ${of('p50').toFixed(1)} / ${of('p99').toFixed(1)}`;
  };
  return [
    `\n| candidate | RSS MB | ${QUERY_NAMES.map((query) => `${query} CPU ms | per s | p50 / p99 ms`).join(' | ')} |`,
    `| --- | ${Array(10).fill('---').join(' | ')} |`,
    ...candidates.map(
      ({ name }) =>
        `| ${name} | ${Math.round(memory.get(name) ?? 0)} | ${QUERY_NAMES.map((query) => cell(name, query)).join(' | ')} |`,
    ),
  ];
}
