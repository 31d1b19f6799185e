/** `isthmus bench`: measures the gateway against a hand-written plan and other gateways. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { CommandError, run, wholeNumber, writeLine } from './runner/command-runner.ts';

export function addBench(program: Command): void {
  program
    .command('bench')
    .description('measure the cost of requests against a hand-written plan and, with --peers, other gateways')
    .option('--peers <folder>', 'folder with other gateways, see docs/performance.md')
    .option(
      '--against <folder>',
      'compare with another checkout of Isthmus, installed and built; see docs/performance.md',
    )
    .option('--json', 'print only the results, as JSON')
    .option('--rounds <n>', 'number of rounds; the median is reported', '5')
    .option('--milliseconds <n>', 'duration of one load run', '1500')
    .action((options: { peers?: string; against?: string; json?: boolean; rounds: string; milliseconds: string }) =>
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
            `--peers must be a folder, found ${JSON.stringify(options.peers)}; docs/performance.md describes its contents`,
          );
        }
        const json = options.json ?? false;
        if (options.against !== undefined) {
          if (peers) throw new CommandError('--against and --peers cannot be combined; run the bench once with each');
          const { CheckoutError, compareCheckouts } = await import('../bench/checkout-comparison.ts');
          const against = resolve(options.against);
          const same = await compareCheckouts({ against, json, rounds, milliseconds, say: writeLine }).catch(
            (error: unknown) => {
              throw error instanceof CheckoutError ? new CommandError(error.message) : error;
            },
          );
          process.exit(same ? 0 : 1);
        }
        const { bench } = await import('../bench/index.ts');
        const met = await bench({ peers, json, rounds, milliseconds, say: writeLine });
        process.exit(met ? 0 : 1);
      }),
    );
}
