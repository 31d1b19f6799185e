/** The `isthmus` command: each subcommand is one call into a room. */
import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { addBench, addOnboard, addSchema } from './commands/develop.ts';
import { addAudit, addExport, addMigrate, addToken, addVerify } from './commands/records.ts';
import { addConnector, addGateway, addSimulate, addStart } from './commands/serve.ts';
import { packageFolder } from './pictures.ts';

const { version } = JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8')) as { version: string };

const program = new Command('isthmus')
  .description("Isthmus joins a smart park's islands into one GraphQL graph; every answer comes with its proof.")
  .version(version)
  .showHelpAfterError('Run isthmus --help to see what there is.');

// In the order in which --help names them.
const commands = [
  addStart,
  addGateway,
  addConnector,
  addSimulate,
  addMigrate,
  addVerify,
  addAudit,
  addBench,
  addExport,
  addOnboard,
  addSchema,
  addToken,
];
for (const add of commands) add(program);

// Whoever reads no further (`| head`) has what they wanted.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

await program.parseAsync();
