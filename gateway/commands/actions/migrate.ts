/** `isthmus migrate`. */
import { resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { describeProcess, findLiveProcesses } from '../../../connectors/kit/host/process-registry.ts';
import { migrate, migrateDown, previewDown } from '../../../migrations/migrate.ts';
import { openDatabase } from '../../../schema/database/database.ts';
import { hasProcessTables, lockProcesses } from '../../../schema/database/processes/processes.ts';
import { readEnvironment } from '../../environment.ts';
import { CommandError } from '../runner/command-runner.ts';

type Say = (text: string) => void;
type DataSource = Parameters<typeof migrate>[0];

/** `yes`: reverts without confirmation. Throws `CommandError` without DATABASE_URL, and for `down` while a process uses the database. */
export async function migrateCommand(options: { down: boolean; yes: boolean; say: Say }): Promise<void> {
  const { say } = options;
  const { databaseUrl, data } = readEnvironment(process.env);
  if (databaseUrl === null) {
    throw new CommandError(
      `DATABASE_URL is missing; example: DATABASE_URL=postgres://isthmus:password@127.0.0.1:5432/isthmus isthmus migrate. The embedded database in ${resolve(data)} is migrated by the hub when it starts.`,
    );
  }
  const database = await openDatabase(databaseUrl, { poolSize: 3, name: 'isthmus migrate' });
  try {
    if (options.down) await revertNewest(database.source, options);
    else {
      const applied = await migrate(database.source);
      say(applied.length > 0 ? `Applied migrations: ${applied.join(', ')}` : 'Database is up to date.');
    }
  } finally {
    await database.close();
  }
}

async function revertNewest(source: DataSource, { yes, say }: { yes: boolean; say: Say }): Promise<void> {
  /** Runs in the migration's transaction: rejects while a process is registered, and keeps others from registering. */
  const check: NonNullable<Parameters<typeof previewDown>[1]> = async ({ manager }) => {
    if (!(await hasProcessTables(manager))) return;
    await lockProcesses(manager);
    const alive = await findLiveProcesses(manager);
    if (alive.length > 0)
      throw new CommandError(
        `The database is in use by ${alive.map(describeProcess).join(', ')}. Stop it first; nothing was changed. A process killed on another machine is listed for 10 s.`,
      );
  };
  const newest = await previewDown(source, check);
  if (newest === null) return say('Nothing to revert: the database is empty.');
  const { step, losses } = newest;
  const lost = losses.map(({ table, column, rows }) =>
    column === null ? `table ${table} (${rows} rows)` : `column ${column} of ${table} (${rows} values)`,
  );
  say(`Reverting migration ${step}. ${lost.length > 0 ? `This deletes: ${lost.join(', ')}.` : 'No data is deleted.'}`);
  if (!yes && !(await isConfirmed(step))) return say('Cancelled. Nothing was changed.');
  say(`Reverted migration ${await migrateDown(source, { check, only: step })}.`);
}

/** Asks on the terminal. Throws `CommandError` without one. */
async function isConfirmed(step: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stdout.isTTY)
    throw new CommandError(
      'Nothing was changed: confirmation needs a terminal. To revert without confirmation: isthmus migrate --down --yes',
    );
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await terminal.question(`Revert ${step}? [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
