import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, cp, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { isProcessAlive } from './cluster-lock.ts';
import { initdbArguments } from './create-cluster.ts';
import { type EmbeddedCluster, type EmbeddedOptions, startEmbeddedPostgres } from './embedded-postgres.ts';

const LAUNCHER = fileURLToPath(new URL('./embedded-postgres.ts', import.meta.url));
const root = process.getuid?.() === 0;
let base: string;
const started: EmbeddedCluster[] = [];
const children: ChildProcess[] = [];

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'embedded-test-'));
  await chmod(base, 0o755);
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((cluster) => cluster.stop()));
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rm(base, { recursive: true, force: true }));

async function start(options: EmbeddedOptions): Promise<EmbeddedCluster> {
  const cluster = await startEmbeddedPostgres({ durable: false, ...options });
  started.push(cluster);
  return cluster;
}

async function ask(cluster: { url: string }, sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: cluster.url });
  await client.connect();
  try {
    return (await client.query(sql, values)).rows;
  } finally {
    await client.end();
  }
}

/** Another hub: a child process that starts the cluster and prints its URL and pid. */
async function otherHub(
  directory: string,
  stopWithHub = true,
): Promise<{ child: ChildProcess; url: string; pid: number }> {
  const script = `import { startEmbeddedPostgres } from ${JSON.stringify(LAUNCHER)};
    const one = await startEmbeddedPostgres({ directory: ${JSON.stringify(directory)}, stopWithHub: ${stopWithHub}, durable: false });
    process.stdout.write(JSON.stringify({ url: one.url, pid: one.pid }) + '\\n');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  return { child, ...(JSON.parse(line.toString('utf8')) as { url: string; pid: number }) };
}

/** Command lines of live processes that contain this folder; empty without /proc. */
async function processesOf(folder: string): Promise<string[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter(
    (name) => /^\d+$/.test(name) && isProcessAlive(Number(name)),
  );
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter((line) => line.includes(`${folder}/data`));
}

async function rejection(options: EmbeddedOptions): Promise<string> {
  const error = await start(options).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'DatabaseError' });
  return (error as Error).message;
}

test('embedded PostgreSQL: creates a cluster, finds its rows at the next start, and leaves no process after a stop', async () => {
  const directory = join(base, 'plain');
  const cold = performance.now();
  const first = await start({ directory });
  const coldTime = performance.now() - cold;
  const [row] = await ask(
    first,
    `SELECT current_database() AS db, current_user AS usr, current_setting('TimeZone') AS zone,
    current_setting('server_encoding') AS enc, current_setting('listen_addresses') AS tcp, upper('é') AS upper`,
  );
  expect(row).toEqual({
    db: 'isthmus',
    usr: 'isthmus',
    zone: 'UTC',
    enc: 'UTF8',
    tcp: '',
    upper: 'É',
  });
  await ask(first, 'CREATE TABLE kept (n int)');
  await ask(first, 'INSERT INTO kept VALUES (7)');
  const { pid } = first;
  const socket = /host=(.*)$/.exec(first.url)?.[1] ?? '';
  expect(Buffer.byteLength(`${socket}/.s.PGSQL.5432`)).toBeLessThan(107);
  expect((await stat(socket)).mode & 0o777).toBe(0o700);
  expect((await stat(first.directory)).mode & 0o777).toBe(0o700);
  await first.stop();
  await first.stop();
  expect(isProcessAlive(pid)).toBe(false);
  await expect(stat(socket)).rejects.toThrow('ENOENT');

  const warm = performance.now();
  const second = await start({ directory });
  console.log(
    `embedded PostgreSQL: cold ${Math.round(coldTime)} ms, warm ${Math.round(performance.now() - warm)} ms, pid ${second.pid}`,
  );
  expect(await ask(second, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
});

test('orphan process: the PostgreSQL of a killed hub is stopped, and committed rows are kept', async () => {
  const directory = join(base, 'killed');
  const hub = await otherHub(directory, false);
  await ask(hub, 'CREATE TABLE kept (n int)');
  const busy = new pg.Client({ connectionString: hub.url });
  busy.on('error', () => undefined);
  await busy.connect();
  await busy.query('BEGIN; INSERT INTO kept VALUES (2)');
  await ask(hub, 'INSERT INTO kept VALUES (1)');
  hub.child.kill('SIGKILL');
  await once(hub.child, 'exit');
  expect(isProcessAlive(hub.pid)).toBe(true);
  const next = await start({ directory });
  expect(isProcessAlive(hub.pid)).toBe(false);
  expect(await ask(next, 'SELECT n FROM kept')).toEqual([{ n: 1 }]);
});

const setpriv = existsSync('/usr/bin/setpriv');

test.runIf(setpriv)('PostgreSQL stops when the hub is killed, on systems with setpriv', async () => {
  const directory = join(base, 'bound');
  const hub = await otherHub(directory);
  await ask(hub, 'CREATE TABLE kept AS SELECT 4 AS n');
  hub.child.kill('SIGKILL');
  await expect.poll(() => isProcessAlive(hub.pid), { timeout: 10_000 }).toBe(false);
  const next = await start({ directory });
  expect(await ask(next, 'SELECT n FROM kept')).toEqual([{ n: 4 }]);
});

test('embedded PostgreSQL: PostgreSQL stops when the hub exits without stopping it', async () => {
  const directory = join(base, 'ended');
  const script = `import { startEmbeddedPostgres } from ${JSON.stringify(LAUNCHER)};
    const one = await startEmbeddedPostgres({ directory: ${JSON.stringify(directory)}, durable: false });
    process.stdout.write(String(one.pid));
    process.exit(0);`;
  const pid = Number(
    execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], { encoding: 'utf8' }),
  );
  expect(pid).toBeGreaterThan(1);
  await expect.poll(() => isProcessAlive(pid), { timeout: 10_000 }).toBe(false);
  expect(await readdir(directory)).not.toContain('hub.lock');
});

test('startEmbeddedPostgres and initdb: a cluster is durable unless disabled', async () => {
  const sql = `SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit,
    current_setting('full_page_writes') AS pages`;
  const lasting = await startEmbeddedPostgres({ directory: join(base, 'lasting') });
  started.push(lasting);
  expect(await ask(lasting, sql)).toEqual([{ fsync: 'on', commit: 'on', pages: 'on' }]);
  expect(await ask(await start({ directory: join(base, 'fleeting'), durable: false }), sql)).toEqual([
    { fsync: 'off', commit: 'on', pages: 'off' },
  ]);
  expect(initdbArguments('/data', {})).not.toContain('--no-sync');
  expect(initdbArguments('/data', { durable: false })).toContain('--no-sync');
});

test('embedded PostgreSQL: only tests, the simulators of the demo and the schema command disable durability', async () => {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const found: string[] = [];
  for (const folder of ['gateway', 'connectors', 'schema', 'migrations', 'bin'])
    for (const name of await readdir(join(root, folder), { recursive: true })) {
      if (!/\.(ts|js)$/.test(name) || /\.test\.ts$/.test(name) || name.includes('node_modules')) continue;
      const text = await readFile(join(root, folder, name), 'utf8');
      if (/durable: false|fsync|synchronous_commit|full_page_writes|no-sync/.test(text))
        found.push(`${folder}/${name}`);
    }
  expect(found.sort()).toEqual([
    'connectors/access-control/simulator/index.ts',
    'gateway/commands/actions/schema.ts',
    'schema/database/embedded/create-cluster.ts',
    'schema/database/embedded/embedded-postgres.ts',
  ]);
});

test('startEmbeddedPostgres: restarts a killed PostgreSQL without losing committed rows', async () => {
  const cluster = await start({ directory: join(base, 'crashed') });
  await ask(cluster, 'CREATE TABLE kept AS SELECT 3 AS n');
  const { pid } = cluster;
  process.kill(pid, 'SIGKILL');
  await expect.poll(() => cluster.pid !== pid && isProcessAlive(cluster.pid), { timeout: 15_000 }).toBe(true);
  await expect
    .poll(() => ask(cluster, 'SELECT n FROM kept').catch(() => null), { timeout: 15_000 })
    .toEqual([{ n: 3 }]);
});

test('embedded PostgreSQL: rejects a folder that another hub uses, in this process or in another', async () => {
  const directory = join(base, 'used');
  const hub = await otherHub(directory);
  expect(await rejection({ directory })).toMatch(
    new RegExp(`^The database in .*used is in use by another hub \\(process ${hub.child.pid}\\)\\. Stop that hub`),
  );
  expect(await ask(hub, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
  const own = join(base, 'used-here');
  await start({ directory: own });
  expect(await rejection({ directory: own })).toContain('in use by another hub');
});

test('data folder: rejects one without a complete database of this version and changes nothing', async () => {
  const good = await start({ directory: join(base, 'good') });
  await good.stop();
  const cases: Record<string, { make(folder: string): Promise<void>; message: RegExp }> = {
    stranger: { make: (folder) => writeFile(join(folder, 'holiday.jpg'), 'x'), message: /contains other files/ },
    half: {
      make: async (folder) => {
        await mkdir(join(folder, 'data'));
        await writeFile(join(folder, 'data', 'PG_VERSION'), '18\n');
      },
      message: /not a complete PostgreSQL database/,
    },
    garbage: {
      make: async (folder) => {
        await mkdir(join(folder, 'data'));
        await writeFile(join(folder, 'data', 'notes.txt'), 'garbage');
      },
      message: /not a complete PostgreSQL database/,
    },
    older: {
      make: async (folder) => {
        await cp(join(base, 'good', 'data'), join(folder, 'data'), { recursive: true });
        await writeFile(join(folder, 'data', 'PG_VERSION'), '14\n');
      },
      message: /has PostgreSQL version 14; this hub includes version 18/,
    },
    damaged: {
      make: async (folder) => {
        await cp(join(base, 'good', 'data'), join(folder, 'data'), { recursive: true });
        await writeFile(join(folder, 'data', 'global', 'pg_control'), Buffer.alloc(8192, 1));
        if (root) await giveAway(join(folder, 'data'), good.directory);
      },
      message: /PostgreSQL does not start on .*damaged/,
    },
  };
  for (const [name, { make, message }] of Object.entries(cases)) {
    const folder = join(base, name);
    await mkdir(folder);
    await make(folder);
    const before = await snapshot(folder);
    const text = await rejection({ directory: folder });
    expect(text).toMatch(message);
    expect(text).not.toContain('\n');
    expect(await snapshot(folder), name).toEqual(before);
  }
  const file = join(base, 'file');
  await writeFile(file, 'x');
  expect(await rejection({ directory: file })).toMatch(/is a file/);
});

test('embedded PostgreSQL: repeats an interrupted initdb', async () => {
  const directory = join(base, 'interrupted');
  await mkdir(join(directory, 'data.making'), { recursive: true });
  await writeFile(join(directory, 'data.making', 'PG_VERSION'), '18\n');
  const cluster = await start({ directory });
  expect(await ask(cluster, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
});

test('embedded PostgreSQL: runs two clusters at once, one over loopback TCP with a password', async () => {
  const [first, second] = await Promise.all([
    start({ directory: join(base, 'one') }),
    start({
      directory: join(base, 'two'),
      user: 'vendor',
      database: 'zk access',
      listen: { host: '127.0.0.1', port: 0 },
      auth: { password: 'p@ss/word' },
    }),
  ]);
  expect(await ask(first, 'SELECT current_database() AS name')).toEqual([{ name: 'isthmus' }]);
  expect(await ask(second, 'SELECT current_database() AS name')).toEqual([{ name: 'zk access' }]);
  const wrong = new URL(second.url);
  wrong.password = 'wrong';
  await expect(ask({ url: wrong.toString() }, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
});

test.runIf(root)('as root, stores the data in a 0700 folder of root', async () => {
  const directory = await mkdtemp(join(base, 'shut-'));
  const cluster = await start({ directory });
  expect(cluster.directory).toBe(join(directory, 'data'));
});

test.runIf(root)('as root below a 0700 home, stores the data elsewhere and names it in WHERE', async () => {
  const home = await mkdtemp(join(base, 'home-'));
  await chmod(home, 0o700);
  const directory = join(home, 'clone', '.isthmus', 'database');
  const first = await start({ directory });
  await ask(first, 'CREATE TABLE kept AS SELECT 5 AS n');
  expect(first.directory.startsWith(home)).toBe(false);
  const elsewhere = (await readFile(join(directory, 'WHERE'), 'utf8')).split('\n')[0] ?? '';
  expect(first.directory).toBe(join(elsewhere, 'data'));
  expect((await lstat(first.directory)).uid).not.toBe(0);
  await first.stop();
  // The chosen folder stays, even if the home becomes accessible.
  await chmod(home, 0o755);
  const second = await start({ directory });
  expect(second.directory).toBe(first.directory);
  expect(await ask(second, 'SELECT n FROM kept')).toEqual([{ n: 5 }]);
  await second.stop();
  // Deleting the folder starts over; the data elsewhere is renamed, not deleted.
  await rm(directory, { recursive: true });
  await chmod(home, 0o700);
  const third = await start({ directory });
  expect(third.directory).toBe(first.directory);
  await expect(ask(third, 'SELECT n FROM kept')).rejects.toMatchObject({ code: '42P01' });
  expect((await stat(join(elsewhere, 'data.former', 'PG_VERSION'))).isFile()).toBe(true);
  await third.stop();
  await rm(elsewhere, { recursive: true, force: true });
});

/** Names, modes and contents below a folder, without PostgreSQL's log. */
async function snapshot(folder: string): Promise<Record<string, string>> {
  const seen: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.name === 'postgres.log') continue;
    seen[path] = entry.isFile() ? (await readFile(path)).toString('base64') : 'folder';
  }
  return seen;
}

async function giveAway(folder: string, like: string): Promise<void> {
  const { uid, gid } = await stat(like);
  execFileSync('chown', ['-R', `${uid}:${gid}`, folder]);
}

test.each(['creating a', 'starting'])(
  'leaves no process and no lock when aborted while %s PostgreSQL database',
  async (step) => {
    const directory = join(base, `interrupted-${step.split(' ')[0]}`);
    const control = new AbortController();
    const starting = startEmbeddedPostgres({
      directory,
      signal: control.signal,
      // A moment later, when the program of that step is running.
      onProgress: (text) =>
        void (text.startsWith(step) && setTimeout(() => control.abort(new Error('interrupted')), 40)),
    });
    await expect(starting).rejects.toThrow('interrupted');
    const home = (await readFile(join(directory, 'WHERE'), 'utf8').catch(() => directory)).split('\n')[0] as string;
    expect(await processesOf(home)).toEqual([]);
    expect(existsSync(join(home, 'hub.lock'))).toBe(false);
    const next = await start({ directory });
    expect(await ask(next, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  },
);

test('embedded PostgreSQL: leaves no PostgreSQL when the process exits during its first start', async () => {
  const directory = join(base, 'exits');
  const script = `import { startEmbeddedPostgres } from ${JSON.stringify(LAUNCHER)};
    const onProgress = () => setTimeout(() => process.exit(3), 40);
    await startEmbeddedPostgres({ directory: ${JSON.stringify(directory)}, onProgress, stopWithHub: false });`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], { stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number];
  expect(code).toBe(3);
  const home = (await readFile(join(directory, 'WHERE'), 'utf8').catch(() => directory)).split('\n')[0] as string;
  await expect.poll(() => processesOf(home)).toEqual([]);
  // initdb was killed: the last database that it creates does not exist.
  expect(existsSync(join(home, 'data.making'))).toBe(true);
  expect(existsSync(join(home, 'data.making', 'base', '5'))).toBe(false);
  expect(existsSync(join(home, 'hub.lock'))).toBe(false);
});
