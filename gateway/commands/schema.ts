/** `isthmus schema`: prints the checked-in snapshots, or checks that they are up to date. */
import type { Command } from 'commander';
import { run, writeLine } from './runner/command-runner.ts';

export function addSchema(program: Command): void {
  program
    .command('schema')
    .description(
      'print the snapshots (subgraphs, supergraph, public graph, database, settings); --check compares and lints',
    )
    .option(
      '--check',
      'compare with the checked-in files, and the entities with the migrations, and lint; writes nothing',
    )
    .action((options: { check?: boolean }) =>
      run(async () => {
        const { schemaCommand } = await import('./actions/schema.ts');
        return schemaCommand({ check: options.check ?? false, say: writeLine });
      }),
    );
}
