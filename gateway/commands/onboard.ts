/** `isthmus onboard`: connects a system by its description, without code. */
import { Argument, type Command } from 'commander';
import { KINDS } from '../../connectors/configured/onboard/probe.ts';
import { readEnvironment } from '../environment.ts';
import { CommandError, run, several, writeLine } from './runner/command-runner.ts';

interface OnboardFlags {
  readonly url?: string;
  readonly system?: string;
  readonly park?: string;
  readonly header?: string[];
  readonly table?: string[];
  readonly config: string;
  readonly yes?: boolean;
  readonly undo?: string;
}

export function addOnboard(program: Command): void {
  program
    .command('onboard')
    .addArgument(new Argument('[kind]', 'kind of description').choices(KINDS))
    .argument(
      '[source]',
      'file, folder or URL of the description; for a database, the environment variable that holds its URL',
    )
    .description('connect a system by its description: probe, draft, compare, write')
    .option('--url <address>', 'base URL of the system (default: from the description)')
    .option('--system <name>', 'name of the kind of system, such as environment')
    .option('--park <id>', 'park of the installation (default: the first)')
    .option('--header <name=VARIABLE>', 'request header whose value is in an environment variable; repeatable', several)
    .option('--table <name>', 'table or view of a database; repeatable', several)
    .option('--config <file>', 'isthmus.yaml to edit', 'isthmus.yaml')
    .option('--yes', 'write without confirmation')
    .option('--undo <system>', 'remove what onboard wrote for this system')
    .action((kind: string | undefined, source: string | undefined, options: OnboardFlags) =>
      run(async () => {
        const { onboard, undoOnboard } = await import('./actions/onboard.ts');
        if (options.undo) return undoOnboard({ system: options.undo, config: options.config, say: writeLine });
        const knownKind = KINDS.find((name) => name === kind);
        if (!knownKind || !source || !options.system) {
          throw new CommandError(
            `Kind, source and --system are required; kinds are ${KINDS.join(', ')}. Example: isthmus onboard openapi sensors.openapi.json --system environment --url https://sensors.example/api`,
          );
        }
        const { simulatorEnvironment } = await import('../../connectors/simulators.ts');
        await onboard({
          kind: knownKind,
          source,
          url: options.url ?? null,
          system: options.system,
          park: options.park ?? null,
          config: options.config,
          headers: options.header ?? [],
          tables: options.table ?? [],
          yes: options.yes ?? false,
          environment: { ...simulatorEnvironment(readEnvironment(process.env).data), ...process.env },
          say: writeLine,
          isTerminal: process.stdout.isTTY === true && process.stdin.isTTY === true,
        });
      }),
    );
}
