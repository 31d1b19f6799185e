/** The `isthmus` command with all its subcommands. */
import { Command } from 'commander';
import { addBench, addOnboard, addSchema } from './develop.ts';
import { addMigrate } from './migrate.ts';
import { addAudit, addExport, addToken, addVerify } from './records.ts';
import { addConnector, addGateway, addSimulate, addStart } from './serve.ts';

/** In the order in which --help names them. */
const COMMANDS = [
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

/** The program, not yet run. */
export function makeProgram(version: string): Command {
  const program = new Command('isthmus')
    .description("Isthmus joins a smart park's islands into one GraphQL graph; every answer comes with its proof.")
    .version(version)
    .showHelpAfterError('Run isthmus --help to see what there is.');
  for (const add of COMMANDS) add(program);
  return program;
}
