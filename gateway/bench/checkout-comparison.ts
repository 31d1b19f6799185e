/**
 * `isthmus bench --against DIR`: the built engine of another checkout beside that of this one. All candidates take the same load in
 * alternation, so the ratio of each round is taken between runs that are seconds apart.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Candidate, startCandidate } from './candidates.ts';
import { countSubgraphRequests, measure, WARM_UP } from './measurement.ts';
import { QUERY_NAMES, type QueryName } from './workload.ts';

export interface ComparisonOptions {
  /** Folder of the other checkout. */
  readonly against: string;
  readonly json: boolean;
  readonly rounds: number;
  /** Milliseconds of one load run. */
  readonly milliseconds: number;
  say(text: string): void;
}

/** The other checkout cannot be compared; the message names the cause and the next command. */
export class CheckoutError extends Error {}

/** A median with its distribution-free confidence interval. */
export interface MedianInterval {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** Probability, from 0 to 1, that the interval contains the true median. */
  readonly confidence: number;
}

/** One operation in one mode. Ratios are this checkout / other checkout. */
export interface Comparison {
  readonly query: QueryName;
  readonly mode: Mode;
  readonly cpu: MedianInterval;
  /** Requests to the subgraphs for one request, by checkout; counted over HTTP. */
  readonly subgraphRequests: { readonly current: number; readonly other: number };
}

/** `in-process`: subgraphs in the gateway's process. `http`: subgraphs behind HTTP in another process. */
export type Mode = 'in-process' | 'http';
const MODES: readonly Mode[] = ['in-process', 'http'];
/** The kind of candidate by mode, as checkouts of all ages know it. */
const KIND: Readonly<Record<Mode, string>> = { 'in-process': 'fused', http: 'http' };

/** Program of a candidate below the checkout, newest first: commits up to 2b8e532 have the second. */
const PROGRAMS = ['dist/gateway/bench/candidate-process.js', 'dist/gateway/bench/serve.js'];

/** With or without a scope. */
const PACKAGE_NAME = /^(@[\w-]+\/)?isthmus$/;
const BUILD = 'npm ci && node bin/build.js';
const CONFIDENCE = 0.95;

/** The built candidate program of a checkout. Throws `CheckoutError` if the folder is not a checkout of Isthmus, installed and built. */
export function candidateProgramOf(folder: string): string {
  const quoted = JSON.stringify(folder);
  if (!PACKAGE_NAME.test(String(packageName(folder))))
    throw new CheckoutError(
      `--against must be a checkout of Isthmus, found ${quoted}: it has no package.json of Isthmus. Clone the repository and check out a commit there.`,
    );
  if (!existsSync(join(folder, 'node_modules')))
    throw new CheckoutError(`The checkout ${quoted} is not installed. Run \`${BUILD}\` there.`);
  const program = PROGRAMS.map((path) => join(folder, path)).find((path) => existsSync(path));
  if (!program || !existsSync(join(folder, 'dist', '.built')))
    throw new CheckoutError(`The checkout ${quoted} is not built. Run \`${BUILD}\` there.`);
  return program;
}

function packageName(folder: string): unknown {
  try {
    return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: unknown }).name;
  } catch {
    return undefined;
  }
}

/**
 * The median of the values, and the narrowest pair of order statistics around it that has a confidence of 95 %. With fewer than six
 * values no pair reaches it: the interval is then from the lowest to the highest value, and `confidence` is what that has. Throws
 * `RangeError` without values.
 */
export function medianInterval(values: readonly number[]): MedianInterval {
  const sorted = [...values].sort((a, b) => a - b);
  const count = sorted.length;
  if (count === 0) throw new RangeError('no values to take a median of');
  const at = (index: number): number => sorted[index] as number;
  const middle = count >> 1;
  const median = count % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
  // Leaves out `skipped` values at either end. Each end misses the median with the probability of at most that many heads in `count` tosses.
  let skipped = 0;
  let confidence = 1 - 2 * cumulativeBinomial(0, count);
  for (let next = 1; next < count / 2; next++) {
    const narrower = 1 - 2 * cumulativeBinomial(next, count);
    if (narrower < CONFIDENCE) break;
    skipped = next;
    confidence = narrower;
  }
  return { median, low: at(skipped), high: at(count - 1 - skipped), confidence: Math.max(0, confidence) };
}

