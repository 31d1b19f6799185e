/** Migrates the database to this version, each migration in its own transaction, and reverts the newest one. */
import type { DataSource, MigrationInterface, QueryRunner } from 'typeorm';
import { migrations } from './index.ts';

/** The database does not have the version that this program needs. The message is for the user. */
export class SchemaVersionError extends Error {
  override name = 'SchemaVersionError';
}

type Step = new () => MigrationInterface & { name: string };
/** Key of the advisory lock that allows one migrating process at a time. */
const LOCK = 4_739_201;

/** Names of the applied migrations, in order. */
async function appliedSteps(source: DataSource): Promise<string[]> {
  const tables: { found: string | null }[] = await source.query(`SELECT to_regclass('schema_step') AS found`);
  if (!tables[0]?.found) return [];
  const rows: { name: string }[] = await source.query('SELECT name FROM schema_step ORDER BY number');
  return rows.map((row) => row.name);
}

const knownSteps = (): string[] => migrations.map((step: Step) => new step().name);

/** Returns the applied migrations. Throws `SchemaVersionError` if the database was migrated by a newer version. */
async function appliedUnlessNewer(source: DataSource): Promise<string[]> {
  const applied = await appliedSteps(source);
  const unknown = applied.filter((name) => !knownSteps().includes(name));
  if (unknown.length > 0) {
    throw new SchemaVersionError(
      `The database belongs to a newer version of Isthmus: it has migration ${unknown[0]}, this version ends at ${knownSteps().at(-1)}. Nothing was changed. Start the newer version, or set DATABASE_URL to another database.`,
    );
  }
  return applied;
}

/** Whether no migration was ever applied to the database. */
export const isEmptyDatabase = async (source: DataSource): Promise<boolean> =>
  (await appliedSteps(source)).length === 0;

export interface MigrateOptions {
  /** Cancels between two migrations; the call rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Receives a message before each phase and while waiting. */
  readonly progress?: (text: string) => void;
}

/** Applies the missing migrations and returns their names. Safe to call from several processes at once. */
export function migrate(source: DataSource, options: MigrateOptions = {}): Promise<string[]> {
  const { signal, progress = () => undefined } = options;
  return locked(
    source,
    async (run) => {
      await run.query(
        'CREATE TABLE IF NOT EXISTS schema_step (number integer PRIMARY KEY, name text NOT NULL, run_at timestamptz NOT NULL DEFAULT now())',
      );
      const alreadyApplied = await appliedUnlessNewer(source);
      const applied: string[] = [];
      const missing = knownSteps().filter((name) => !alreadyApplied.includes(name)).length;
      progress(missing > 0 ? `running ${missing}` : 'up to date');
      for (const [index, Step] of migrations.entries()) {
        const step = new Step();
        if (alreadyApplied.includes(step.name)) continue;
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
        applied.push(step.name);
      }
      return applied;
    },
    options,
  );
}

/** Data that reverting a migration deletes: the rows of a table, or the values of a column. */
export interface Loss {
  readonly table: string;
  /** Null: the whole table. */
  readonly column: string | null;
  readonly rows: number;
}

/** Throws if other processes use the database. Called under the lock, in the transaction of the revert. */
type Check = (run: QueryRunner) => Promise<void>;

/** Maximum wait of a revert for tables locked by other sessions. */
const LOCK_TIMEOUT = '5s';

/**
 * The data that reverting the newest migration would delete, found by reverting it and rolling back; null if there is no migration.
 * Rejects with the error of `check`.
 */
