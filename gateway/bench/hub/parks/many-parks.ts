/** The last part of the bench: the same query in a hub with many parks, and what that hub does while their installations are down. */
import { setTimeout as pause } from 'node:timers/promises';
import type { DemoTokenRequest } from '../../../trust/tokens/demo-issuer.ts';
import { hubCandidate } from '../candidates.ts';
import { type DemoEnvironment, startHubProcess } from '../demo-hub.ts';
import { measureIdle, measureLoad, median, runLength, waitUntilSettled, warmUp } from '../measurement.ts';
import type { GraphqlRequest, OperationName } from '../operations.ts';
import { transactionCount } from '../statement-counter.ts';
import { INSTALLATIONS_PER_PARK, startParks, withParks } from './parks.ts';

export interface ManyParks {
  /** CPU milliseconds of hub and PostgreSQL for one Company360 of a company in the demo's park. */
  readonly cpu: number;
  /** Requests that failed, for example because the sources were not asked in time, and those that did not. */
  readonly failures: number;
  readonly answered: number;
  readonly startMilliseconds: number;
  /** Installations that were down during the idle time. */
  readonly installations: number;
  /** Transactions per second while they were down. */
  readonly idleTransactions: number;
}

interface ManyParksOptions {
  readonly parks: number;
  readonly rounds: number;
  readonly milliseconds: number;
  /** Requests per second. */
  readonly rate: number;
  readonly requests: Readonly<Record<OperationName, readonly GraphqlRequest[]>>;
  readonly caller: DemoTokenRequest;
  print(text: string): void;
}

/** Share of the greatest load: a saturated hub would delay its own work, which is subtracted. */
const UNSATURATED = 0.4;
/** Few: a hub that asks all installations for each company would answer none in time. */
const CONNECTIONS = 2;
/** Milliseconds in which the hub notices that installations are down. */
const NOTICE = 15_000;
/** Milliseconds over which transactions are counted; PostgreSQL publishes its counters once a second. */
const IDLE = 10_000;

/** Starts the hub with `parks` parks in all over the same database, and stops it. */
export async function measureManyParks(environment: DemoEnvironment, options: ManyParksOptions): Promise<ManyParks> {
  const { parks, rounds, milliseconds, rate, requests, caller, print } = options;
  const { cluster, database, data } = environment;
  const added = Math.max(parks - 1, 0);
  print(`Starting the hub with ${parks} parks.`);
  const simulators = await startParks(added, data);
  environment.onClose(() => simulators.stop());
  const hub = await startHubProcess(environment, withParks(simulators.parks, { demo: true }));
  if (!(await waitUntilSettled(cluster.pid, { quiet: 2_000, limit: 60_000 })))
    print('PostgreSQL is still busy a minute after the start with many parks.');
  const candidate = hubCandidate(hub, await hub.token(caller), requests);
  const run = { postmaster: cluster.pid, milliseconds, mayFail: true, connections: CONNECTIONS };
  const most = await warmUp(candidate, 'Company360', { ...run, idle: { process: 0, cluster: 0 } });
  const limit = Math.min(rate, most * UNSATURATED);
  const measured: number[] = [];
  let [failures, answered] = [0, 0];
  for (let round = 0; round < rounds; round++) {
    // Before each run, because the hub's own work for that many installations changes, and is more than that of some requests.
    const idle = await measureIdle(hub.pid, cluster.pid, Math.max(2_000, milliseconds));
    const result = await measureLoad(candidate, 'Company360', {
      ...run,
      idle,
      rate: limit,
      milliseconds: runLength(milliseconds, limit),
    });
    measured.push(result.process + result.cluster);
    failures += result.failures;
    answered += result.requests - result.failures;
  }
  await simulators.stop();
  await pause(NOTICE);
  const before = await transactionCount(database);
  await pause(IDLE);
  const idleTransactions = ((await transactionCount(database)) - before) / (IDLE / 1_000);
  await hub.stop();
  return {
    cpu: median(measured),
    failures,
    answered,
    startMilliseconds: hub.startMilliseconds,
    installations: added * INSTALLATIONS_PER_PARK,
    idleTransactions,
  };
}
