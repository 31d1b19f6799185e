/** Brings the database to this version, step by step, each in a transaction of its own. */
import type { DataSource, MigrationInterface, QueryRunner } from 'typeorm';
import { migrations } from './index.ts';

/** The database is not as this version needs it; the message is a sentence for people. */
export class SchemaVersionError extends Error {
  override name = 'SchemaVersionError';
}

type Step = new () => MigrationInterface & { name: string };
const LOCK = 4_739_201;

async function done(source: DataSource): Promise<string[]> {
  const there: { found: string | null }[] = await source.query(`SELECT to_regclass('schema_step') AS found`);
  if (!there[0]?.found) return [];
  const rows: { name: string }[] = await source.query('SELECT name FROM schema_step ORDER BY number');
  return rows.map((row) => row.name);
}

const names = (): string[] => migrations.map((step: Step) => new step().name);

/** Throws when the database holds steps that this version does not know. */
async function refuseNewer(source: DataSource): Promise<string[]> {
  const there = await done(source);
  const unknown = there.filter((name) => !names().includes(name));
  if (unknown.length > 0) {
    throw new SchemaVersionError(
      `The database was written by a newer Isthmus (it has the step ${unknown[0]}, this version ends at ${names().at(-1)}). Nothing was changed: start the newer version, or name another database in DATABASE_URL.`,
    );
  }
  return there;
}

/** Whether the database holds nothing of a hub: no step was ever run. */
export const isBlank = async (source: DataSource): Promise<boolean> => (await done(source)).length === 0;

export interface MigrateOptions {
  /** Interrupts between two steps; rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Told what is about to be done, or waited for. */
  readonly progress?: (text: string) => void;
}

/** Runs the missing steps; answers their names. Several processes may call it at once. */
export function migrate(source: DataSource, options: MigrateOptions = {}): Promise<string[]> {
  const { signal, progress = () => undefined } = options;
  return locked(
    source,
    async (run) => {
      await run.query(
        'CREATE TABLE IF NOT EXISTS schema_step (number integer PRIMARY KEY, name text NOT NULL, run_at timestamptz NOT NULL DEFAULT now())',
      );
      const there = await refuseNewer(source);
      const made: string[] = [];
      const missing = names().filter((name) => !there.includes(name)).length;
      progress(missing > 0 ? `running ${missing}` : 'none is missing');
      for (const [index, Step] of migrations.entries()) {
        const step = new Step();
        if (there.includes(step.name)) continue;
        signal?.throwIfAborted();
        await run.startTransaction();
        try {
          await step.up(run);
          await run.query('INSERT INTO schema_step (number, name) VALUES ($1, $2)', [index + 1, step.name]);
          await run.commitTransaction();
        } catch (error) {
          await run.rollbackTransaction();
          throw error;
        }
        made.push(step.name);
      }
      return made;
    },
    options,
  );
}

/** What taking a step back would lose: rows of a table that goes, or values of a column. */
export interface Loss {
  readonly table: string;
  /** Null: the whole table. */
  readonly column: string | null;
  readonly rows: number;
}

/** Refuses, by an error, while somebody works on the database; asked under the lock, in the transaction of the step. */
type Check = (run: QueryRunner) => Promise<void>;

/** How long a step waits for tables that others use. */
const PATIENCE = '5s';

/** What taking the newest step back would lose, found by trying it and rolling back; null when there is no step. Rejects as `check` does. */
export function lossesOfDown(
  source: DataSource,
  check?: Check,
): Promise<{ readonly step: string; readonly losses: readonly Loss[] } | null> {
  return locked(source, async (run) => {
    const step = await newestOf(source);
    if (!step) return null;
    await run.startTransaction();
    try {
      await check?.(run);
      await run.query(`SET LOCAL lock_timeout = '${PATIENCE}'`);
      const before = await columns(run);
      await run.query('SAVEPOINT tried');
      await step.down(run);
      const after = new Set((await columns(run)).map(({ table, column }) => `${table} ${column}`));
      await run.query('ROLLBACK TO SAVEPOINT tried');
      const gone = before.filter(({ table, column }) => !after.has(`${table} ${column}`));
      const wholes = new Set(
        gone.map((one) => one.table).filter((table) => ![...after].some((one) => one.startsWith(`${table} `))),
      );
      const losses: Loss[] = [];
      for (const table of wholes)
        losses.push({ table, column: null, rows: await count(run, `SELECT count(*) FROM "${table}"`) });
      for (const { table, column } of gone)
        if (!wholes.has(table))
          losses.push({ table, column, rows: await count(run, `SELECT count("${column}") FROM "${table}"`) });
      return { step: step.name, losses };
    } finally {
      await run.rollbackTransaction();
    }
  });
}

