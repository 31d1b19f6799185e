/** `isthmus connector NAME`: one connector in a process of its own, served as a subgraph. */
import type { Command } from 'commander';
import { runUntilStopped } from '../ops/command-lifetime.ts';
import { run, writeLine } from './runner/command-runner.ts';

export function addConnector(program: Command): void {
  program
    .command('connector <name>')
    .description('serve one connector as a separate subgraph; requires DATABASE_URL')
    .option('--config <file>', 'isthmus.yaml with parks and installations (default: the demo)')
    .action((name: string, options: { config?: string }) =>
      run(() =>
        runUntilStopped(
          async (lifetime) => {
            const { startConnector } = await import('./actions/connector.ts');
            return startConnector(name, options.config, lifetime);
          },
          { print: writeLine, reloads: false },
        ),
      ),
    );
}
