/** `isthmus simulate`: starts, stops and lists the simulators of the demo park. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { missingDataError } from '../data-folder.ts';
import { readEnvironment } from '../environment.ts';
import { run, writeLine } from './runner/command-runner.ts';

interface SimulateOptions {
  readonly stop?: boolean;
  readonly status?: boolean;
  readonly serve?: boolean;
  readonly fresh?: boolean;
}

export function addSimulate(program: Command): void {
  program
    .command('simulate [name]')
    .description('start one simulator of the demo park, or all; --stop stops, --status lists what is running')
    .option('--stop', 'stop the simulator, or all')
    .option('--status', 'list the running simulators')
    .option('--serve', 'run the simulator in this process (used by start)')
    .option('--fresh', 'delete the stored state of the simulator before it starts')
    .action((name: string | undefined, options: SimulateOptions) =>
      run(async () => {
        const { simulateCommand, simulatorNames } = await import('../../connectors/simulators.ts');
        const { data } = readEnvironment(process.env);
        // Starting all simulators, or one with --fresh, may create a demo; everything else needs an existing one.
        const mayCreate = !options.stop && !options.status && (name === undefined || options.fresh === true);
        const isKnown = name === undefined || simulatorNames().includes(name);
        if (isKnown && !mayCreate && !existsSync(resolve(data, 'simulators')))
          throw missingDataError('no demo (simulators/), which npm start creates', data);
        await simulateCommand({ name, ...options, data, say: writeLine });
      }),
    );
}
