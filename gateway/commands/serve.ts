/** The commands that run until they are stopped: the hub, a bare gateway, one connector, the demo's simulators. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { makeLog } from '../../connectors/kit/log.ts';
import { readMilliseconds } from '../../connectors/kit/settings.ts';
import { onSignals } from '../ops/shutdown.ts';
import { packageFolder } from '../pictures.ts';
import { readEnvironment } from '../settings.ts';
import { nothingThere } from '../trust-place.ts';
import { CommandError, run, say } from './run.ts';

/** The configuration in `file`, or the demo's; and what the environment says. `hub`: the hub itself reads it. */
async function loadConfig(file: string | undefined, hub: boolean) {
  const { readConfigFile } = await import('../../connectors/kit/host/config/index.ts');
  const { configurable } = await import('../../connectors/index.ts');
  const { simulatedEnvironment } = await import('../../connectors/simulate.ts');
  const path = file !== undefined ? resolve(file) : join(packageFolder(), 'isthmus.demo.yaml');
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
    if (file === undefined && error instanceof Error && error.name === 'ConfigError')
      error.message += `\nThis is the demo park's file, and its legacy systems are simulators, which were looked for in ${resolve(settings.data)}: npm start (isthmus start --demo) starts them with the hub. Name a file of your own with --config.`;
    throw error;
  }
}

async function startHub(options: { demo?: boolean; config?: string }): Promise<void> {
  const began = performance.now();
  const log = makeLog(undefined, process.env['ISTHMUS_LOG'] ?? (options.demo ? 'warn' : 'info'));
  const settings = readEnvironment(process.env);
  const { start } = await import('../main.ts');
  let simulators: { stop(): Promise<void> } | null = null;
  if (options.demo) {
    const { startSimulators } = await import('../../connectors/simulate.ts');
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
    const { firstScreen } = await import('../screen.ts');
    say(firstScreen({ hub, config, demo: options.demo ?? false, seconds, data: settings.data }));
    const { followFile } = await import('../follow-file.ts');
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

/** `isthmus start`. */
export function addStart(program: Command): void {
  program
    .command('start')
    .description('bring the hub up: gateway, connectors and database in one process')
    .option('--demo', 'start the simulators of the demo park too')
    .option('--config <file>', 'isthmus.yaml with parks and installations (default: the demo)')
    .action((options: { demo?: boolean; config?: string }) => run(() => startHub(options)));
}

/** `--deadline` in milliseconds, above 0. Throws `CommandError`. */
function readDeadline(given: string): number {
  try {
    const time = readMilliseconds(given);
    if (time > 0) return time;
  } catch {
    // Named below.
  }
  throw new CommandError(
    `--deadline must be a duration above 0 such as 500ms, 10s or 1m, found ${JSON.stringify(given)}; example: isthmus gateway --deadline 10s`,
  );
}

/** `isthmus gateway`. */
export function addGateway(program: Command): void {
  program
    .command('gateway')
    .description('serve any Federation 2 supergraph: SUPERGRAPH=file.graphql PORT=4000 isthmus gateway')
    .option('--unprotected', 'allow another HOST than loopback, without any sign-in')
    .option(
      '--deadline <duration>',
      'how long one operation may take; what has not been answered by then is null',
      '10s',
    )
    .action((options: { unprotected?: boolean; deadline: string }) =>
      run(async () => {
        const { startGateway } = await import('../plain.ts');
        const deadline = readDeadline(options.deadline);
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
          deadline,
          log: makeLog(undefined, process.env['ISTHMUS_LOG'] ?? 'warn'),
        });
        const { holdLittle } = await import('../memory.ts');
        holdLittle();
        say(`The gateway answers at ${gateway.url}/graphql`);
        process.on('SIGHUP', () => {
          new Promise<void>((resolve) => resolve(gateway.reload(readFileSync(file, 'utf8')))).then(
            () => say('The supergraph was read again.'),
            (error: unknown) =>
              say(`The supergraph stays as it was: ${error instanceof Error ? error.message : error}`),
          );
        });
        onSignals(() => gateway.stop());
      }),
    );
}

/** `isthmus connector NAME`. */
export function addConnector(program: Command): void {
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
        const { serveConnector } = await import('../../connectors/serve.ts');
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
}

/** `isthmus simulate`. */
export function addSimulate(program: Command): void {
  program
    .command('simulate [name]')
    .description('start a simulator of the demo park, or all; --stop stops it, --status tells what runs')
    .option('--stop', 'stop instead')
    .option('--status', 'tell which run')
    .option('--serve', 'be the simulator in this process (used by start)')
    .option('--fresh', 'forget what the simulator has kept and begin anew')
    .action(
      (name: string | undefined, options: { stop?: boolean; status?: boolean; serve?: boolean; fresh?: boolean }) =>
        run(async () => {
          const { simulateCommand, simulatorNames } = await import('../../connectors/simulate.ts');
          const { data } = readEnvironment(process.env);
          // All simulators, or one begun anew, may begin a demo; anything else is about a demo that is there.
          const begins = !options.stop && !options.status && (name === undefined || options.fresh === true);
          const isKnown = name === undefined || simulatorNames().includes(name);
          if (isKnown && !begins && !existsSync(resolve(data, 'simulators')))
            throw nothingThere('no demo (simulators/), which npm start makes', data);
          await simulateCommand({ name, ...options, data, say });
        }),
    );
}
