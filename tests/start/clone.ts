/**
 * `npm run show:clone -- --times 3`: clones the last commit into a new folder and runs `npm start` there until a query of companies and
 * sources is answered, stops it, and starts it again. Prints for each start the seconds to the answer, the megabytes of memory (PSS of all
 * processes, `--settle` seconds after the answer), and the installed packages. Requires Linux. Ends with 1 if a start fails, or if the
 * installation has more than 400 packages or 250 MB.
 */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import { processesOf, waitForExit } from '../signals/processes.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const MAX_PACKAGES = 400;
const MAX_MEGABYTES = 250;
/** Milliseconds. */
const LONGEST_START = 600_000;
const LONGEST_STOP = 60_000;
const QUERY = '{ companies(first: 3) { nodes { uscc name } } sources { id state } }';

const { values } = parseArgs({ options: { times: { type: 'string' }, settle: { type: 'string' } } });
const times = Number(values.times ?? 1);
const settle = Number(values.settle ?? 25);
const print = (text: string): void => void process.stdout.write(`${text}\n`);
const failures: string[] = [];

/** Megabytes: each page of memory is divided by the number of processes that share it. */
function pss(pids: readonly number[]): number {
  const kilobytes = pids.map((pid) => {
    try {
      return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
    } catch {
      // It has ended in the meantime.
      return 0;
    }
  });
  return kilobytes.reduce((sum, one) => sum + one, 0) / 1024;
}

async function isAnswered(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: QUERY }),
    });
    return response.status === 200 && /"uscc":"/.test(await response.text());
  } catch {
    return false;
  }
}

/** Starts and stops the hub of a clone once. */
async function start(clone: string, what: string): Promise<void> {
  const port = await freePort();
  const startedAt = performance.now();
  const child = spawn('npm', ['start'], {
    cwd: clone,
    env: { ...process.env, PORT: String(port), npm_config_update_notifier: 'false' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part.toString()));
  let hasExited = false;
  child.once('exit', () => {
    hasExited = true;
  });
  let seconds: number | null = null;
  while (!hasExited && seconds === null && performance.now() - startedAt < LONGEST_START) {
    if (await isAnswered(port)) seconds = (performance.now() - startedAt) / 1000;
    else await pause(25);
  }
  if (seconds === null) failures.push(`the ${what} start did not answer:\n${output}`);
  else {
    await pause(settle * 1000);
    const processes = processesOf('-', dirname(clone)).map(({ pid }) => pid);
    const megabytes = Math.round(pss(processes)) || null;
    const load = readFileSync('/proc/loadavg', 'utf8').split(' ')[0];
    print(
      `${what}: ${seconds.toFixed(1)} s to the first answer, ${megabytes} MB in ${processes.length} processes (load ${load})`,
    );
    for (const line of output.split('\n').filter((one) => /^\[ *[\d.]+ s\]/.test(one))) print(`  ${line}`);
  }
  child.kill('SIGTERM');
  if ((await waitForExit('-', dirname(clone), LONGEST_STOP)) === null) failures.push(`the ${what} start did not stop`);
}

if (process.platform !== 'linux') {
  print('show:clone requires Linux: it reads /proc.');
  process.exit(1);
}
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: ROOT, encoding: 'utf8' }).trim();
print(`${times} clones of ${commit}, Node.js ${process.versions.node}, npm cache as it is`);
for (let i = 0; i < times; i++) {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-clone-'));
  chmodSync(folder, 0o755);
  const clone = join(folder, 'isthmus');
  try {
    execFileSync('git', ['clone', '--quiet', ROOT, clone]);
    await start(clone, 'cold');
    await start(clone, 'warm');
    const modules = join(clone, 'node_modules');
    const record = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8')) as { packages: object };
    const packages = Object.keys(record.packages).length;
    const megabytes = Number(execFileSync('du', ['-sm', modules], { encoding: 'utf8' }).split('\t')[0]);
    print(`installed: ${packages} packages, ${megabytes} MB`);
    if (packages > MAX_PACKAGES) failures.push(`${packages} packages, at most ${MAX_PACKAGES} are allowed`);
    if (megabytes > MAX_MEGABYTES) failures.push(`${megabytes} MB, at most ${MAX_MEGABYTES} are allowed`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
for (const failure of failures) print(`FAILED: ${failure}`);
process.exit(failures.length > 0 ? 1 : 0);
