/** Migrates the database to this version with TypeORM's runner, each migration in its own transaction, and reverts the newest one. */
import { DataSource, type EntityManager, MigrationExecutor, type MigrationInterface, type QueryRunner } from 'typeorm';
import { migrations } from './index.ts';

/** The database does not have the version that this program needs. The message is for the user. */
export class SchemaVersionError extends Error {
  override name = 'SchemaVersionError';
}

type Step = new () => MigrationInterface & { name: string };
/** Key of the advisory lock that allows one migrating process at a time. */
const LOCK = 4_739_201;
/** Where TypeORM records the applied migrations. */
const TABLE = 'schema_migration';
/** Where versions before 0.2 recorded them. */
const FORMER_TABLE = 'schema_step';

/** TypeORM reads the order of a migration from 13 digits at the end of its name: `Core0001` is recorded as `Core0000000000001`. */
const recordedName = (name: string): string => name.replace(/\d{4}$/, (number) => number.padStart(13, '0'));
const nameOfRecorded = (name: string): string => name.replace(/0{9}(?=\d{4}$)/, '');

/** Names of the applied migrations, in order. */
async function appliedSteps(manager: EntityManager): Promise<string[]> {
  const tables: { current: string | null; former: string | null }[] = await manager.query(
    'SELECT to_regclass($1) AS current, to_regclass($2) AS former',
    [TABLE, FORMER_TABLE],
  );
  if (tables[0]?.current) {
    const rows: { name: string }[] = await manager.query(`SELECT name FROM ${TABLE} ORDER BY id`);
    return rows.map((row) => nameOfRecorded(row.name));
  }
  if (!tables[0]?.former) return [];
  const rows: { name: string }[] = await manager.query(`SELECT name FROM ${FORMER_TABLE} ORDER BY number`);
  return rows.map((row) => row.name);
}

const knownSteps = (): string[] => migrations.map((step: Step) => new step().name);

/** Returns the applied migrations. Throws `SchemaVersionError` if the database was migrated by a newer version. */
async function appliedUnlessNewer(manager: EntityManager): Promise<string[]> {
  const applied = await appliedSteps(manager);
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
  (await appliedSteps(source.manager)).length === 0;

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
      const known = knownSteps();
      const alreadyApplied = await appliedUnlessNewer(run.manager);
      await adoptFormerRecords(run, alreadyApplied);
      const missing = known.filter((name) => !alreadyApplied.includes(name)).length;
      progress(missing > 0 ? `running ${missing}` : 'up to date');
      if (missing === 0) return [];
      const applied = await executor(run, { up: () => signal?.throwIfAborted() }).executePendingMigrations();
      return applied.map(({ name }) => nameOfRecorded(name));
    },
    options,
  );
}

/** Copies the migrations that a version before 0.2 recorded into TypeORM's table, once. */
async function adoptFormerRecords(run: QueryRunner, applied: readonly string[]): Promise<void> {
  if (applied.length === 0 || (await run.hasTable(TABLE))) return;
  await run.startTransaction();
  try {
    await run.query(
      `CREATE TABLE ${TABLE} (id serial PRIMARY KEY, "timestamp" bigint NOT NULL, name character varying NOT NULL)`,
    );
    for (const name of applied.map(recordedName))
      await run.query(`INSERT INTO ${TABLE} ("timestamp", name) VALUES ($1, $2)`, [Number(name.slice(-13)), name]);
    await run.commitTransaction();
  } catch (error) {
    await run.rollbackTransaction();
    throw error;
  }
}

/** Steps before a migration runs in a direction, in its transaction; an error cancels it. */
interface Before {
  readonly up?: () => void;
  readonly down?: (run: QueryRunner) => Promise<void>;
}

/** TypeORM's runner on this connection. */
function executor(run: QueryRunner, before: Before): MigrationExecutor {
  const steps = migrations.map((Migration: Step): MigrationInterface => {
    const step = new Migration();
    return {
      name: recordedName(step.name),
      up: async (runner) => {
        before.up?.();
        await step.up(runner);
      },
      down: async (runner) => {
        await before.down?.(runner);
        await step.down(runner);
        // A version before 0.2 must not take it for applied.
        if (await runner.hasTable(FORMER_TABLE))
          await runner.query(`DELETE FROM ${FORMER_TABLE} WHERE name = $1`, [step.name]);
      },
    };
  });
  const source = Object.assign(run.connection, { migrations: steps });
  const found = new MigrationExecutor(source, run);
  found.transaction = 'each';
  return found;
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
    const step = await newestStep(run.manager);
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
    const step = await newestStep(run.manager);
    if (!step) return null;
    if (only !== undefined && step.name !== only)
      throw new SchemaVersionError(
        `The newest migration is now ${step.name}, not ${only}. Nothing was changed. Run the command again.`,
      );
    await executor(run, {
      down: async (runner) => {
        await check?.(runner);
        await runner.query(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
      },
    }).undoLastMigration();
    return step.name;
  });
}

/** The newest applied migration; null if there is none. */
async function newestStep(manager: EntityManager): Promise<(MigrationInterface & { name: string }) | null> {
  const last = (await appliedUnlessNewer(manager)).at(-1);
  const Newest = migrations.find((Migration: Step) => new Migration().name === last);
  return Newest ? new Newest() : null;
}

/**
 * Runs `work` on a connection that holds the migration lock. It belongs to a data source of its own without entities: with a generated
 * column among them, TypeORM's runner would create a table `typeorm_metadata`.
 */
async function locked<T>(
  { options }: DataSource,
  work: (run: QueryRunner) => Promise<T>,
  { signal, progress = () => undefined }: MigrateOptions = {},
): Promise<T> {
  // The default logger would print a failed migration; callers report its error.
  const source = new DataSource({ ...options, entities: [], migrationsTableName: TABLE, logger: 'debug' });
  await source.initialize();
  const run = source.createQueryRunner();
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
    await source.destroy();
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
    const applied = await appliedUnlessNewer(source.manager);
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
