/** Brings the database to this version, step by step, each in a transaction of its own. */
import type { DataSource, MigrationInterface } from 'typeorm';
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

/** Runs the missing steps; answers their names. Several processes may call it at once. */
export async function migrate(source: DataSource): Promise<string[]> {
  const run = source.createQueryRunner();
  await run.connect();
  try {
    await run.query('SELECT pg_advisory_lock($1)', [LOCK]);
    await run.query(
      'CREATE TABLE IF NOT EXISTS schema_step (number integer PRIMARY KEY, name text NOT NULL, run_at timestamptz NOT NULL DEFAULT now())',
    );
    const there = await refuseNewer(source);
    const made: string[] = [];
    for (const [index, Step] of migrations.entries()) {
      const step = new Step();
      if (there.includes(step.name)) continue;
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
export async function waitForVersion(source: DataSource, milliseconds: number): Promise<void> {
  const until = performance.now() + milliseconds;
  for (;;) {
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
