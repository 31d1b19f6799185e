/**
 * `npm run show:parks -- --count 48`: one hub with that many parks of five installations each, on simulators that share a process, with
 * 100,000 companies and 20,000 meters in 48 parks. Prints the start time, the memory, idle transactions per second, and the latency of
 * Company360, then takes one park down. Exits with 1 if a company of another park is marked stale.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { memoryOfProcess, processTree } from '../../gateway/bench/hub/cpu-accounting.ts';
import { closeOnSignal, startDemoEnvironment, startHubProcess } from '../../gateway/bench/hub/demo-hub.ts';
import { grow } from '../../gateway/bench/hub/growth.ts';
import { waitUntilSettled } from '../../gateway/bench/hub/measurement.ts';
import { requestsOf } from '../../gateway/bench/hub/operations.ts';
import { INSTALLATIONS_PER_PARK, placesOf, startParks, withParks } from '../../gateway/bench/hub/parks/parks.ts';
import { transactionCount } from '../../gateway/bench/hub/statement-counter.ts';
import { generateLoad } from '../../gateway/bench/load-generator.ts';
import { askOrigin, companiesOfOnePark, readStates, waitForStates } from './stale-companies.ts';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '48' },
    idle: { type: 'string', default: '30' },
    load: { type: 'string', default: '15' },
    rate: { type: 'string', default: '20' },
    readings: { type: 'string', default: '1000000' },
  },
});
const [count, idleSeconds, loadSeconds, rate] = [values.count, values.idle, values.load, values.rate].map(Number) as [
  number,
  number,
  number,
  number,
];
/** Companies of each park that are asked before and after one park is down. */
const ASKED = 3;
const print = (text: string): void => void process.stdout.write(`${text}\n`);
const megabytes = (pids: readonly number[]): string =>
  `${Math.round(pids.reduce((sum, pid) => sum + memoryOfProcess(pid), 0) / 1_048_576)} MB`;

async function show(): Promise<string[]> {
  const failures: string[] = [];
  const environment = await startDemoEnvironment(print, { demo: false });
  closeOnSignal(environment);
  try {
    const { cluster, database, data } = environment;
    print(`Starting the simulators of ${count} parks.`);
    const simulators = await startParks(count, data);
    environment.onClose(() => simulators.stop());
    const hub = await startHubProcess(environment, withParks(simulators.parks, { demo: false }));
    const installations = count * INSTALLATIONS_PER_PARK;
    print(
      `-- Start: ${(hub.startMilliseconds / 1_000).toFixed(1)} s with ${count} parks, ${installations} installations`,
    );
    const up = await waitForStates(hub.port, 120, (states) => states.every(({ state }) => state === 'UP'));
    print(`-- Sources up: ${up.filter(({ state }) => state === 'UP').length} of ${installations}`);
    const size = { companies: Math.round((100_000 * count) / 48), meters: Math.round((20_000 * count) / 48) };
    await grow(
      database,
      { ...size, readings: Number(values.readings) },
      placesOf(simulators.parks.map(({ id }) => id)),
      new Date(),
    );
    const settled = await waitUntilSettled(cluster.pid, { limit: 120_000 });
    print(`-- Added ${size.companies} companies, ${size.meters} meters, ${values.readings} readings`);
    if (!settled) print('-- PostgreSQL is still busy two minutes later.');
    const before = await transactionCount(database);
    await pause(idleSeconds * 1_000);
    const transactions = ((await transactionCount(database)) - before) / idleSeconds;
    print(`-- Idle: ${transactions.toFixed(1)} transactions per second over ${idleSeconds} s`);

    const token = await hub.token({ role: 'developer', seconds: 86_400 });
    const headers = { authorization: `Bearer ${token}` };
    const own = companiesOfOnePark(simulators.parks);
    const companies = [...own.values()].flatMap((codes) => codes.slice(0, ASKED));
    const bodies = requestsOf(companies, new Date()).Company360.map((request) => JSON.stringify(request));
    await generateLoad(hub.port, bodies, 3_000, { headers, rate });
    const load = await generateLoad(hub.port, bodies, loadSeconds * 1_000, { headers, rate });
    print(
      `-- Company360 at ${load.rate.toFixed(0)} of ${rate} requests per second: p50 ${load.p50.toFixed(1)} ms, p99 ${load.p99.toFixed(1)} ms, ${load.failures} failed`,
    );
    const postgres = processTree(cluster.pid);
    print(
      `-- Memory (PSS): hub ${megabytes([hub.pid])}, PostgreSQL ${megabytes(postgres)}, simulators ${megabytes([simulators.pid])}, all ${megabytes([hub.pid, ...postgres, simulators.pid])}`,
    );

    const down = simulators.parks[0]?.id as string;
    for (const uscc of companies) await askOrigin(hub.port, uscc, headers);
    await simulators.takeDown(down);
    await waitForStates(hub.port, 60, (states) =>
      states.every(({ id, state }) => !id.startsWith(`${down}-`) || state === 'DOWN'),
    );
    // Longer than any reading of the register is fresh.
    await pause(11_000);
    const states = await readStates(hub.port);
    print(`-- ${down} is down: ${states.filter(({ state }) => state === 'DOWN').length} sources DOWN`);
    const asked = [...own].flatMap(([park, codes]) =>
      codes.slice(0, ASKED).map((uscc) => ({ isOwn: park === down, uscc })),
    );
    const found: { isOwn: boolean; isStale: boolean | null }[] = [];
    for (const { isOwn, uscc } of asked) found.push({ isOwn, isStale: await askOrigin(hub.port, uscc, headers) });
    const of = (isOwn: boolean) => found.filter((one) => one.isOwn === isOwn);
    const staleOf = (isOwn: boolean) => of(isOwn).filter(({ isStale }) => isStale).length;
    const unanswered = found.filter(({ isStale }) => isStale === null).length;
    print(
      `-- Stale: ${staleOf(true)} of ${of(true).length} companies of ${down}, ${staleOf(false)} of ${of(false).length} companies of other parks; ${unanswered} not answered`,
    );
    if (staleOf(true) < of(true).length)
      failures.push(`companies of ${down}, whose sources are down, are not marked stale`);
    if (staleOf(false) > 0) failures.push('companies of other parks are marked stale');
    if (unanswered > 0) failures.push(`${unanswered} companies were not answered`);
    if (load.failures > 0) failures.push(`${load.failures} requests failed`);
  } finally {
    await environment.close();
  }
  return failures;
}

const failures = await show();
for (const failure of failures) print(`FAILED: ${failure}`);
process.exit(failures.length > 0 ? 1 : 0);
