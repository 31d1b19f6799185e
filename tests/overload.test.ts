/**
 * A source with a limit of 20 calls per second gets 500 requests within one second: it never receives more than its limit, another source
 * responds as before, and every caller gets a value marked stale or a typed error within the deadline.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SubgraphResponse } from '../connectors/kit/call.ts';
import { systemClock } from '../connectors/kit/clock.ts';
import type { GuardPolicy } from '../connectors/kit/config/sections/guard.ts';
import type { AnyConnector } from '../connectors/kit/connector.ts';
import type { Host } from '../connectors/kit/host/host.ts';
import { hubCall } from '../connectors/kit/host/services.ts';
import { createWorld } from '../connectors/kit/testing/park/index.ts';
import { type RunningSimulator, readJournal, type Simulator } from '../connectors/kit/testing/simulator.ts';
import { createTestDatabase } from '../connectors/kit/testing/test-database.ts';
import { startInstallation } from '../connectors/kit/testing/test-installation.ts';
import parking from '../connectors/parking/index.ts';
import { simulator as parkingSimulator } from '../connectors/parking/simulator/index.ts';
import registration from '../connectors/registration/index.ts';
import { simulator as registerSimulator } from '../connectors/registration/simulator.ts';

const RATE = 20;
const REQUESTS = 500;
const DEADLINE = 3_000;
/** Number of companies whose entries were read a minute ago by the hub's clock, so no longer fresh. */
const KNOWN = 10;

const demo = createWorld();
const directory = mkdtempSync(join(tmpdir(), 'isthmus-overload-'));
const ends: (() => Promise<unknown>)[] = [];
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let register: Host;
let cars: Host;
/** Milliseconds that each host's clock is ahead. The register's clock must not jump during the test, or its rate limit would. */
const ahead = { register: 0, cars: 0 };

async function startHost(
  connector: AnyConnector,
  simulator: Simulator,
  raw: (env: RunningSimulator['env']) => Record<string, unknown>,
  policy: Partial<GuardPolicy>,
  clock: keyof typeof ahead,
): Promise<Host> {
  const running = await simulator.start({
    ...{ directory: join(directory, simulator.name), world: demo, now: () => new Date(), live: false },
    history: 3_600_000,
  });
  ends.push(() => running.close());
  const { name } = connector;
  const host = await startInstallation(connector, { id: name, raw: raw(running.env) }, database, {
    clock: { now: () => new Date(Date.now() + ahead[clock]), monotonic: () => systemClock.monotonic() + ahead[clock] },
    policy,
    runJobs: false,
  });
  ends.push(() => host.close());
  for (let n = 0; n < 10 && (await host.check(name))?.state !== 'UP'; n++);
  expect((await host.check(name))?.state).toBe('UP');
  return host;
}

