/** `isthmus migrate`: brings the database of DATABASE_URL to this version, or takes the newest step back. */
import { resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { readEnvironment } from '../environment.ts';
import { CommandError, run, say } from './runner/command-runner.ts';

export function addMigrate(program: Command): void {
  program
    .command('migrate')
    .description('bring the database in DATABASE_URL to this version; --down takes the newest step back')
    .option('--down', 'take the newest step back: names what is lost, and asks')
    .option('--yes', 'with --down: do not ask')
    .action((options: { down?: boolean; yes?: boolean }) =>
      run(async () => {
        const { databaseUrl, data } = readEnvironment(process.env);
        if (databaseUrl === null) {
          throw new CommandError(
            `DATABASE_URL is missing; example: DATABASE_URL=postgres://isthmus:password@127.0.0.1:5432/isthmus isthmus migrate. The embedded database in ${resolve(data)} is migrated by the hub when it starts.`,
          );
        }
        const { openDatabase } = await import('../../schema/database/database.ts');
        const { migrate } = await import('../../migrations/migrate.ts');
        const database = await openDatabase(databaseUrl, { pool: 3, name: 'isthmus migrate' });
        try {
          if (options.down) await down(database.source, options.yes ?? false);
          else {
            const made = await migrate(database.source);
            say(made.length > 0 ? `Done: ${made.join(', ')}` : 'Nothing to do: the database is of this version.');
          }
        } finally {
          await database.close();
        }
      }),
    );
}

type Source = Parameters<typeof import('../../migrations/migrate.ts').migrate>[0];

async function down(source: Source, yes: boolean): Promise<void> {
  const { lossesOfDown, migrateDown } = await import('../../migrations/migrate.ts');
  const { knowsProcesses, lockProcesses } = await import('../../schema/database/processes/processes.ts');
  const { aliveProcesses, inWords } = await import('../../connectors/kit/host/process-registry.ts');
  /** No process may join until the step is taken back, and none may be there. */
  const check: NonNullable<Parameters<typeof lossesOfDown>[1]> = async ({ manager }) => {
    if (!(await knowsProcesses(manager))) return;
    await lockProcesses(manager);
    const alive = await aliveProcesses(manager);
    if (alive.length > 0)
      throw new CommandError(
        `The database is in use by ${alive.map(inWords).join(', ')}. Stop it first; nothing was changed. One that was killed on another machine counts for ten seconds.`,
      );
  };
  const found = await lossesOfDown(source, check);
  if (found === null) return say('Taken back: nothing, the database is empty');
  const { step, losses } = found;
  const lost = losses.map(({ table, column, rows }) =>
    column === null ? `the table ${table} (${rows} rows)` : `the column ${column} of ${table} (${rows} values)`,
  );
  say(`Taking back the step ${step}. ${lost.length > 0 ? `This is lost: ${lost.join(', ')}.` : 'No data are lost.'}`);
  if (!yes && !(await confirmed(step))) return say('Nothing was changed.');
  say(`Taken back: ${await migrateDown(source, { check, only: step })}`);
}

/** Asks on the terminal; without one, `--yes` is needed. */
async function confirmed(step: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stdout.isTTY)
    throw new CommandError(
      'Nothing was changed: there is no terminal to ask on. Say that it is meant: isthmus migrate --down --yes',
    );
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await lines.question(`Take ${step} back? [y/N] `)).trim());
  } finally {
    lines.close();
  }
}
