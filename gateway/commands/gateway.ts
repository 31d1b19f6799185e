/** `isthmus gateway`: a gateway for any Federation 2 supergraph, without connectors and database. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { readMilliseconds } from '../../connectors/kit/config/settings.ts';
import { runUntilStopped } from '../ops/command-lifetime.ts';
import { CommandError, run, writeLine } from './runner/command-runner.ts';

/** `--deadline` in milliseconds, above 0. Throws `CommandError`. */
function readDeadline(text: string): number {
  try {
    const milliseconds = readMilliseconds(text);
    if (milliseconds > 0) return milliseconds;
  } catch {
    // Reported below.
  }
  throw new CommandError(
    `--deadline must be a duration above 0 such as 500ms, 10s or 1m, found ${JSON.stringify(text)}; example: isthmus gateway --deadline 10s`,
  );
}

export function addGateway(program: Command): void {
  program
    .command('gateway')
    .description('serve any Federation 2 supergraph: SUPERGRAPH=file.graphql PORT=4000 isthmus gateway')
    .option('--unprotected', 'allow a HOST other than loopback although there is no authentication')
    .option('--deadline <duration>', 'time limit of one operation; fields not resolved by then are null', '10s')
    .action((options: { unprotected?: boolean; deadline: string }) =>
      run(async () => {
        const deadline = readDeadline(options.deadline);
        const file = process.env['SUPERGRAPH'];
        if (!file || !existsSync(file)) {
          throw new CommandError(
            `SUPERGRAPH must name a file with a supergraph, found ${JSON.stringify(file ?? null)}; example: SUPERGRAPH=supergraph.graphql isthmus gateway`,
          );
        }
        const unprotected = options.unprotected ?? false;
        await runUntilStopped(
          async (lifetime) => {
            const { serveSupergraph } = await import('./actions/gateway.ts');
            return serveSupergraph({ file, deadline, unprotected }, lifetime);
          },
          { print: writeLine, reloads: true },
        );
      }),
    );
}
