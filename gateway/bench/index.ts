/** `isthmus bench`: measures the cost of a request beside a handwritten plan, prepared bytes and peers, in alternation. */
import { type Candidate, PEER_NAMES, startCandidate, startPeer } from './candidates.ts';
import { compileMilliseconds, measureGatewayStart } from './cold-start.ts';
import { countSubgraphRequests, type Measurement, measure, WARM_UP } from './measurement.ts';
import { evaluateTargets, type Measurements, RATIO_TARGETS } from './targets.ts';
import { BODIES, QUERY_NAMES, type QueryName } from './workload.ts';

export interface BenchOptions {
  /** A folder with other gateways, as docs/performance.md describes it. */
  readonly peers?: string | undefined;
  readonly json: boolean;
  /** Number of rounds; medians are reported. */
  readonly rounds: number;
  /** Milliseconds of one load run. */
  readonly milliseconds: number;
  say(text: string): void;
}

/** The first port of the subgraphs; the supergraphs of peers contain these addresses. */
const PEER_PORT = 4101;

type Results = Map<string, Map<QueryName, Measurement[]>>;
type Column = 'cpu' | 'rate' | 'p50' | 'p99';

/** Runs the bench and prints its results. Resolves with true if every target is met. */
export async function bench(options: BenchOptions): Promise<boolean> {
  const running: Candidate[] = [];
  const print = (text: string): void => (options.json ? void process.stderr.write(`${text}\n`) : options.say(text));
  try {
    const subgraphs = await startCandidate('subgraphs', { argument: options.peers ? String(PEER_PORT) : '0' });
    running.push(subgraphs);
    const candidates: Candidate[] = [];
    for (const kind of ['in-process', 'http', 'handwritten', 'handwritten-gateway-http', 'static-bytes'])
      candidates.push(await startCandidate(kind, kind === 'http' ? { argument: JSON.stringify(subgraphs.urls) } : {}));
    running.push(...candidates);
    const subgraphRequests = await countSubgraphRequests(candidates[1] as Candidate, subgraphs);
    if (options.peers) {
      for (const name of PEER_NAMES) {
        const peer = await startPeer(name, options.peers, BODIES.Q1[0] as string);
        if (peer) candidates.push(peer);
        else print(`Skipped peer ${name}: no response within 30 s.`);
        if (peer) running.push(peer);
      }
    }
    const results: Results = new Map(candidates.map(({ name }) => [name, new Map(QUERY_NAMES.map((q) => [q, []]))]));
    for (let round = -1; round < options.rounds; round++) {
      print(round < 0 ? 'Warming up.' : `Round ${round + 1} of ${options.rounds}.`);
      for (const query of QUERY_NAMES) {
        for (const candidate of round % 2 ? [...candidates].reverse() : candidates) {
          const time = round < 0 ? Math.max(WARM_UP, options.milliseconds) : options.milliseconds;
          const measurement = await measure(candidate, query, time);
          if (round >= 0) results.get(candidate.name)?.get(query)?.push(measurement);
        }
      }
    }
    const memory = new Map<string, number>();
    for (const candidate of candidates) memory.set(candidate.name, (await candidate.usage()).rss / 1_048_576);
    const measurements: Measurements = {
      cpu: (name, query) => median(results, name, query, 'cpu'),
      subgraphRequests,
      compileMs: compileMilliseconds(),
      gatewayStart: await measureGatewayStart(subgraphs.urls),
    };
    const targets = evaluateTargets(RATIO_TARGETS, measurements);
    if (options.json) options.say(JSON.stringify({ targets }));
    else {
      for (const line of table(candidates, results, memory)) print(line);
      print(`\nSubgraph requests: ${QUERY_NAMES.map((query) => `${query} ${subgraphRequests[query]}`).join(', ')}\n`);
      for (const { name, value, limit, ok } of targets)
        print(`${ok ? 'met   ' : 'MISSED'}  ${name}: ${value} (limit ${limit})`);
    }
    return targets.every((target) => target.ok);
  } finally {
    for (const candidate of running) candidate.stop();
  }
}

function median(results: Results, name: string, query: QueryName, column: Column): number | null {
  const values = (results.get(name)?.get(query) ?? []).map((result) => result[column]).sort((a, b) => a - b);
  return values[values.length >> 1] ?? null;
}

function table(candidates: readonly Candidate[], results: Results, memory: ReadonlyMap<string, number>): string[] {
  const cell = (name: string, query: QueryName): string => {
    const value = (column: Column) => median(results, name, query, column) ?? 0;
    return `${value('cpu').toFixed(3)} | ${Math.round(value('rate'))} | ${value('p50').toFixed(1)} / ${value('p99').toFixed(1)}`;
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
