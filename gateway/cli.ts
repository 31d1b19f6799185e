/** The `isthmus` command: each subcommand is one call into a room. */
import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeLog } from '../connectors/kit/log.ts';
import { makeProgram } from './commands/program.ts';
import { fail } from './commands/runner/command-runner.ts';
import { endOnSignals } from './ops/signals.ts';
import { packageFolder } from './sources/schema-snapshots.ts';

const { version } = JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8')) as { version: string };

/** Whether the command runs until it is stopped: the hub, a gateway, a connector. */
let isServing = false;

endOnSignals();

// Whoever reads no further (`| head`) has what they wanted. A hub whose output nobody reads any more runs on.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    if (!isServing) process.exit();
  });
}
process.on('uncaughtException', (error) => {
  // A hub's last words are a line of its log, with the stack: nobody can make the same thing happen again.
  if (isServing) makeLog().error('Unexpected fault: the process ends.', { error, stack: error?.stack });
  fail(error);
});

await makeProgram(version, () => {
  isServing = true;
}).parseAsync();
