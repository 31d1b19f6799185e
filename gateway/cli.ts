/** The `isthmus` command: each subcommand is one call into a room. */
import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeProgram } from './commands/program.ts';
import { endOnSignals } from './ops/signals.ts';
import { packageFolder } from './pictures.ts';

const { version } = JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8')) as { version: string };

endOnSignals();

// Whoever reads no further (`| head`) has what they wanted.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

await makeProgram(version).parseAsync();
