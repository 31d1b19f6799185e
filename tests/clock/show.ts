/**
 * `npm run show:clock -- --minutes 10 --seconds 6`: runs a hub in a separate process whose wall clock is set forward and back while
 * callers, sources, jobs and subscriptions continue. Prints the measurements before and after each change; exits with 1 if a rate,
 * a deadline or an age differs.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { openDemoIssuer } from '../../gateway/trust/tokens/demo-issuer.ts';
import { openDatabase } from '../../schema/database/database.ts';
import { startEmbeddedPostgres } from '../../schema/database/embedded/embedded-postgres.ts';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import { appendEvents } from '../../schema/database/events/event-log.ts';
import { type Measured, measure, type QueryResponse, type SendQuery } from './measure.ts';
import { DEADLINE, OPEN_DURATION, POINTS, RATE_LIMIT, startPark } from './park.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seconds: { type: 'string', default: '6' } },
});
const MINUTES = Number(values.minutes);
const SECONDS = Number(values.seconds);
if (!(MINUTES > 0) || !(SECONDS >= 3)) {
  console.error(
    'Usage: npm run show:clock -- --minutes M --seconds S (M above 0, S at least 3), for example --minutes 10 --seconds 6',
  );
  process.exit(2);
}
const ROOT = join(import.meta.dirname, '..', '..');
const directory = mkdtempSync(join(tmpdir(), 'isthmus-clock-'));
chmodSync(directory, 0o711);
const ends: (() => Promise<unknown> | unknown)[] = [() => rmSync(directory, { recursive: true, force: true })];

async function startHub() {
  const park = await startPark(directory);
  ends.push(() => park.close());
  const embedded = await startEmbeddedPostgres({ directory: join(directory, 'database') });
  ends.push(() => embedded.stop());
  const data = join(directory, 'data');
  mkdirSync(data);
  const file = join(directory, 'isthmus.yaml');
  writeFileSync(file, park.settings);
  const issuer = await openDemoIssuer(data);
  // Issued in the past, so it is valid even after the clock was set back.
  const sign = (subject: string) =>
    issuer.sign(
      { role: 'operator', subject, parks: ['good'], seconds: 2 * 3_600 + MINUTES * 60 },
      new Date(Date.now() - 3_600_000 - MINUTES * 60_000),
    );
  const port = await freePort();
  const output: string[] = [];
  const preload = join(import.meta.dirname, 'preload.ts');
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', '--import', preload, join(ROOT, 'gateway', 'cli.ts'), 'start', '--config', file],
    {
      cwd: ROOT,
      env: { ...process.env, PORT: String(port), HOST: '127.0.0.1', DATABASE_URL: embedded.url, ISTHMUS_DATA: data },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    },
  );
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part: Buffer) => output.push(part.toString()));
  ends.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  });
  const url = `http://127.0.0.1:${port}`;
  for (const end = performance.now() + 120_000; ; ) {
    if (
      await fetch(`${url}/readyz`).then(
        (answer) => answer.ok,
        () => false,
      )
    )
      break;
    if (child.exitCode !== null || performance.now() > end)
      throw new Error(`The hub did not start:\n${output.join('')}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const database = await openDatabase(embedded.url, { poolSize: 3 });
  ends.push(() => database.close());
  const set = async (milliseconds: number): Promise<void> => {
    const reply = once(child, 'message');
    child.send({ set: milliseconds });
    const [{ wall }] = (await reply) as [{ wall: number }];
    if (Math.abs(wall - Date.now() - milliseconds) > 5_000) throw new Error('The hub did not change its clock.');
  };
  return { park, url, database, set, token: await sign('measured'), listener: await sign('listener') };
}

async function main(): Promise<boolean> {
  const { park, url, database, set, token, listener } = await startHub();
  const send: SendQuery = async (query, by) => {
    const answer = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(by ? { authorization: `Bearer ${by}` } : {}) },
      body: JSON.stringify({ query }),
    });
    return (await answer.json()) as QueryResponse;
  };
  let delivered = 0;
  let broken = 0;
  const client = createClient({
    ...{ url: `${url.replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket, retryAttempts: 0 },
    connectionParams: { authorization: `Bearer ${listener}` },
  });
  ends.push(() => client.dispose());
  client.subscribe<{ events: { events?: unknown[] } }>(
    {
      query:
        'subscription { events(filter: { kind: { eq: OCCUPANCY_CHANGED }, source: { eq: "show" } }) { ... on EventsBatch { events { id } } } }',
    },
    {
      next: ({ data }) => {
        delivered += data?.events.events?.length ?? 0;
      },
      error: () => broken++,
      complete: () => broken++,
    },
  );
  let written = 0;
  const write = async (): Promise<void> => {
    await database.transaction((tx) =>
      appendEvents(tx, { installation: 'show', connector: 'parking', park: 'good', at: new Date() }, [
        {
          foreignId: `show ${written++}`,
          kind: 'OCCUPANCY_CHANGED',
          time: new Date(),
          lot: 'good:1',
          data: { occupied: 1 },
        },
      ]),
    );
  };
  for (const end = performance.now() + 20_000; delivered === 0; ) {
    await write();
    await new Promise((resolve) => setTimeout(resolve, 200));
    if (performance.now() > end) throw new Error('The subscription delivered nothing within 20 s.');
  }
  const lease = async (): Promise<string> => {
    const [row]: { owner: string; fence: string }[] = await database.plain.query(
      "SELECT owner, fence FROM lease WHERE name = 'good'",
    );
    return `${row?.owner} ${row?.fence}`;
  };
  // A mirror that a job reads every second, queried right after the clock was set.
  const span = `from: "${new Date(Date.now() - 3_600_000).toISOString()}", to: "${new Date().toISOString()}"`;
  const age = async (): Promise<number> => {
    const { data } = await send(`{ park(id: "good") { lots { history(${span}) { provenance { fetchedAt age } } } } }`);
    const lots = (data as unknown as { park: { lots: { history: { provenance: { age: string } } }[] } }).park.lots;
    const found = /^PT(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?$/.exec(lots[0]?.history.provenance.age ?? '');
    return found ? 3_600 * Number(found[1] ?? 0) + 60 * Number(found[2] ?? 0) + Number(found[3] ?? 0) : Number.NaN;
  };
  const rows: { name: string; measured: Measured; age: number }[] = [];
  const take = async (name: string, by: number): Promise<void> => {
    await set(by);
    const oldest = await age();
    const measured = await measure({
      query: send,
      token,
      requests: park.requests,
      seconds: SECONDS,
      write,
      delivered: () => delivered,
      lease,
    });
    rows.push({ name, measured, age: oldest });
  };
  // Spend the saved-up points first.
  while (((await send('{ parks { id } }', token)).errors?.length ?? 0) === 0);
  await take('unchanged', 0);
  await take(`+${MINUTES} min`, MINUTES * 60_000);
  await take(`-${MINUTES} min`, -MINUTES * 60_000);
  await take('restored', 0);
  return print(rows, broken);
}

/** Prints the table; returns whether all values are as before. */
function print(rows: readonly { name: string; measured: Measured; age: number }[], broken: number): boolean {
  const first = (rows[0] as (typeof rows)[number]).measured;
  const changes: string[] = [];
  const near = (value: number, expected: number, share: number, slack: number) =>
    Math.abs(value - expected) <= expected * share + slack;
  const line = (
    what: string,
    pick: (one: Measured, age: number) => number | string,
    fits: (value: never, name: string) => boolean,
  ): string => {
    const cells = rows.map(({ name, measured, age }) => {
      const value = pick(measured, age);
      if (!fits(value as never, name)) changes.push(`${what}: ${value} (${name})`);
      return typeof value === 'number' ? String(Math.round(value * 10) / 10) : value;
    });
    return `| ${what} | ${cells.join(' | ')} |`;
  };
  const like = (expected: number, share: number, slack: number) => (value: number) =>
    near(value, expected, share, slack);
  console.log(
    [
      `| wall clock of the hub | ${rows.map((row) => row.name).join(' | ')} |`,
      `| --- |${' ---: |'.repeat(rows.length)}`,
      line(
        `requests admitted per second, of a caller with ${POINTS} points a minute`,
        (one) => one.admitted,
        like(first.admitted, 0.25, 0.5),
      ),
      line(
        'requests rejected for another reason',
        (one) => one.otherErrors,
        (value: number) => value === 0,
      ),
      line(`calls per second to a system with a rate of ${RATE_LIMIT}`, (one) => one.calls, like(first.calls, 0.25, 1)),
      line(
        'maximum number of them in one second',
        (one) => one.maxCallsPerSecond,
        (value: number) => value <= RATE_LIMIT,
      ),
      line(
        `ms until an open circuit breaker (${OPEN_DURATION} ms) allows a trial call`,
        (one) => one.breaker,
        (value: number) => value >= OPEN_DURATION - 20 && value < 2 * OPEN_DURATION,
      ),
      line(
        `ms of an operation on a system that never responds (deadline ${DEADLINE} ms)`,
        (one) => one.deadline,
        (value: number) => value > DEADLINE - 50 && value < DEADLINE + 1_000,
      ),
      line(
        'health checks per second',
        (one) => one.checks,
        (value: number) => value > 0,
      ),
      line(
        'polls of a job per second',
        (one) => one.polls,
        (value: number) => value > 0,
      ),
      line('events delivered to a subscription per second', (one) => one.events, like(first.events, 0.35, 0.5)),
      line(
        'events lost',
        (one) => one.lost,
        (value: number) => value === 0,
      ),
      line(
        'age in s of a mirror that is read each second',
        (_, age) => age,
        (value: number) => value >= 0 && value < 30,
      ),
      line(
        'the same process holds the lease',
        (one) => (one.lease === first.lease ? 'yes' : 'no'),
        (value: string) => value === 'yes',
      ),
    ].join('\n'),
  );
  if (broken > 0) changes.push('the subscription ended');
  for (const change of changes) console.error(`Changed: ${change}`);
  return changes.length === 0;
}

let good = false;
try {
  good = await main();
} catch (error) {
  console.error(error);
} finally {
  for (const end of ends.reverse()) await end();
}
process.exit(good ? 0 : 1);
