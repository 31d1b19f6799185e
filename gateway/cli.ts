/** The `isthmus` command. */
import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLog } from '../connectors/kit/log.ts';
import { createProgram } from './commands/program.ts';
import { fail } from './commands/runner/command-runner.ts';
import { endOnSignals } from './ops/signals.ts';
import { packageFolder } from './sources/schema-snapshots.ts';

const { version } = JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8')) as { version: string };

/** True for commands that run until they are stopped: hub, gateway, connector. */
let isServing = false;

endOnSignals();

// A command whose reader is gone (`| head`) exits; a hub continues without output.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    if (!isServing) process.exit();
  });
}
process.on('uncaughtException', (error) => {
  // A crash may not be reproducible, so the log keeps the stack.
  if (isServing) createLog().error('Uncaught exception. Exiting.', { error, stack: error?.stack });
  fail(error);
});

await createProgram(version, () => {
  isServing = true;
}).parseAsync();
