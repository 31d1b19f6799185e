/** The commands of those who develop: connecting a system, printing the pictures, measuring. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { Argument, type Command } from 'commander';
import { KINDS } from '../../connectors/configured/onboard/probe.ts';
import { readEnvironment } from '../environment.ts';
import { CommandError, run, say, several, wholeNumber } from './runner/command-runner.ts';

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

/** `isthmus bench`. */
export function addBench(program: Command): void {
  program
    .command('bench')
    .description('measure what a request costs beside a hand-written plan and, with --peers, other gateways')
    .option('--peers <folder>', 'a folder with other gateways, see docs/performance.md')
    .option('--json', 'print the targets as JSON and nothing else')
    .option('--rounds <n>', 'rounds whose median counts', '5')
    .option('--milliseconds <n>', 'length of one load', '1500')
    .action((options: { peers?: string; json?: boolean; rounds: string; milliseconds: string }) =>
      run(async () => {
        const rounds = wholeNumber(options.rounds, {
          option: '--rounds',
          min: 1,
          max: 1_000,
          example: 'isthmus bench --rounds 5',
        });
        const milliseconds = wholeNumber(options.milliseconds, {
          option: '--milliseconds',
          min: 100,
          max: 3_600_000,
          example: 'isthmus bench --milliseconds 1500',
        });
        const peers = options.peers === undefined ? undefined : resolve(options.peers);
        if (options.peers === '' || (peers && !statSync(peers, { throwIfNoEntry: false })?.isDirectory())) {
          throw new CommandError(
            `--peers must be a folder, found ${JSON.stringify(options.peers)}; docs/performance.md says what is in it`,
          );
        }
        const { bench } = await import('../bench/index.ts');
        const met = await bench({ peers, json: options.json ?? false, rounds, milliseconds, say });
        process.exit(met ? 0 : 1);
      }),
    );
}

/** `isthmus onboard`. */
export function addOnboard(program: Command): void {
  program
    .command('onboard')
    .addArgument(new Argument('[kind]', 'how it is described').choices(KINDS))
    .argument('[source]', 'file, folder or address of the description; of a database, the variable with its address')
    .description('connect a system by its description: probe, draft, compare, write')
    .option('--url <address>', 'base address of the system (default: where the description comes from)')
    .option('--system <name>', 'name of the kind of system, such as environment')
    .option('--park <id>', 'park in which it stands (default: the first)')
    .option('--header <name=VARIABLE>', 'header whose value the environment holds; may be given several times', several)
    .option('--table <name>', 'table or view of a database; may be given several times', several)
    .option('--config <file>', 'isthmus.yaml to add it to', 'isthmus.yaml')
    .option('--yes', 'write without asking')
    .option('--undo <system>', 'take out what was written for this system')
    .action((kind: string | undefined, source: string | undefined, options: OnboardFlags) =>
      run(async () => {
        const { onboard, undoOnboard } = await import('./actions/onboard.ts');
        if (options.undo) return undoOnboard({ system: options.undo, config: options.config, say });
        const found = KINDS.find((one) => one === kind);
        if (!found || !source || !options.system) {
          throw new CommandError(
            `What shall be connected? Kinds are ${KINDS.join(', ')}. Example: isthmus onboard openapi sensors.openapi.json --system environment --url https://sensors.example/api`,
          );
        }
        const { simulatedEnvironment } = await import('../../connectors/simulators.ts');
        await onboard({
          kind: found,
          source,
          url: options.url ?? null,
          system: options.system,
          park: options.park ?? null,
          config: options.config,
          headers: options.header ?? [],
          tables: options.table ?? [],
          yes: options.yes ?? false,
          environment: { ...simulatedEnvironment(readEnvironment(process.env).data), ...process.env },
          say,
          terminal: process.stdout.isTTY === true && process.stdin.isTTY === true,
        });
      }),
    );
}

/** `isthmus schema`. */
export function addSchema(program: Command): void {
  program
    .command('schema')
    .description(
      'print the pictures (subgraphs, supergraph, public graph, database, settings); --check compares and lints',
    )
    .option('--check', 'compare with what is checked in, and lint')
    .action((options: { check?: boolean }) =>
      run(async () => {
        const { schemaCommand } = await import('./actions/schema.ts');
        return schemaCommand({ check: options.check ?? false, say });
      }),
    );
}
