/** `isthmus start`: the hub with gateway, connectors and database in one process. */
import type { Command } from 'commander';
import { runUntilStopped } from '../ops/command-lifetime.ts';
import type { StartOptions } from './actions/start.ts';
import { run, writeLine } from './runner/command-runner.ts';

export function addStart(program: Command): void {
  program
    .command('start')
    .description('start the hub: gateway, connectors and database in one process')
    .option('--demo', 'also start the simulators of the demo park')
    .option('--config <file>', 'isthmus.yaml with parks and installations (default: the demo)')
    .action((options: StartOptions) =>
      run(() =>
        runUntilStopped(
          async (lifetime) => {
            const { startCommand } = await import('./actions/start.ts');
            return startCommand(options, lifetime);
          },
          { print: writeLine, reloads: true },
        ),
      ),
    );
}
