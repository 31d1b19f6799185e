/**
 * `isthmus bench --hub`: what a query costs in the whole hub, with PostgreSQL, beside a hand-written program over the same database and
 * sources, and PostGraphile over a copy of all data. All candidates take the same load in alternation.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { type HubCandidate, hubCandidate, startHandwritten, startPostgraphile } from './candidates.ts';
import { hasProcessAccounting } from './cpu-accounting.ts';
import {
  closeOnSignal,
  type DemoEnvironment,
  demoConfiguration,
  startDemoEnvironment,
  startHubProcess,
} from './demo-hub.ts';
import { grow, growthOf } from './growth.ts';
import {
  type IdleUse,
  measureIdle,
  measureLatency,
  measureLoad,
  median,
  runLength,
  waitUntilSettled,
  warmUp,
} from './measurement.ts';
import { ask, OPERATION_NAMES, type OperationName, requestsOf, yearByMonth } from './operations.ts';
import { measureManyParks } from './parks/many-parks.ts';
import { placesOf } from './parks/parks.ts';
import { type HubBenchResults, hubTable, statementLines } from './report.ts';
import { compareResponses } from './response-comparison.ts';
import { type CountedStatement, countStatements } from './statement-counter.ts';
import { evaluateHubTargets } from './targets.ts';
import { upstreamCalls } from './upstream-calls.ts';

export interface HubBenchOptions {
  /** A folder with PostGraphile, as docs/performance.md describes it. */
  readonly peers?: string | undefined;
  readonly json: boolean;
  /** Number of rounds; medians are reported. */
  readonly rounds: number;
  /** Milliseconds of one load run. */
  readonly milliseconds: number;
  /** Size of what is added to the demo, see `growthOf`. */
  readonly scale: number;
  /** Parks of the last part, with five installations each. */
  readonly parks: number;
  say(text: string): void;
}

/** The bench cannot run here, or candidates answer differently. The message is for the user. */
export class HubBenchError extends Error {}

/** Caller of all requests. Its role reads everything of the demo, masked; reading tax data is logged. */
const CALLER = { role: 'developer', subject: 'bench', client: 'bench', seconds: 86_400 };
/** Companies of the demo; the others are grown and no source has live data about them. */
const DEMO_COMPANIES = 40;
/** Load of all candidates, relative to the most that the slowest of them can take. */
const LOAD_SHARE = 0.6;
/** Milliseconds. Older readings of the car parks and the door system are read again. */
const COLD = 2_500;

/** Runs the bench and prints its results. Resolves with true if every target is met. */
export async function benchHub(options: HubBenchOptions): Promise<boolean> {
  if (!hasProcessAccounting())
    throw new HubBenchError('The bench reads CPU time from /proc, which this system does not have. Run it on Linux.');
  const print = (text: string): void => (options.json ? void process.stderr.write(`${text}\n`) : options.say(text));
  const environment = await startDemoEnvironment(print);
  closeOnSignal(environment);
  try {
    return await run(environment, options, print);
  } finally {
    await environment.close();
  }
}