/**
 * Takes the newest step back, alone: under the lock of `migrate`. Answers its name, or null when there is none. `only`: the step that
 * is meant; another one that has become the newest meanwhile is refused. Rejects as `check` does, with nothing changed.
 */
export function migrateDown(
  source: DataSource,
  { check, only }: { readonly check?: Check; readonly only?: string } = {},
): Promise<string | null> {
  return locked(source, async (run) => {
    const step = await newestOf(source);
    if (!step) return null;
    if (only !== undefined && step.name !== only)
      throw new SchemaVersionError(`The newest step is ${step.name} now, not ${only}. Nothing was changed: ask again.`);
    await run.startTransaction();
    try {
      await check?.(run);
      await run.query(`SET LOCAL lock_timeout = '${PATIENCE}'`);
      await step.down(run);
      await run.query('DELETE FROM schema_step WHERE name = $1', [step.name]);
      await run.commitTransaction();
    } catch (error) {
      await run.rollbackTransaction();
      throw error;
    }
    return step.name;
  });
}

/** The newest step that was run. */
async function newestOf(source: DataSource): Promise<(MigrationInterface & { name: string }) | null> {
  const last = (await refuseNewer(source)).at(-1);
  const Found = migrations.find((one: Step) => new one().name === last);
  return Found ? new Found() : null;
}

/** Works on a connection that holds the lock of all migrations. */
async function locked<T>(
  source: DataSource,
  work: (run: QueryRunner) => Promise<T>,
  { signal, progress = () => undefined }: MigrateOptions = {},
): Promise<T> {
  const run = source.createQueryRunner();
  await run.connect();
  try {
    await takeLock(run, signal, progress);
    return await work(run);
  } catch (error) {
    if ((error as { code?: unknown }).code !== '55P03') throw error;
    throw new SchemaVersionError(
      `Another session uses the tables of this step (waited ${PATIENCE}). Nothing was changed: end it and ask again.`,
    );
  } finally {
    await run.query('SELECT pg_advisory_unlock($1)', [LOCK]).catch(() => undefined);
    await run.release();
  }
}

/** Columns of our tables; partitions count as their parent. */
const columns = (run: QueryRunner): Promise<{ table: string; column: string }[]> =>
  run.query(`SELECT relname AS "table", attname AS "column" FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
      AND attnum > 0 AND NOT attisdropped ORDER BY relname, attnum`);

async function count(run: QueryRunner, sql: string): Promise<number> {
  const rows: { count: string }[] = await run.query(sql);
  return Number(rows[0]?.count ?? 0);
}

/** One process at a time migrates. Not a query that waits: it could not be interrupted, and would hold a connection without a word. */
async function takeLock(run: QueryRunner, signal: AbortSignal | undefined, progress: (text: string) => void) {
  for (let tries = 0; ; tries++) {
    signal?.throwIfAborted();
    const rows: { mine: boolean }[] = await run.query('SELECT pg_try_advisory_lock($1) AS mine', [LOCK]);
    if (rows[0]?.mine) return;
    if (tries % 100 === 10) progress('waiting for another process that migrates this database');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Waits until another process has brought the database to this version; throws after `milliseconds`. */
export async function waitForVersion(source: DataSource, milliseconds: number, signal?: AbortSignal): Promise<void> {
  const until = performance.now() + milliseconds;
  for (;;) {
    signal?.throwIfAborted();
    const there = await refuseNewer(source);
    if (names().every((name) => there.includes(name))) return;
    if (performance.now() > until) {
      throw new SchemaVersionError(
        `The database has not been brought to this version (missing: ${names()
          .filter((name) => !there.includes(name))
          .join(', ')}). Run: isthmus migrate`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
