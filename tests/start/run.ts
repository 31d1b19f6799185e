/**
 * `npm run show:start -- --installations 48 --busy 2`: starts the demo with that many installations in a new folder, while that many
 * loops keep the CPU busy. Prints the output of the hub, the maximum number of database connections, and how it
 * exited. Exits with 1 if the hub does not come up, prints a stack trace, or uses too many connections.
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
/** The hub's pool, its three LISTEN connections, and this program's own connection. */
const MOST_CONNECTIONS = 16 + 3 + 1;
/** Seconds to keep watching after the hub is up. */
const AFTER = 20;

const { values } = parseArgs({
  options: { installations: { type: 'string' }, busy: { type: 'string' }, twice: { type: 'boolean' } },
});
const installations = Number(values.installations ?? 8);
const busy = Number(values.busy ?? 0);
const print = (text: string): void => void process.stdout.write(`${text}\n`);

const folder = mkdtempSync(join(tmpdir(), 'isthmus-start-'));
chmodSync(folder, 0o755);
const data = join(folder, 'data');
const file = join(folder, 'isthmus.yaml');
writeFileSync(file, withInstallations(demoYaml(), installations));
const loops: ChildProcess[] = [];
const failures: string[] = [];

/** Starts, watches and stops the hub once. */
async function start(): Promise<void> {
  const port = await freePort();
  const child = spawn(process.execPath, ['bin/isthmus.js', 'start', '--demo', '--config', file], {
    cwd: ROOT,
    env: { ...process.env, PORT: String(port), ISTHMUS_DATA: data },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part: Buffer) => {
      output += part.toString();
      process.stdout.write(part);
    });
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  let hasExited = false;
  void ended.then(() => {
    hasExited = true;
  });
  let maxConnections = 0;
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
    maxConnections = Math.max(maxConnections, found?.rows[0]?.n ?? 0);
  };
  while (!hasExited && !output.includes('is up after')) {
    await look().catch(() => undefined);
    await pause(100);
  }
  for (const until = Date.now() + AFTER * 1_000; !hasExited && Date.now() < until; await pause(100))
    await look().catch(() => undefined);
  if (!output.includes('is up after')) failures.push('the hub did not come up');
  else {
    const answer = (await fetch(`http://127.0.0.1:${port}/readyz`).then((one) => one.json())) as {
      sources: { id: string; state: string }[];
    };
    const up = answer.sources.filter((source) => source.state === 'UP').length;
    print(`-- After ${AFTER} s, ${up} of ${answer.sources.length} sources are up.`);
    print(`-- Maximum database connections: ${maxConnections}, including one of this program.`);
  }
  await (watch as pg.Client | null)?.end().catch(() => undefined);
  child.kill('SIGTERM');
  const code = await ended;
  print(`-- Exit code ${code}.`);
  if (code !== 0) failures.push(`the hub exited with ${code}`);
  if (maxConnections > MOST_CONNECTIONS)
    failures.push(`${maxConnections} database connections, at most ${MOST_CONNECTIONS} allowed`);
  if (/\n\s+at .*:\d+:\d+\)?$/m.test(output)) failures.push('a stack trace was printed');
}

try {
  for (let i = 0; i < busy; i++) loops.push(spawn(process.execPath, ['-e', 'for(;;);'], { stdio: 'ignore' }));
  print(`-- ${installations} installations, ${busy} busy loops, new data folder`);
  await start();
  if (values.twice) {
    print('-- Restart in the same folder');
    await start();
  }
} finally {
  for (const loop of loops) loop.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
for (const failure of failures) print(`FAILED: ${failure}`);
process.exit(failures.length > 0 ? 1 : 0);
