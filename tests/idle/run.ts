/**
 * `npm run show:idle -- --count 240`: what a hub with that many installations costs when nobody asks, once with all sources down (a
 * port that refuses connections) and once with all sources up (the demo's simulators). `--only down` or `--only up` runs one of them;
 * `--settle` is the time before the measurement and `--seconds` its duration. Exits with 1 if sources that are down cost more than 5
 * transactions a second, or a hub does not come up. Requires the build and Linux: it reads /proc.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import { environmentDown, installationsDown, installationsUp } from './installations.ts';
import { type IdleCost, measureIdle, postmasterOf } from './measure.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** Transactions a second of a hub whose sources are all down, whatever their number. */
const MOST_TRANSACTIONS = 5;
/** Seconds until a hub must be up. */
const START_LIMIT = 300;
/** Seconds after which the checks of sources that are down are as far apart as they get. */
const SETTLED = 150;

const { values } = parseArgs({
  options: {
    count: { type: 'string' },
    settle: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string' },
  },
});
const count = Number(values.count ?? 240);
const seconds = Number(values.seconds ?? 30);
const settle = Number(values.settle ?? SETTLED);
const print = (text: string): void => void process.stdout.write(`${text}\n`);

if (process.platform !== 'linux') {
  print('show:idle requires Linux: it reads /proc.');
  process.exit(1);
}

/** Starts a hub, measures it, and stops it. Rejects with the end of its output if it does not come up. */
async function measure(state: 'down' | 'up'): Promise<IdleCost & { readonly sources: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-idle-'));
  chmodSync(folder, 0o755);
  const file = join(folder, 'isthmus.yaml');
  writeFileSync(file, state === 'down' ? installationsDown(count) : installationsUp(count));
  const port = await freePort();
  const environment = state === 'down' ? environmentDown(await freePort()) : {};
  const data = join(folder, 'data');
  const child = spawn(
    process.execPath,
    ['bin/isthmus.js', 'start', ...(state === 'up' ? ['--demo'] : []), '--config', file],
    {
      cwd: ROOT,
      env: { ...process.env, ...environment, PORT: String(port), ISTHMUS_DATA: data },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let database: pg.Client | null = null;
  try {
    await untilUp(child);
    database = new pg.Client({ connectionString: readFileSync(join(data, 'database.url'), 'utf8').trim() });
    await database.connect();
    await pause(settle * 1_000);
    const postmaster = await postmasterOf(database);
    const cost = await measureIdle(database, { pid: child.pid as number, postmaster, seconds });
    const { sources } = (await (await fetch(`http://127.0.0.1:${port}/readyz`)).json()) as {
      sources: readonly { state: string }[];
    };
    const inState = (one: string) => sources.filter((source) => source.state === one).length;
    return {
      ...cost,
      sources: ['UP', 'DEGRADED', 'DOWN'].flatMap((one) => (inState(one) ? [`${inState(one)} ${one}`] : [])).join(', '),
    };
  } finally {
    await database?.end().catch(() => undefined);
    child.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
}

async function untilUp(child: ChildProcess): Promise<void> {
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (part: Buffer) => {
      output = (output + part.toString()).slice(-20_000);
    });
  const until = performance.now() + START_LIMIT * 1_000;
  while (!output.includes('is up after')) {
    if (child.exitCode !== null || performance.now() > until)
      throw new Error(`The hub did not come up:\n${output.slice(-2_000)}`);
    await pause(100);
  }
}

print(`${count} installations, ${settle} s after the start, measured for ${seconds} s:`);
print('');
print('| sources | transactions a second | CPU seconds of the hub | CPU seconds of PostgreSQL | RSS MB of the hub |');
print('| --- | ---: | ---: | ---: | ---: |');
let failed = false;
for (const state of ['down', 'up'] as const) {
  if (values.only && values.only !== state) continue;
  const cost = await measure(state);
  const cells = [
    cost.sources,
    cost.transactions.toFixed(1),
    cost.hubCpu.toFixed(1),
    cost.databaseCpu.toFixed(1),
    (cost.rss / 1_048_576).toFixed(0),
  ];
  print(`| ${cells.join(' | ')} |`);
  if (state === 'down' && cost.transactions > MOST_TRANSACTIONS) failed = true;
}
if (failed) {
  print('');
  print(`FAILED: sources that are down cost more than ${MOST_TRANSACTIONS} transactions a second.`);
}
process.exit(failed ? 1 : 0);
