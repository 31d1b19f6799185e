/**
 * An island that bears 20 calls a second is asked 500 times within one: it never sees more than its limit, the island beside it
 * answers as before, and whoever asked has a value that is marked, or a typed error, within the deadline.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../connectors/kit/clock.ts';
import type { AnyConnector, SubgraphResponse } from '../connectors/kit/connector.ts';
import type { GuardPolicy } from '../connectors/kit/guard/guard.ts';
import type { Host } from '../connectors/kit/host/host.ts';
import { hubCall } from '../connectors/kit/host/services.ts';
import { world } from '../connectors/kit/testing/park/index.ts';
import { type Running, readJournal, type Simulator } from '../connectors/kit/testing/simulator.ts';
import { freshDatabase } from '../connectors/kit/testing/test-database.ts';
import { raiseIsland } from '../connectors/kit/testing/test-installation.ts';
import parking from '../connectors/parking/index.ts';
import { simulator as parkingSimulator } from '../connectors/parking/simulator/index.ts';
import registration from '../connectors/registration/index.ts';
import { simulator as registerSimulator } from '../connectors/registration/simulator.ts';

const RATE = 20;
const ASKED = 500;
const DEADLINE = 3_000;
/** Companies whose entries were read before, a minute ago by the hub's clock: no longer fresh. */
const READ = 10;

const demo = world();
const directory = mkdtempSync(join(tmpdir(), 'isthmus-overload-'));
const ends: (() => Promise<unknown>)[] = [];
let database: Awaited<ReturnType<typeof freshDatabase>>;
let register: Host;
let cars: Host;
/** How much later than it is each hub's clock says, in milliseconds; while the register is asked its own must not jump, or its rate would. */
const ahead = { register: 0, cars: 0 };

async function raise(
  connector: AnyConnector,
  simulator: Simulator,
  raw: (env: Running['env']) => Record<string, unknown>,
  policy: Partial<GuardPolicy>,
  clock: keyof typeof ahead,
): Promise<Host> {
  const running = await simulator.start({
    ...{ directory: join(directory, simulator.name), world: demo, now: () => new Date(), live: false },
    history: 3_600_000,
  });
  ends.push(() => running.close());
  const { name } = connector;
  const host = await raiseIsland(connector, { id: name, raw: raw(running.env) }, database, {
    clock: { now: () => new Date(Date.now() + ahead[clock]), monotonic: () => systemClock.monotonic() + ahead[clock] },
    policy,
    jobs: false,
  });
  ends.push(() => host.close());
  for (let n = 0; n < 10 && (await host.check(name))?.state !== 'UP'; n++);
  expect((await host.check(name))?.state).toBe('UP');
  return host;
}

beforeAll(async () => {
  database = await freshDatabase();
  register = await raise(
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
  cars = await raise(
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

const ask = (host: Host, selection: string, representation: Record<string, unknown>, subject = 'test') => {
  const call = hubCall(DEADLINE, new AbortController().signal);
  return host.subgraph.execute({
    query: `query ($r: [_Any!]!) { _entities(representations: $r) { ${selection} } }`,
    variables: { r: [representation] },
    call: { ...call, principal: { ...call.principal, subject } },
  });
};
const entry = (uscc: string, subject?: string) =>
  ask(
    register,
    '... on Company { registration { status provenance { stale } } }',
    { __typename: 'Company', uscc },
    subject,
  );
const lots = () => ask(cars, '... on Park { lots { free } }', { __typename: 'Park', id: 'lakeside' });

// biome-ignore lint/suspicious/noExplicitAny: answers are read by path
const shown = ({ data }: SubgraphResponse) => (data as any)?._entities?.[0]?.registration as Entry | null;
type Entry = { status: string; provenance: { stale: boolean } };

/** Times of questions to the parking system, one after the other, until it is told to stop; p50 and p95 in milliseconds. */
async function meanwhile(over: Promise<unknown>, least: number): Promise<{ p50: number; p95: number; asked: number }> {
  const times: number[] = [];
  let going = true;
  void over.finally(() => {
    going = false;
  });
  while (going || times.length < least) {
    const began = performance.now();
    ahead.cars += 3_000;
    const { errors } = await lots();
    expect(errors).toBeUndefined();
    times.push(performance.now() - began);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => Math.round(times[Math.floor(times.length * share)] ?? 0);
  return { p50: at(0.5), p95: at(0.95), asked: times.length };
}

test('500 questions within a second to an island that bears 20 calls', async () => {
  const known = demo.companies.slice(0, READ).map((one) => one.uscc);
  for (const uscc of known) expect(shown(await entry(uscc))).not.toBeNull();
  const before = await meanwhile(Promise.resolve(), 40);
  ahead.register += 60_000;
  const jumped = Date.now();
  const storm = Promise.all(
    Array.from({ length: ASKED }, async (_, n) => {
      const old = n % 5 === 0;
      // The others are codes that nobody has asked about before.
      const uscc = old ? (known[(n / 5) % READ] as string) : `91500112MA${String(n).padStart(8, '0')}`;
      await new Promise((resolve) => setTimeout(resolve, 2 * n));
      const began = performance.now();
      const answer = await entry(uscc, `caller ${n % 7}`);
      return { old, answer, took: performance.now() - began };
    }),
  );
  const during = await meanwhile(storm, 40);
  const answers = await storm;

  const codes = new Map<string, number>();
  for (const { old, answer } of answers) {
    const error = answer.errors?.[0]?.extensions?.['code'];
    const one = shown(answer);
    const how = error
      ? String(error)
      : one === null
        ? 'not registered'
        : one.provenance.stale
          ? 'last known'
          : 'read now';
    codes.set(how, (codes.get(how) ?? 0) + 1);
    // What was read before is shown; what was not is an answer of the register or a typed error.
    if (old) expect(['last known', 'read now']).toContain(how);
    else expect(['not registered', 'SOURCE_TIMEOUT', 'SOURCE_UNAVAILABLE']).toContain(how);
  }
  expect(codes.get('SOURCE_TIMEOUT')).toBeGreaterThan(0);
  const served = readJournal(join(directory, 'registration')).map((one) => Date.parse(one.at));
  // To the register's guard a minute lies between what was asked before and the storm.
  const storming = served.filter((at) => at >= jumped);
  const most = Math.max(...storming.map((at) => storming.filter((other) => other >= at && other < at + 990).length));
  expect(most).toBeLessThanOrEqual(RATE);
  expect(served.length).toBeGreaterThan(READ);

  const longest = Math.round(Math.max(...answers.map((one) => one.took)));
  process.stdout.write(
    `Asked ${ASKED} times within a second: ${[...codes].map(([how, n]) => `${n} ${how}`).join(', ')}; the longest waited ${longest} ms. ` +
      `The register served ${served.length} calls in all, at most ${most} in one second (limit ${RATE}). ` +
      `Parking p50 and p95 before: ${before.p50} and ${before.p95} ms, meanwhile: ${during.p50} and ${during.p95} ms (${during.asked} questions).\n`,
  );
}, 60_000);
