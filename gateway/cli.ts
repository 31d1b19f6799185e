/** The `isthmus` command: each subcommand is one call into a room. */
import 'reflect-metadata';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { makeLog } from '../connectors/kit/log.ts';
import { onSignals } from './ops/shutdown.ts';
import { packageFolder } from './pictures.ts';
import { type GatewaySettings, readEnvironment } from './settings.ts';
import type { TokenOptions } from './trust/token-command.ts';

const version = (): string =>
  (JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8')) as { version: string }).version;

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** Errors that are sentences for people; anything else is a fault of ours and keeps its stack. */
const SENTENCES = [
  'ConfigError',
  'EnvironmentError',
  'PortError',
  'DatabaseError',
  'SchemaVersionError',
  'CompositionError',
  'CommandError',
  'ChangeRefused',
  'DeclarationError',
  'AuditFileError',
  'SigningKeyError',
];

class CommandError extends Error {
  override name = 'CommandError';
}

function fail(error: unknown): never {
  const known = error instanceof Error && SENTENCES.includes(error.name);
  process.stderr.write(
    known ? `${error.message}\n` : `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exit(1);
}

/** Runs the command's body; every fault ends the process with code 1. */
const run = (body: () => Promise<void>): Promise<void> => body().catch(fail);

async function loadConfig(file: string | undefined, hub: boolean) {
  const { readConfigFile } = await import('../connectors/kit/host/config/index.ts');
  const { configurable } = await import('../connectors/index.ts');
  const { simulatedEnvironment } = await import('../connectors/simulate.ts');
  const path = file ? resolve(file) : join(packageFolder(), 'isthmus.demo.yaml');
  const settings = readEnvironment(process.env);
  // What running simulators say of themselves stands behind the environment, so that the demo's file finds them.
  const environment = {
    ...simulatedEnvironment(settings.data),
    ...(hub ? { HUB_PORT: String(settings.port) } : {}),
    ...process.env,
  };
  try {
    return { config: readConfigFile(path, configurable, environment), settings };
  } catch (error) {
    if (!file && error instanceof Error && error.name === 'ConfigError')
      error.message += `\nThis is the demo park's file, and its legacy systems are simulators: npm start (isthmus start --demo) starts them with the hub. Name a file of your own with --config.`;
    throw error;
  }
}

async function startHub(options: { demo?: boolean; config?: string }): Promise<void> {
  const began = performance.now();
  const log = makeLog(undefined, process.env['ISTHMUS_LOG'] ?? (options.demo ? 'warn' : 'info'));
  const settings: GatewaySettings = readEnvironment(process.env);
  const { start } = await import('./main.ts');
  let simulators: { stop(): Promise<void> } | null = null;
  if (options.demo) {
    const { startSimulators } = await import('../connectors/simulate.ts');
    simulators = await startSimulators({ data: settings.data });
  }
  try {
    const { config } = await loadConfig(options.config, true);
    const hub = await start({
      config,
      host: settings.host,
      port: settings.port,
      data: settings.data,
      databaseUrl: settings.databaseUrl,
      signingKey: settings.signingKey,
      natsUrl: settings.natsUrl,
      log,
    });
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const { firstScreen } = await import('./screen.ts');
    say(firstScreen({ hub, config, demo: options.demo ?? false, seconds, data: settings.data }));
    const { followFile } = await import('./follow-file.ts');
    const following = followFile(config.file, log, async () => {
      const next = await loadConfig(options.config, true);
      return hub.change(next.config);
    });
    onSignals(async () => {
      say('Stopping: finishing what is under way.');
      following.close();
      await hub.stop();
      await simulators?.stop();
      say('Stopped.');
    });
  } catch (error) {
    await simulators?.stop();
    throw error;
  }
}

const several = (one: string, before: string[] = []): string[] => [...before, one];

interface OnboardFlags {
  readonly url?: string;
  readonly system?: string;
  readonly park?: string;
  readonly header?: string[];
  readonly table?: string[];
  readonly config: string;
  readonly yes?: boolean;
  readonly undo?: string;
}

const program = new Command('isthmus')
  .description("Isthmus joins a smart park's islands into one GraphQL graph; every answer comes with its proof.")
  .version(version())
  .showHelpAfterError('Run isthmus --help to see what there is.');

program
  .command('start')
  .description('bring the hub up: gateway, connectors and database in one process')
  .option('--demo', 'start the simulators of the demo park too')
  .option('--config <file>', 'isthmus.yaml with parks and installations (default: the demo)')
  .action((options: { demo?: boolean; config?: string }) => run(() => startHub(options)));

program
  .command('gateway')
  .description('serve any Federation 2 supergraph: SUPERGRAPH=file.graphql PORT=4000 isthmus gateway')
  .option('--unprotected', 'allow another HOST than loopback, without any sign-in')
  .action((options: { unprotected?: boolean }) =>
    run(async () => {
      const { startGateway } = await import('./plain.ts');
      const file = process.env['SUPERGRAPH'];
      if (!file || !existsSync(file)) {
        throw new CommandError(
          `SUPERGRAPH must name a file with a supergraph, found ${JSON.stringify(file ?? null)}; example: SUPERGRAPH=supergraph.graphql isthmus gateway`,
        );
      }
      const { host, port } = readEnvironment(process.env);
      const gateway = await startGateway({
        supergraph: readFileSync(file, 'utf8'),
        host,
        port,
        unprotected: options.unprotected ?? false,
        log: makeLog(undefined, process.env['ISTHMUS_LOG'] ?? 'warn'),
      });
      const { holdLittle } = await import('./memory.ts');
      holdLittle();
      say(`The gateway answers at ${gateway.url}/graphql`);
      process.on('SIGHUP', () => {
        new Promise<void>((resolve) => resolve(gateway.reload(readFileSync(file, 'utf8')))).then(
          () => say('The supergraph was read again.'),
          (error: unknown) => say(`The supergraph stays as it was: ${error instanceof Error ? error.message : error}`),
        );
      });
      onSignals(() => gateway.stop());
    }),
  );

program
  .command('connector <name>')
  .description('serve one connector as a subgraph of its own; needs DATABASE_URL')
  .option('--config <file>', 'isthmus.yaml with parks and installations (default: the demo)')
  .action((name: string, options: { config?: string }) =>
    run(async () => {
      const { config, settings } = await loadConfig(options.config, false);
      if (settings.databaseUrl === null) {
        throw new CommandError(
          "DATABASE_URL is missing: a connector of its own shares the hub's database; example: DATABASE_URL=postgres://isthmus:password@127.0.0.1:5432/isthmus",
        );
      }
      const { serveConnector } = await import('../connectors/serve.ts');
      const served = await serveConnector({
        name,
        config,
        databaseUrl: settings.databaseUrl,
        host: settings.host,
        port: settings.port,
        log: makeLog(),
      });
      say(`The connector ${name} answers at ${served.url}/graphql`);
      onSignals(() => served.stop());
    }),
  );

program
  .command('simulate [name]')
  .description('start a simulator of the demo park, or all; --stop stops it, --status tells what runs')
  .option('--stop', 'stop instead')
  .option('--status', 'tell which run')
  .option('--serve', 'be the simulator in this process (used by start)')
  .option('--fresh', 'forget what the simulator has kept and begin anew')
  .action((name: string | undefined, options: { stop?: boolean; status?: boolean; serve?: boolean; fresh?: boolean }) =>
    run(async () => {
      const { simulateCommand } = await import('../connectors/simulate.ts');
      await simulateCommand({ name, ...options, data: readEnvironment(process.env).data, say });
    }),
  );

program
  .command('migrate')
  .description('bring the database in DATABASE_URL to this version; --down takes the newest step back')
  .option('--down', 'take the newest step back')
  .action((options: { down?: boolean }) =>
    run(async () => {
      const { databaseUrl } = readEnvironment(process.env);
      if (databaseUrl === null) {
        throw new CommandError(
          'DATABASE_URL is missing; example: DATABASE_URL=postgres://isthmus:password@127.0.0.1:5432/isthmus isthmus migrate (the embedded database migrates by itself)',
        );
      }
      const { openDatabase } = await import('../schema/database/open.ts');
      const { migrate, migrateDown } = await import('../migrations/migrate.ts');
      const database = await openDatabase(databaseUrl, { pool: 2 });
      try {
        if (options.down)
          say(`Taken back: ${(await migrateDown(database.source)) ?? 'nothing, the database is empty'}`);
        else {
          const made = await migrate(database.source);
          say(made.length > 0 ? `Done: ${made.join(', ')}` : 'Nothing to do: the database is of this version.');
        }
      } finally {
        await database.close();
      }
    }),
  );

/** Keys that may have signed: named by id, or by a saved key set. */
async function trustedKeys(options: { key?: string[]; keys?: string }): Promise<string[] | undefined> {
  const { keysOfFile } = await import('./trust/audit-say.ts');
  const all = [...(options.key ?? []), ...(options.keys ? keysOfFile(resolve(options.keys)) : [])];
  return all.length > 0 ? all : undefined;
}

program
  .command('verify <file>')
  .description('verify a signed answer without the hub: query, variables, data and provenance are as they were signed')
  .option('--key <id...>', 'ids of the keys that may have signed (default: any, and it is named)')
  .option('--keys <file>', 'a key set saved from /.well-known/isthmus-keys.json')
  .action((file: string, options: { key?: string[]; keys?: string }) =>
    run(async () => {
      const { verifyAnswerFile } = await import('./trust/audit-say.ts');
      if (!(await verifyAnswerFile(resolve(file), await trustedKeys(options), say))) process.exit(1);
    }),
  );

const audit = program.command('audit').description('the audit log: who has read protected data');

audit
  .command('verify <file>')
  .description('verify an export without the hub: names the first broken entry, cut tails and missing chains')
  .option('--key <id...>', 'ids of the keys that may have signed (default: every key that the file names)')
  .option('--keys <file>', 'a key set saved from /.well-known/isthmus-keys.json')
  .option('--known <number:hash>', 'newest statement of an earlier verification, which the log must still hold')
  .action((file: string, options: { key?: string[]; keys?: string; known?: string }) =>
    run(async () => {
      const { readKnown, verifyFile } = await import('./trust/audit-say.ts');
      const trusted = await trustedKeys(options);
      const whole = await verifyFile(
        resolve(file),
        {
          ...(trusted ? { trusted } : {}),
          ...(options.known ? { known: readKnown(options.known) } : {}),
        },
        say,
      );
      if (!whole) process.exit(1);
    }),
  );

program
  .command('bench')
  .description('measure what a request costs beside a hand-written plan and, with --peers, other gateways')
  .option('--peers <folder>', 'a folder with other gateways, see docs/performance.md')
  .option('--json', 'print the targets as JSON and nothing else')
  .option('--rounds <n>', 'rounds whose median counts', '5')
  .option('--milliseconds <n>', 'length of one load', '1500')
  .action((options: { peers?: string; json?: boolean; rounds: string; milliseconds: string }) =>
    run(async () => {
      const { bench } = await import('./bench/index.ts');
      const met = await bench({
        peers: options.peers && resolve(options.peers),
        json: options.json ?? false,
        rounds: Number(options.rounds),
        milliseconds: Number(options.milliseconds),
        say,
      });
      process.exit(met ? 0 : 1);
    }),
  );

audit
  .command('trim')
  .description('drop entries before a day; the rest still verifies')
  .requiredOption('--before <day>', 'such as 2026-01-31')
  .action((options: { before: string }) =>
    run(async () => {
      const before = new Date(options.before);
      if (!/^\d{4}-\d\d-\d\d$/.test(options.before) || Number.isNaN(before.getTime())) {
        throw new CommandError(`--before must be a day, found ${JSON.stringify(options.before)}; example: 2026-01-31`);
      }
      const { trimCommand } = await import('./trust-command.ts');
      await trimCommand(before, say);
    }),
  );

audit
  .command('erase <type> <id>')
  .description('erase the salt of an entity, such as Company 91500112000060409P: no entry can be traced to it any more')
  .action((type: string, id: string) =>
    run(async () => {
      const { eraseCommand } = await import('./trust-command.ts');
      await eraseCommand(type, id, say);
    }),
  );

program
  .command('export')
  .description("take the hub's own records out")
  .command('audit <file>')
  .description('write the audit log into a file that isthmus audit verify reads')
  .action((file: string) =>
    run(async () => {
      const { exportCommand } = await import('./trust-command.ts');
      await exportCommand(file, say);
    }),
  );

program
  .command('onboard [kind] [source]')
  .description('connect a system by its description: probe, draft, compare, write; kind: openapi, wsdl, csv or sql')
  .option('--url <address>', 'base address of the system (default: where the description comes from)')
  .option('--system <name>', 'name of the kind of system, such as environment')
  .option('--park <id>', 'park in which it stands (default: the first)')
  .option('--header <name=VARIABLE>', 'header whose value the environment holds; may be given several times', several)
  .option('--table <name>', 'table or view of a database; may be given several times', several)
  .option('--config <file>', 'isthmus.yaml to add it to', 'isthmus.yaml')
  .option('--yes', 'write without asking')
  .option('--undo <system>', 'take out what was written for this system')
  .action((kind: string | undefined, source: string | undefined, options: OnboardFlags) =>
    run(async () => {
      const { KINDS, onboard, undoOnboard } = await import('./onboard-command/index.ts');
      if (options.undo) return undoOnboard({ system: options.undo, config: options.config, say });
      const found = KINDS.find((one) => one === kind);
      if (!found || !source || !options.system) {
        throw new CommandError(
          `What shall be connected? Kinds are ${KINDS.join(', ')}. Example: isthmus onboard openapi sensors.openapi.json --system environment --url https://sensors.example/api`,
        );
      }
      const { simulatedEnvironment } = await import('../connectors/simulate.ts');
      await onboard({
        kind: found,
        source,
        url: options.url ?? null,
        system: options.system,
        park: options.park ?? null,
        config: options.config,
        headers: options.header ?? [],
        tables: options.table ?? [],
        yes: options.yes ?? false,
        environment: { ...simulatedEnvironment(readEnvironment(process.env).data), ...process.env },
        say,
        terminal: process.stdout.isTTY === true && process.stdin.isTTY === true,
      });
    }),
  );

program
  .command('schema')
  .description(
    'print the pictures (subgraphs, supergraph, public graph, database, settings); --check compares and lints',
  )
  .option('--check', 'compare with what is checked in, and lint')
  .action((options: { check?: boolean }) =>
    run(async () => {
      const { schemaCommand } = await import('./schema-command.ts');
      if (!(await schemaCommand({ check: options.check ?? false, say }))) process.exit(1);
    }),
  );

program
  .command('token')
  .description("sign a token of the demo's own issuer, for auth: { demo: true }")
  .requiredOption('--role <role>', 'operator, portal, analyst, developer or company')
  .option('--park <id>', 'a park that it may see; may be given several times', several)
  .option('--company <uscc>', 'a company that it may act for; may be given several times', several)
  .option('--client <name>', 'the application (default: demo-<role>)')
  .option('--subject <name>', 'the person or machine (default: demo:<role>)')
  .option('--purpose <word>', 'why it asks, such as tax')
  .option('--minutes <number>', 'how long it is valid (default: 60)')
  .action((options: TokenOptions) =>
    run(async () => {
      const { tokenCommand } = await import('./trust/token-command.ts');
      const token = await tokenCommand(options, readEnvironment(process.env).data).catch((error: Error) => {
        throw error.name === 'HubError' ? new CommandError(error.message) : error;
      });
      say(token);
    }),
  );

await program.parseAsync();