/** Probability of at most `heads` heads in `tosses` tosses of a fair coin. */
function cumulativeBinomial(heads: number, tosses: number): number {
  let term = 0.5 ** tosses;
  let sum = term;
  for (let k = 1; k <= heads; k++) {
    term *= (tosses - k + 1) / k;
    sum += term;
  }
  return sum;
}

/** Ratios of each round: `current[i] / other[i]`. */
export function compareRounds(current: readonly number[], other: readonly number[]): MedianInterval {
  return medianInterval(current.map((value, round) => value / (other[round] as number)));
}

export const sameSubgraphRequests = ({ subgraphRequests: { current, other } }: Comparison): boolean =>
  current === other;

/** One line of the result. */
export function describeComparison(comparison: Comparison): string {
  const { query, mode, cpu, subgraphRequests } = comparison;
  const { median, low, high, confidence } = cpu;
  const interval = `${low.toFixed(3)} to ${high.toFixed(3)}, ${Math.round(confidence * 100)} % confidence`;
  const { current, other } = subgraphRequests;
  const requests = sameSubgraphRequests(comparison)
    ? `same subgraph requests (${current})`
    : `DIFFERENT subgraph requests: ${current} here, ${other} there`;
  return `${query} ${mode}: CPU ratio ${median.toFixed(3)} (${interval}); ${requests}`;
}

interface Pair {
  readonly mode: Mode;
  readonly current: Candidate;
  readonly other: Candidate;
  /** CPU milliseconds per request, one value for each round. */
  readonly results: ReadonlyMap<QueryName, Record<'current' | 'other', number[]>>;
}

/** Runs the comparison and prints its results. Resolves with true if both checkouts send the same number of subgraph requests. */
export async function compareCheckouts(options: ComparisonOptions): Promise<boolean> {
  const program = candidateProgramOf(options.against);
  const print = (text: string): void => (options.json ? void process.stderr.write(`${text}\n`) : options.say(text));
  if (import.meta.url.endsWith('.ts'))
    print('This checkout runs from its sources, which costs CPU. Build it for a fair comparison: node bin/build.js');
  const running: Candidate[] = [];
  const start = async (...parameters: Parameters<typeof startCandidate>): Promise<Candidate> => {
    const candidate = await startCandidate(...parameters);
    running.push(candidate);
    return candidate;
  };
  try {
    const subgraphs = await start('subgraphs', { argument: '0' });
    const pairs: Pair[] = [];
    for (const mode of MODES) {
      const argument = mode === 'http' ? JSON.stringify(subgraphs.urls) : '';
      const current = await start(KIND[mode], { argument, name: `${mode} (this checkout)` });
      const other = await start(KIND[mode], { argument, program, name: `${mode} (${options.against})` });
      const results = new Map(QUERY_NAMES.map((query) => [query, { current: [] as number[], other: [] as number[] }]));
      pairs.push({ mode, current, other, results });
    }
    const overHttp = pairs.find(({ mode }) => mode === 'http') as Pair;
    const requests = {
      current: await countSubgraphRequests(overHttp.current, subgraphs),
      other: await countSubgraphRequests(overHttp.other, subgraphs),
    };
    for (let round = -1; round < options.rounds; round++) {
      print(round < 0 ? 'Warming up.' : `Round ${round + 1} of ${options.rounds}.`);
      const time = round < 0 ? Math.max(WARM_UP, options.milliseconds) : options.milliseconds;
      for (const query of QUERY_NAMES) {
        for (const pair of pairs) {
          for (const side of round % 2 ? (['other', 'current'] as const) : (['current', 'other'] as const)) {
            const { cpu } = await measure(pair[side], query, time);
            if (round >= 0) pair.results.get(query)?.[side].push(cpu);
          }
        }
      }
    }
    const comparisons = QUERY_NAMES.flatMap((query) =>
      pairs.map(({ mode, results }): Comparison => {
        const { current, other } = results.get(query) as Record<'current' | 'other', number[]>;
        const subgraphRequests = { current: requests.current[query], other: requests.other[query] };
        return { query, mode, cpu: compareRounds(current, other), subgraphRequests };
      }),
    );
    if (options.json) options.say(JSON.stringify({ comparisons }));
    else {
      print(`\nThis checkout / ${options.against}:`);
      for (const comparison of comparisons) print(describeComparison(comparison));
    }
    return comparisons.every(sameSubgraphRequests);
  } finally {
    for (const candidate of running) candidate.stop();
  }
}
