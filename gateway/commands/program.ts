/** The `isthmus` command with all its subcommands. */
import { Command } from 'commander';
import { addBench, addOnboard, addSchema } from './develop.ts';
import { addMigrate } from './migrate.ts';
import { addAudit, addExport, addToken, addVerify } from './records.ts';
import { INVOCATION, nameCommands } from './runner/invocation.ts';
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

/** Those that run until they are stopped, in an order of their own. */
const SERVING = ['start', 'gateway', 'connector'];

/** The program, not yet run. `serves` is called before a command that runs until it is stopped. */
export function makeProgram(version: string, serves: () => void = () => undefined): Command {
  const program = new Command('isthmus')
    .description("Isthmus joins a smart park's islands into one GraphQL graph; every answer comes with its proof.")
    .version(version)
    .showHelpAfterError(`Run ${INVOCATION} --help to see what there is.`)
    .addHelpText('after', `\nHere it is called as: ${INVOCATION} <command>`);
  for (const add of COMMANDS) add(program);
  program.hook('preAction', (_, command) => {
    if (SERVING.includes(command.name())) serves();
  });
  nameCommands(program.commands.map((one) => one.name()));
  return program;
}
