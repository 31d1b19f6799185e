/**
 * `npm run show:start -- --installations 48 --busy 2`: a start of the demo with so many installations, in a fresh folder, while so many
 * loops keep the processor busy. Prints what the hub prints, how many connections to its database there were at most, and how it
 * ended. Fails when the hub does not come up, prints a stack, or uses more connections than it may.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import { demoYaml, withInstallations } from './installations.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** The hub's pool, its three listeners, and this program's own connection. */
const MOST_CONNECTIONS = 16 + 3 + 1;
/** Seconds that the hub is watched for after it has come up. */
const AFTER = 20;

const { values } = parseArgs({
  options: { installations: { type: 'string' }, busy: { type: 'string' }, twice: { type: 'boolean' } },
});
const installations = Number(values.installations ?? 8);
const busy = Number(values.busy ?? 0);
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const folder = mkdtempSync(join(tmpdir(), 'isthmus-start-'));
chmodSync(folder, 0o755);
const data = join(folder, 'data');
const file = join(folder, 'isthmus.yaml');
writeFileSync(file, withInstallations(demoYaml(), installations));
const loops: ChildProcess[] = [];
const faults: string[] = [];

/** Starts, watches and stops the hub once. */
async function start(): Promise<void> {
  const port = await freePort();
  const child = spawn(process.execPath, ['bin/isthmus.js', 'start', '--demo', '--config', file], {
    cwd: ROOT,
    env: { ...process.env, PORT: String(port), ISTHMUS_DATA: data },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part: Buffer) => {
      said += part.toString();
      process.stdout.write(part);
    });
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  let gone = false;
  void ended.then(() => {
    gone = true;
  });
  let most = 0;
  let watch: pg.Client | null = null;
  const look = async (): Promise<void> => {
    const address = join(data, 'database.url');
    if (!watch && existsSync(address)) {
      watch = new pg.Client({ connectionString: readFileSync(address, 'utf8').trim() });
      watch.on('error', () => undefined);
      await watch.connect();
    }
    const found = await watch?.query(
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE backend_type = 'client backend'",
    );
    most = Math.max(most, found?.rows[0]?.n ?? 0);
  };
  while (!gone && !said.includes('is up after')) {
    await look().catch(() => undefined);
    await pause(100);
  }
  for (const until = Date.now() + AFTER * 1_000; !gone && Date.now() < until; await pause(100))
    await look().catch(() => undefined);
  if (!said.includes('is up after')) faults.push('the hub did not come up');
  else {
    const answer = (await fetch(`http://127.0.0.1:${port}/readyz`).then((one) => one.json())) as {
      sources: { id: string; state: string }[];
    };
    const up = answer.sources.filter((one) => one.state === 'UP').length;
    say(`-- ${AFTER} s later ${up} of ${answer.sources.length} sources are up.`);
    say(`-- Connections to the database at most: ${most} (of them one of this program).`);
  }
  await (watch as pg.Client | null)?.end().catch(() => undefined);
  child.kill('SIGTERM');
  const code = await ended;
  say(`-- It ended with code ${code}.`);
  if (code !== 0) faults.push(`the hub ended with ${code}`);
  if (most > MOST_CONNECTIONS) faults.push(`${most} connections to the database, more than ${MOST_CONNECTIONS}`);
  if (/\n\s+at .*:\d+:\d+\)?$/m.test(said)) faults.push('a stack was printed');
}

try {
  for (let i = 0; i < busy; i++) loops.push(spawn(process.execPath, ['-e', 'for(;;);'], { stdio: 'ignore' }));
  say(`-- ${installations} installations, ${busy} loops that keep the processor busy, a fresh folder`);
  await start();
  if (values.twice) {
    say('-- and once more in the same folder');
    await start();
  }
} finally {
  for (const loop of loops) loop.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
for (const fault of faults) say(`FAILED: ${fault}`);
process.exit(faults.length > 0 ? 1 : 0);
