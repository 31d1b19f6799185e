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

export interface MigrateOptions {
  /** Interrupts between two steps; rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Told what is about to be done, or waited for. */
  readonly progress?: (text: string) => void;
}

/** Runs the missing steps; answers their names. Several processes may call it at once. */
export async function migrate(source: DataSource, options: MigrateOptions = {}): Promise<string[]> {
  const { signal, progress = () => undefined } = options;
  const run = source.createQueryRunner();
  await run.connect();
  try {
    await takeLock(run, signal, progress);
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
  } finally {
    await run.query('SELECT pg_advisory_unlock($1)', [LOCK]).catch(() => undefined);
    await run.release();
  }
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

/** Takes the newest step back; answers its name, or null when there is none. */
export async function migrateDown(source: DataSource): Promise<string | null> {
  const there = await refuseNewer(source);
  const last = there.at(-1);
  const Step = migrations.find((one: Step) => new one().name === last);
  if (!Step || last === undefined) return null;
  const run = source.createQueryRunner();
  await run.connect();
  await run.startTransaction();
  try {
    await new Step().down(run);
    await run.query('DELETE FROM schema_step WHERE name = $1', [last]);
    await run.commitTransaction();
  } catch (error) {
    await run.rollbackTransaction();
    throw error;
  } finally {
    await run.release();
  }
  return last;
}

/** Waits until another process has brought the database to this version; throws after `milliseconds`. */
export async function waitForVersion(source: DataSource, milliseconds: number, signal?: AbortSignal): Promise<void> {
  const until = Date.now() + milliseconds;
  for (;;) {
    signal?.throwIfAborted();
    const there = await refuseNewer(source);
    if (names().every((name) => there.includes(name))) return;
    if (Date.now() > until) {
      throw new SchemaVersionError(
        `The database has not been brought to this version (missing: ${names()
          .filter((name) => !there.includes(name))
          .join(', ')}). Run: isthmus migrate`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
