/** `isthmus bench`: measures the gateway against a hand-written plan and other gateways. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { CommandError, run, wholeNumber, writeLine } from './runner/command-runner.ts';

interface BenchCommandOptions {
  readonly peers?: string;
  readonly against?: string;
  readonly hub?: boolean;
  readonly scale: string;
  readonly parks: string;
  readonly json?: boolean;
  readonly rounds: string;
  readonly milliseconds: string;
}

export function addBench(program: Command): void {
  program
    .command('bench')
    .description('measure the cost of requests against a hand-written plan and, with --peers, other gateways')
    .option('--peers <folder>', 'folder with other gateways, see docs/performance.md')
    .option(
      '--against <folder>',
      'compare with another checkout of Isthmus, installed and built; see docs/performance.md',
    )
    .option('--hub', 'measure the whole hub with its database, beside a hand-written program; see docs/performance.md')
    .option(
      '--scale <n>',
      'with --hub: 2,000 companies, 400 meters and 1,000,000 readings for each (at most 10 million)',
      '1',
    )
    .option('--parks <n>', 'with --hub: number of parks in the last part, with five installations each', '48')
    .option('--json', 'print only the results, as JSON')
    .option('--rounds <n>', 'number of rounds; the median is reported', '5')
    .option('--milliseconds <n>', 'duration of one load run', '1500')
    .action((options: BenchCommandOptions) =>
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
        const scale = wholeNumber(options.scale, {
          option: '--scale',
          min: 1,
          max: 100,
          example: 'isthmus bench --hub --scale 10',
        });
        const parks = wholeNumber(options.parks, {
          option: '--parks',
          min: 2,
          max: 99,
          example: 'isthmus bench --hub --parks 48',
        });
        const peers = options.peers === undefined ? undefined : resolve(options.peers);
        if (options.peers === '' || (peers && !statSync(peers, { throwIfNoEntry: false })?.isDirectory())) {
          throw new CommandError(
            `--peers must be a folder, found ${JSON.stringify(options.peers)}; docs/performance.md describes its contents`,
          );
        }
        const json = options.json ?? false;
        if (options.hub) {
          if (options.against !== undefined)
            throw new CommandError('--against and --hub cannot be combined; run the bench once with each');
          const { benchHub, HubBenchError } = await import('../bench/hub/index.ts');
          const met = await benchHub({ peers, json, rounds, milliseconds, scale, parks, say: writeLine }).catch(
            (error: unknown) => {
              throw error instanceof HubBenchError ? new CommandError(error.message) : error;
            },
          );
          process.exit(met ? 0 : 1);
        }
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
