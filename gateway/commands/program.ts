/** The `isthmus` command with all its subcommands. */
import { Command } from 'commander';
import { addAudit, addExport } from './audit.ts';
import { addBench } from './bench.ts';
import { addConnector } from './connector.ts';
import { addGateway } from './gateway.ts';
import { addMigrate } from './migrate.ts';
import { addOnboard } from './onboard.ts';
import { INVOCATION, setCommandNames } from './runner/invocation.ts';
import { addSchema } from './schema.ts';
import { addSimulate } from './simulate.ts';
import { addStart } from './start.ts';
import { addToken } from './token.ts';
import { addVerify } from './verify.ts';

/** In the order of --help. */
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

/** Commands that run until they are stopped. */
const SERVER_COMMANDS = ['start', 'gateway', 'connector'];

/** The program, ready to parse arguments. `onServe` is called before one of `SERVER_COMMANDS` runs. */
export function createProgram(version: string, onServe: () => void = () => undefined): Command {
  const program = new Command('isthmus')
    .description('GraphQL integration hub for smart parks: joins the systems of a park in one federated graph.')
    .version(version)
    .showHelpAfterError(`Run ${INVOCATION} --help for the commands.`)
    .addHelpText('after', `\nRun a command here with: ${INVOCATION} <command>`);
  for (const add of COMMANDS) add(program);
  program.hook('preAction', (_, command) => {
    if (SERVER_COMMANDS.includes(command.name())) onServe();
  });
  setCommandNames(program.commands.map((command) => command.name()));
  return program;
}