async function run(
  environment: DemoEnvironment,
  { peers, json, rounds, milliseconds, scale, parks, say }: HubBenchOptions,
  print: (text: string) => void,
): Promise<boolean> {
  const { cluster, database } = environment;
  const postmaster = cluster.pid;
  print('Starting the hub.');
  const process = await startHubProcess(environment, demoConfiguration());
  const token = await process.token(CALLER);
  const companies = await demoCompanies(environment, process.port, token);
  const now = new Date();
  const growth = growthOf(scale);
  print(`Adding ${growth.companies} companies, ${growth.meters} meters, ${growth.readings} readings.`);
  const grown = await grow(database, growth, placesOf(['lakeside']), now);
  if (!(await waitUntilSettled(postmaster))) print('PostgreSQL is still busy five minutes after the data was added.');
  const requests = requestsOf(companies, now);
  const hub = hubCandidate(process, token, requests);
  const handwritten = await startHandwritten(environment, token, requests);
  await assertEqualResponses(hub, handwritten);
  const candidates = [hub, handwritten];
  if (peers) {
    const peer = await startPostgraphile(environment, peers, { hub, companies, now });
    if (peer) candidates.push(peer);
    else print(`Skipped PostGraphile: ${peers}/postgraphile/server.mjs does not exist.`);
  }
  const counts = new Map<string, { statements: CountedStatement[]; calls: Readonly<Record<string, number>> }>();
  for (const candidate of candidates) counts.set(candidate.name, await countForOne(environment, candidate));

  const results: HubBenchResults = new Map(
    candidates.map(({ name }) => [name, new Map(OPERATION_NAMES.map((o) => [o, []]))]),
  );
  const idle = new Map<string, IdleUse>();
  for (const { name, pid } of candidates)
    idle.set(name, await measureIdle(pid, postmaster, Math.max(1_000, milliseconds * 2)));
  const idleOf = ({ name }: HubCandidate): IdleUse => idle.get(name) as IdleUse;
  const load = (candidate: HubCandidate, operation: OperationName, rate: number | undefined) =>
    measureLoad(candidate, operation, {
      ...{ postmaster, rate, idle: idleOf(candidate) },
      milliseconds: runLength(milliseconds, rate),
    });
  print('Warming up.');
  const most = new Map<string, number>();
  const rates = new Map<OperationName, number>();
  for (const operation of OPERATION_NAMES) {
    for (const candidate of candidates.filter((one) => one.requests[operation])) {
      const rate = await warmUp(candidate, operation, { postmaster, milliseconds, idle: idleOf(candidate) });
      most.set(`${candidate.name} ${operation}`, rate);
      rates.set(operation, Math.min(rates.get(operation) ?? Number.POSITIVE_INFINITY, rate * LOAD_SHARE));
    }
  }
  for (let round = 0; round < rounds; round++) {
    print(`Round ${round + 1} of ${rounds}.`);
    for (const operation of OPERATION_NAMES) {
      const taking = candidates.filter((one) => one.requests[operation]);
      for (const candidate of round % 2 ? taking.reverse() : taking)
        results
          .get(candidate.name)
          ?.get(operation)
          ?.push(await load(candidate, operation, rates.get(operation)));
    }
  }
  const year = yearByMonth(now, 'lakeside', grown);
  const years = new Map<string, { milliseconds: number; hasFailed: boolean }>();
  for (const [name, request] of Object.entries(year)) {
    await measureLatency(hub, request, 2);
    const { milliseconds: times, error } = await measureLatency(hub, request, rounds * 2);
    if (error !== null) print(`No energy of the ${name} over a year: ${error}`);
    years.set(name, { milliseconds: median(times), hasFailed: error !== null });
  }
  for (const line of hubTable(candidates, results, most)) print(line);
  for (const { name } of candidates) for (const line of statementLines(name, counts.get(name))) print(line);
  await process.stop();
  const many = await measureManyParks(environment, {
    ...{ parks, rounds, milliseconds, requests, caller: CALLER, print },
    rate: rates.get('Company360') as number,
  });
  const total = (name: string, operation: OperationName): number | null => {
    const all = results.get(name)?.get(operation) ?? [];
    return all.length === 0 ? null : median(all.map(({ process: own, cluster: shared }) => own + shared));
  };
  const one = total('hub', 'Company360') as number;
  const targets = evaluateHubTargets({
    company360: {
      hub: one,
      handwritten: total('handwritten', 'Company360') as number,
      postgraphile: total('postgraphile', 'Company360'),
      statements: counts.get('hub')?.statements ?? [],
    },
    companies: {
      hub: total('hub', 'Companies') as number,
      handwritten: total('handwritten', 'Companies') as number,
    },
    parkYear: years.get('park') as { milliseconds: number; hasFailed: boolean },
    parks: { count: parks, many: many.cpu, one, hasFailed: many.failures > 0 },
    idle: { installations: many.installations, transactions: many.idleTransactions },
  });
  if (json) say(JSON.stringify({ targets }));
  else {
    print(
      `\nEnergy over a year by month, ${growth.readings} readings: ${[...years].map(([name, { milliseconds: ms, hasFailed }]) => `${name} ${ms.toFixed(1)} ms${hasFailed ? ' until an error' : ''}`).join(', ')}`,
    );
    print(
      `${parks} parks: Company360 ${many.cpu > 0 ? many.cpu.toFixed(2) : 'no measurable'} ms of CPU (1 park: ${one.toFixed(2)}), ${many.answered} answered, ${many.failures} failed, hub up after ${(many.startMilliseconds / 1_000).toFixed(1)} s\n`,
    );
    for (const { name, value, limit, ok } of targets)
      print(`${ok ? 'met   ' : 'MISSED'}  ${name}: ${value} (limit ${limit})`);
  }
  return targets.every((target) => target.ok);
}

/** Seconds until the hub has read all sources of the demo for the first time. */
const FIRST_READS = 120;

/** The credit codes of the demo's companies, once the hub has read each source. */
export async function demoCompanies({ database }: DemoEnvironment, port: number, token: string): Promise<string[]> {
  const list = { query: `{ companies(first: ${DEMO_COMPANIES}) { nodes { uscc } } }`, variables: {} };
  const headers = { authorization: `Bearer ${token}` };
  for (let second = 0; second < FIRST_READS; second++) {
    const { data } = (await ask(port, list, headers)) as { data: { companies: { nodes: { uscc: string }[] } } };
    const found = data.companies.nodes.map(({ uscc }) => uscc);
    // The tax office and the register are read last; the telemetry of the last day comes in parts.
    const { rows } = await database.query<{ ready: boolean }>(
      `SELECT (SELECT count(DISTINCT company) FROM tax_filing) >= $1 AND (SELECT count(*) FROM company WHERE name IS NOT NULL) >= $1
         AND (SELECT count(DISTINCT meter) FROM meter_reading WHERE time > now() - interval '1 hour') >= 100 AS ready`,
      [DEMO_COMPANIES],
    );
    if (found.length >= DEMO_COMPANIES && rows[0]?.ready) return found;
    await pause(1_000);
  }
  throw new HubBenchError(`The hub has not read all sources of the demo within ${FIRST_READS} s.`);
}

/** Throws `HubBenchError` unless both give the same responses to every request. */
export async function assertEqualResponses(hub: HubCandidate, other: HubCandidate): Promise<void> {
  for (const operation of OPERATION_NAMES) {
    for (const request of hub.requests[operation] ?? []) {
      const found = await compareResponses(
        { first: () => ask(hub.port, request, hub.headers), second: () => ask(other.port, request, other.headers) },
        () => pause(COLD),
      );
      if (found.length > 0)
        throw new HubBenchError(
          `The ${other.name} program answers ${operation} ${JSON.stringify(request.variables)} differently from the hub:\n${found.slice(0, 10).join('\n')}`,
        );
    }
  }
}

/** Statements and calls of one Company360, with readings that are not fresh any more. */
async function countForOne({ data, database }: DemoEnvironment, { port, headers, requests }: HubCandidate) {
  const all = requests.Company360 ?? [];
  for (const request of all) await ask(port, request, headers);
  await pause(COLD);
  const start = new Date();
  const statements = await countStatements(database, all.length, (i) =>
    ask(port, all[i] as (typeof all)[number], headers),
  );
  return { statements, calls: upstreamCalls(data, start, all.length) };
}