beforeAll(async () => {
  database = await createTestDatabase();
  register = await startHost(
    registration,
    registerSimulator,
    (env) => ({
      url: env['LAKESIDE_REGISTER_URL'],
      client: 'CN/GOV/500112/park-hub',
      service: 'CN/GOV/500000/company-register',
    }),
    { rate: RATE },
    'register',
  );
  cars = await startHost(
    parking,
    parkingSimulator,
    (env) => ({
      url: env['LAKESIDE_PARKING_URL'],
      token: env['LAKESIDE_PARKING_TOKEN'],
      webhookSecret: env['LAKESIDE_PARKING_SECRET'],
    }),
    {},
    'cars',
  );
}, 60_000);
afterAll(async () => {
  for (const end of ends.reverse()) await end();
  await database?.drop();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

const execute = (host: Host, selection: string, representation: Record<string, unknown>, subject = 'test') => {
  const call = hubCall(DEADLINE, new AbortController().signal);
  return host.subgraph.execute({
    query: `query ($r: [_Any!]!) { _entities(representations: $r) { ${selection} } }`,
    variables: { r: [representation] },
    call: { ...call, principal: { ...call.principal, subject } },
  });
};
const entry = (uscc: string, subject?: string) =>
  execute(
    register,
    '... on Company { registration { status provenance { stale } } }',
    { __typename: 'Company', uscc },
    subject,
  );
const lots = () => execute(cars, '... on Park { lots { free } }', { __typename: 'Park', id: 'lakeside' });

// biome-ignore lint/suspicious/noExplicitAny: answers are read by path
const registrationOf = ({ data }: SubgraphResponse) => (data as any)?._entities?.[0]?.registration as Entry | null;
type Entry = { status: string; provenance: { stale: boolean } };

/** Queries the parking system, one query after the other, until `over` settles; p50 and p95 in milliseconds. */
async function queryParkingUntil(
  over: Promise<unknown>,
  minimum: number,
): Promise<{ p50: number; p95: number; queries: number }> {
  const times: number[] = [];
  let going = true;
  void over.finally(() => {
    going = false;
  });
  while (going || times.length < minimum) {
    const began = performance.now();
    ahead.cars += 3_000;
    const { errors } = await lots();
    expect(errors).toBeUndefined();
    times.push(performance.now() - began);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => Math.round(times[Math.floor(times.length * share)] ?? 0);
  return { p50: at(0.5), p95: at(0.95), queries: times.length };
}

test('limits 500 requests within a second to 20 calls per second of the source', async () => {
  const known = demo.companies.slice(0, KNOWN).map((company) => company.uscc);
  for (const uscc of known) expect(registrationOf(await entry(uscc))).not.toBeNull();
  const before = await queryParkingUntil(Promise.resolve(), 40);
  ahead.register += 60_000;
  const jumped = Date.now();
  const storm = Promise.all(
    Array.from({ length: REQUESTS }, async (_, n) => {
      const old = n % 5 === 0;
      // The others are codes that were never requested before.
      const uscc = old ? (known[(n / 5) % KNOWN] as string) : `91500112MA${String(n).padStart(8, '0')}`;
      await new Promise((resolve) => setTimeout(resolve, 2 * n));
      const began = performance.now();
      const answer = await entry(uscc, `caller ${n % 7}`);
      return { old, answer, took: performance.now() - began };
    }),
  );
  const during = await queryParkingUntil(storm, 40);
  const answers = await storm;

  const codes = new Map<string, number>();
  for (const { old, answer } of answers) {
    const error = answer.errors?.[0]?.extensions?.['code'];
    const one = registrationOf(answer);
    const how = error
      ? String(error)
      : one === null
        ? 'not registered'
        : one.provenance.stale
          ? 'last known'
          : 'read now';
    codes.set(how, (codes.get(how) ?? 0) + 1);
    // Known entries are always returned; unknown ones are a response of the register or a typed error.
    if (old) expect(['last known', 'read now']).toContain(how);
    else expect(['not registered', 'SOURCE_TIMEOUT', 'SOURCE_UNAVAILABLE']).toContain(how);
  }
  expect(codes.get('SOURCE_TIMEOUT')).toBeGreaterThan(0);
  const served = readJournal(join(directory, 'registration')).map((one) => Date.parse(one.at));
  // The clock jump separates the earlier calls from the burst by a minute.
  const storming = served.filter((at) => at >= jumped);
  const peak = Math.max(...storming.map((at) => storming.filter((other) => other >= at && other < at + 990).length));
  expect(peak).toBeLessThanOrEqual(RATE);
  expect(served.length).toBeGreaterThan(KNOWN);

  const longest = Math.round(Math.max(...answers.map((answer) => answer.took)));
  process.stdout.write(
    `${REQUESTS} requests within a second: ${[...codes].map(([how, n]) => `${n} ${how}`).join(', ')}; longest wait ${longest} ms. ` +
      `The register received ${served.length} calls, at most ${peak} in one second (limit ${RATE}). ` +
      `Parking p50/p95 before: ${before.p50}/${before.p95} ms, during the burst: ${during.p50}/${during.p95} ms (${during.queries} queries).\n`,
  );
}, 60_000);
