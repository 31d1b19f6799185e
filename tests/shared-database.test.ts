/** Which processes may share a database: replicas with the same isthmus.yaml; none while a migration is reverted. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serveConnector } from '../connectors/connector-process.ts';
import { sourceConnectors } from '../connectors/index.ts';
import { readConfig } from '../connectors/kit/config/config-file.ts';
import { createLog, silentLog } from '../connectors/kit/log.ts';
import { createTestDatabase } from '../connectors/kit/testing/test-database.ts';
import { migrations } from '../migrations/index.ts';
import { migrate, migrateDown, previewDown } from '../migrations/migrate.ts';
import { BARE_CONFIG, type BareHub, startBareHub } from './bare-hub.ts';
import { processReplica } from './kill/replica.ts';
import { isthmusArgs } from './run-isthmus.ts';
import { waitFor } from './test-hub.ts';

const ROOT = join(import.meta.dirname, '..');
const OTHER = BARE_CONFIG.replace('id: lakeside, name: Lakeside', 'id: hillside, name: Hillside');
const configOf = (text: string) => readConfig(text, 'isthmus.yaml', sourceConnectors, {});
let database: Awaited<ReturnType<typeof createTestDatabase>>;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database?.drop());

const parks = async () =>
  (await database.plain.query('SELECT id FROM park ORDER BY id')).map((row: { id: string }) => row.id);
/** Runs `isthmus migrate` with these arguments, without a terminal. */
const runMigrate = (...args: string[]): Promise<{ code: number | null; output: string }> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, isthmusArgs('migrate', ...args), {
      cwd: ROOT,
      env: { ...process.env, DATABASE_URL: database.url },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part.toString()));
    child.once('close', (code) => resolve({ code, output }));
  });

test('shared database: rejects a second hub or connector with a different isthmus.yaml, and changes nothing of the first', async () => {
  const first = await startBareHub({ database });
  try {
    const second = startBareHub({ database, start: { config: configOf(OTHER) } });
    await expect(second).rejects.toMatchObject({
      name: 'ProcessRejectedError',
      message: expect.stringMatching(
        /in use by the hub on .*only here: park hillside; only there: park lakeside.*DATABASE_URL/,
      ),
    });
    const connector = serveConnector({
      ...{ name: 'parking', config: configOf(OTHER), databaseUrl: database.url },
      ...{ host: '127.0.0.1', port: 0, log: silentLog },
    });
    await expect(connector).rejects.toThrow('with a different isthmus.yaml');
    expect(await parks()).toEqual(['lakeside']);
    const replica_ = await startBareHub({ database });
    await replica_.close();
  } finally {
    await first.close();
  }
  const other = await startBareHub({ database, start: { config: configOf(OTHER) } });
  expect(await parks()).toEqual(['hillside']);
  await other.close();
});

test('shared database: accepts a changed isthmus.yaml at one replica; the other reports that it differs', async () => {
  const lines: string[] = [];
  const first = await startBareHub({ database });
  const second = await startBareHub({ database, log: createLog((line) => lines.push(line), 'info') });
  const note = async (hub: BareHub) => {
    const answer = await fetch(hub.url.replace('/graphql', '/readyz'));
    return ((await answer.json()) as { configuration?: string }).configuration;
  };
  try {
    const next = configOf(BARE_CONFIG.replace('name: Lakeside', 'name: Lake'));
    await first.hub.applyConfig(next);
    await waitFor('the other reports it', 20, () => note(second));
    expect(await note(second)).toContain('different: park lakeside (name)');
    expect(lines.filter((line) => line.includes('isthmus.yaml was changed in'))).toHaveLength(1);
    expect(await note(first)).toBeUndefined();
    await second.hub.applyConfig(next);
    expect(await note(second)).toBeUndefined();
  } finally {
    await first.close();
    await second.close();
  }
});

test('shared database: a killed hub does not block a hub with a different isthmus.yaml', async () => {
  const killed = await processReplica(process.env['TMPDIR'] ?? '/tmp', database.url, null);
  await killed.start();
  await killed.kill();
  const began = Date.now();
  const next = await startBareHub({ database, start: { config: configOf(OTHER) } });
  expect(Date.now() - began).toBeLessThan(25_000);
  await next.close();
});

test('shared database: migrate --down is rejected while a hub runs, and without a terminal or --yes; lists what would be deleted', async () => {
  const hub = await startBareHub({ database });
  const under = await runMigrate('--down', '--yes');
  await hub.close();
  expect(under).toMatchObject({
    code: 1,
    output: expect.stringMatching(/^The database is in use by the hub on .* Stop it first; nothing was changed/),
  });
  // The newest migration whose revert deletes something.
  let preview = await previewDown(database.source);
  for (; preview?.losses.length === 0; preview = await previewDown(database.source)) await migrateDown(database.source);
  const newest = preview?.step;
  const losses = preview?.losses.map(({ table, column, rows }) =>
    column === null ? `${table} (${rows} rows)` : `column ${column} of ${table} (${rows} values)`,
  );
  const unconfirmed = await runMigrate('--down');
  expect(unconfirmed).toMatchObject({ code: 1, output: expect.stringContaining('isthmus migrate --down --yes') });
  expect(unconfirmed.output).toContain(`Reverting migration ${newest}. This deletes: `);
  for (const loss of losses ?? []) expect(unconfirmed.output).toContain(loss);
  expect(await previewDown(database.source)).toEqual(preview);
  expect(await runMigrate('--down', '--yes')).toMatchObject({
    code: 0,
    output: expect.stringContaining(`Reverted migration ${newest}.`),
  });
  expect((await migrate(database.source))[0]).toBe(newest);
});

test('shared database: runs concurrent migrations and reverts one after the other', async () => {
  const source = database.source;
  const before = await database.plain.query('SELECT count(*)::int AS count FROM schema_migration');
  const taken = await Promise.all([migrateDown(source), migrateDown(source), migrateDown(source)]);
  expect(new Set(taken).size).toBe(3);
  expect(await database.plain.query('SELECT count(*)::int AS count FROM schema_migration')).toEqual([
    { count: before[0].count - 3 },
  ]);
  await Promise.all([migrate(source), migrateDown(source), migrate(source)]);
  await migrate(source);
  expect(await database.plain.query('SELECT count(*)::int AS count FROM schema_migration')).toEqual(before);
});

test('shared database: lists the columns that a revert deletes, with their number of values', async () => {
  const Step = migrations.at(-1);
  const down = Step?.prototype.down;
  await database.plain.query(`CREATE TABLE some_rows (a int, b int); INSERT INTO some_rows VALUES (1, 1), (2, null)`);
  try {
    if (Step) Step.prototype.down = async (run) => run.query('ALTER TABLE some_rows DROP COLUMN b');
    expect((await previewDown(database.source))?.losses).toEqual([{ table: 'some_rows', column: 'b', rows: 1 }]);
    // The preview has changed nothing.
    expect(await database.plain.query('SELECT b FROM some_rows ORDER BY a')).toEqual([{ b: 1 }, { b: null }]);
  } finally {
    if (Step && down) Step.prototype.down = down;
    await database.plain.query('DROP TABLE some_rows');
  }
});
