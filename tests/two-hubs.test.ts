/** Who may work on one database at once: replicas of one file; and nobody while the schema is taken back. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serveConnector } from '../connectors/connector-process.ts';
import { islands } from '../connectors/index.ts';
import { readConfig } from '../connectors/kit/config/config-file.ts';
import { makeLog, silentLog } from '../connectors/kit/log.ts';
import { freshDatabase } from '../connectors/kit/testing/test-database.ts';
import { migrations } from '../migrations/index.ts';
import { lossesOfDown, migrate, migrateDown } from '../migrations/migrate.ts';
import { until } from './hub.ts';
import { replica } from './kill/replica.ts';
import { LIVE_CONFIG, type LiveHub, liveHub } from './live-hub.ts';

const ROOT = join(import.meta.dirname, '..');
const OTHER = LIVE_CONFIG.replace('id: lakeside, name: Lakeside', 'id: hillside, name: Hillside');
const configOf = (text: string) => readConfig(text, 'isthmus.yaml', islands, {});
let database: Awaited<ReturnType<typeof freshDatabase>>;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

const parks = async () =>
  (await database.plain.query('SELECT id FROM park ORDER BY id')).map((row: { id: string }) => row.id);
/** `isthmus migrate` with these words; without a terminal. */
const cli = (...words: string[]): Promise<{ code: number | null; said: string }> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', join(ROOT, 'gateway', 'cli.ts'), 'migrate', ...words], {
      cwd: ROOT,
      env: { ...process.env, DATABASE_URL: database.url },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (said += part.toString()));
    child.once('close', (code) => resolve({ code, said }));
  });

test('a second hub, or a connector, with another file is refused with a sentence, and nothing of the first changes', async () => {
  const first = await liveHub({ database });
  try {
    const second = liveHub({ database, start: { config: configOf(OTHER) } });
    await expect(second).rejects.toMatchObject({
      name: 'PresenceRefused',
      message: expect.stringMatching(
        /in use by the hub on .*only here: park hillside; only there: park lakeside.*DATABASE_URL/,
      ),
    });
    const connector = serveConnector({
      ...{ name: 'parking', config: configOf(OTHER), databaseUrl: database.url },
      ...{ host: '127.0.0.1', port: 0, log: silentLog },
    });
    await expect(connector).rejects.toThrow('with another isthmus.yaml');
    expect(await parks()).toEqual(['lakeside']);
    const replica_ = await liveHub({ database });
    await replica_.close();
  } finally {
    await first.close();
  }
  const other = await liveHub({ database, start: { config: configOf(OTHER) } });
  expect(await parks()).toEqual(['hillside']);
  await other.close();
});

test('a file that is changed at one replica is accepted, and the other says that it is behind', async () => {
  const lines: string[] = [];
  const first = await liveHub({ database });
  const second = await liveHub({ database, log: makeLog((line) => lines.push(line), 'info') });
  const note = async (hub: LiveHub) => {
    const answer = await fetch(hub.url.replace('/graphql', '/readyz'));
    return ((await answer.json()) as { configuration?: string }).configuration;
  };
  try {
    const next = configOf(LIVE_CONFIG.replace('name: Lakeside', 'name: Lake'));
    await first.hub.change(next);
    await until('the other says so', 20, () => note(second));
    expect(await note(second)).toContain('different: park lakeside (name)');
    expect(lines.filter((line) => line.includes('changed elsewhere'))).toHaveLength(1);
    expect(await note(first)).toBeUndefined();
    await second.hub.change(next);
    expect(await note(second)).toBeUndefined();
  } finally {
    await first.close();
    await second.close();
  }
});

test('a hub that was killed keeps nobody out who begins with another file', async () => {
  const killed = await replica(process.env['TMPDIR'] ?? '/tmp', database.url, null);
  await killed.raise();
  await killed.kill();
  const began = Date.now();
  const next = await liveHub({ database, start: { config: configOf(OTHER) } });
  expect(Date.now() - began).toBeLessThan(25_000);
  await next.close();
});

test('migrate --down: refused under a running hub, and without a terminal or --yes; says what is lost', async () => {
  const hub = await liveHub({ database });
  const under = await cli('--down', '--yes');
  await hub.close();
  expect(under).toMatchObject({
    code: 1,
    said: expect.stringMatching(/^The database is in use by the hub on .* Stop it first; nothing was changed/),
  });
  const newest = new (migrations.at(-1) as (typeof migrations)[number])().name;
  const losses = (await lossesOfDown(database.source))?.losses.map((one) => `${one.table} (${one.rows} rows)`);
  const asked = await cli('--down');
  expect(asked).toMatchObject({ code: 1, said: expect.stringContaining('isthmus migrate --down --yes') });
  expect(asked.said).toContain(`Taking back the step ${newest}. This is lost: `);
  for (const one of losses ?? []) expect(asked.said).toContain(one);
  expect(await migrate(database.source)).toEqual([]);
  expect(await cli('--down', '--yes')).toMatchObject({
    code: 0,
    said: expect.stringContaining(`Taken back: ${newest}`),
  });
  expect(await migrate(database.source)).toEqual([newest]);
});

test('steps that are taken back at once by two processes are taken back one by one, and none while one goes up', async () => {
  const source = database.source;
  const before = await database.plain.query('SELECT count(*)::int AS count FROM schema_step');
  const taken = await Promise.all([migrateDown(source), migrateDown(source), migrateDown(source)]);
  expect(new Set(taken).size).toBe(3);
  expect(await database.plain.query('SELECT count(*)::int AS count FROM schema_step')).toEqual([
    { count: before[0].count - 3 },
  ]);
  await Promise.all([migrate(source), migrateDown(source), migrate(source)]);
  await migrate(source);
  expect(await database.plain.query('SELECT count(*)::int AS count FROM schema_step')).toEqual(before);
});

test('columns that go are named with how many values they hold', async () => {
  const [newest] = await database.plain.query('SELECT name FROM schema_step ORDER BY number DESC LIMIT 1');
  const Step = migrations.find((one) => new one().name === newest.name);
  const down = Step?.prototype.down;
  await database.plain.query(`CREATE TABLE some_rows (a int, b int); INSERT INTO some_rows VALUES (1, 1), (2, null)`);
  try {
    if (Step) Step.prototype.down = async (run) => run.query('ALTER TABLE some_rows DROP COLUMN b');
    expect((await lossesOfDown(database.source))?.losses).toEqual([{ table: 'some_rows', column: 'b', rows: 1 }]);
    // Trying it has changed nothing.
    expect(await database.plain.query('SELECT b FROM some_rows ORDER BY a')).toEqual([{ b: 1 }, { b: null }]);
  } finally {
    if (Step && down) Step.prototype.down = down;
    await database.plain.query('DROP TABLE some_rows');
  }
});