export function previewDown(
  source: DataSource,
  check?: Check,
): Promise<{ readonly step: string; readonly losses: readonly Loss[] } | null> {
  return locked(source, async (run) => {
    const step = await newestStep(source);
    if (!step) return null;
    await run.startTransaction();
    try {
      await check?.(run);
      await run.query(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
      const before = await columns(run);
      await run.query('SAVEPOINT tried');
      await step.down(run);
      const after = new Set((await columns(run)).map(({ table, column }) => `${table} ${column}`));
      await run.query('ROLLBACK TO SAVEPOINT tried');
      const dropped = before.filter(({ table, column }) => !after.has(`${table} ${column}`));
      const droppedTables = new Set(
        dropped
          .map(({ table }) => table)
          .filter((table) => ![...after].some((column) => column.startsWith(`${table} `))),
      );
      const losses: Loss[] = [];
      for (const table of droppedTables)
        losses.push({ table, column: null, rows: await count(run, `SELECT count(*) FROM "${table}"`) });
      for (const { table, column } of dropped)
        if (!droppedTables.has(table))
          losses.push({ table, column, rows: await count(run, `SELECT count("${column}") FROM "${table}"`) });
      return { step: step.name, losses };
    } finally {
      await run.rollbackTransaction();
    }
  });
}

/**
 * Reverts the newest migration under the lock of `migrate`. Returns its name, or null if there is none. Throws `SchemaVersionError` if
 * `only` is given and another migration is the newest. Rejects with the error of `check`; nothing is changed then.
 */
export function migrateDown(
  source: DataSource,
  { check, only }: { readonly check?: Check; readonly only?: string } = {},
): Promise<string | null> {
  return locked(source, async (run) => {
    const step = await newestStep(source);
    if (!step) return null;
    if (only !== undefined && step.name !== only)
      throw new SchemaVersionError(
        `The newest migration is now ${step.name}, not ${only}. Nothing was changed. Run the command again.`,
      );
    await run.startTransaction();
    try {
      await check?.(run);
      await run.query(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
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

/** The newest applied migration; null if there is none. */
async function newestStep(source: DataSource): Promise<(MigrationInterface & { name: string }) | null> {
  const last = (await appliedUnlessNewer(source)).at(-1);
  const Newest = migrations.find((Migration: Step) => new Migration().name === last);
  return Newest ? new Newest() : null;
}

/** Runs `work` on a connection that holds the migration lock. */
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
      `Another session has locked the tables of this migration (waited ${LOCK_TIMEOUT}). Nothing was changed. End that session and run the command again.`,
    );
  } finally {
    await run.query('SELECT pg_advisory_unlock($1)', [LOCK]).catch(() => undefined);
    await run.release();
  }
}

/** Columns of all tables in the schema, without those of partitions. */
const columns = (run: QueryRunner): Promise<{ table: string; column: string }[]> =>
  run.query(`SELECT relname AS "table", attname AS "column" FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
      AND attnum > 0 AND NOT attisdropped ORDER BY relname, attnum`);

async function count(run: QueryRunner, sql: string): Promise<number> {
  const rows: { count: string }[] = await run.query(sql);
  return Number(rows[0]?.count ?? 0);
}

/** Takes the migration lock by polling: a waiting query could not be cancelled or report progress. */
async function takeLock(run: QueryRunner, signal: AbortSignal | undefined, progress: (text: string) => void) {
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted();
    const rows: { mine: boolean }[] = await run.query('SELECT pg_try_advisory_lock($1) AS mine', [LOCK]);
    if (rows[0]?.mine) return;
    if (attempt % 100 === 10) progress('waiting for another process that is migrating this database');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Waits until another process has migrated the database to this version. Throws `SchemaVersionError` after `milliseconds`. */
export async function waitForVersion(source: DataSource, milliseconds: number, signal?: AbortSignal): Promise<void> {
  const until = performance.now() + milliseconds;
  for (;;) {
    signal?.throwIfAborted();
    const applied = await appliedUnlessNewer(source);
    if (knownSteps().every((name) => applied.includes(name))) return;
    if (performance.now() > until) {
      throw new SchemaVersionError(
        `The database is not migrated to this version. Missing: ${knownSteps()
          .filter((name) => !applied.includes(name))
          .join(', ')}. Run: isthmus migrate`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
