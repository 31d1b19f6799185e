/** `isthmus migrate`: migrates the database of DATABASE_URL to this version, or reverts the newest migration. */
import type { Command } from 'commander';
import { run, writeLine } from './runner/command-runner.ts';

export function addMigrate(program: Command): void {
  program
    .command('migrate')
    .description('migrate the database in DATABASE_URL to this version; --down reverts the newest migration')
    .option('--down', 'revert the newest migration; names the data that is lost and asks for confirmation')
    .option('--yes', 'with --down: do not ask for confirmation')
    .action((options: { down?: boolean; yes?: boolean }) =>
      run(async () => {
        const { migrateCommand } = await import('./actions/migrate.ts');
        return migrateCommand({ down: options.down ?? false, yes: options.yes ?? false, say: writeLine });
      }),
    );
}
