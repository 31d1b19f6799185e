/** The commands that run until they are stopped: the hub, a bare gateway, one connector, the demo's simulators. */
import { existsSync, readFileSync } from 'node:fs';
import type { Server as HeldPort } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { heldPort, takePort } from '../../bin/port.js';
import { printStep } from '../../bin/progress.js';
import { readMilliseconds } from '../../connectors/kit/config/settings.ts';
import { makeLog } from '../../connectors/kit/log.ts';
import { nothingThere, prepareDataFolder } from '../data-folder.ts';
import { readEnvironment } from '../environment.ts';
import type { Hub } from '../main.ts';
import { type Lifetime, runUntilStopped } from '../ops/command-lifetime.ts';
import { packageFolder } from '../sources/schema-snapshots.ts';
import { CommandError, run, say } from './runner/command-runner.ts';

/** How long the first screen waits for the first look at the sources, in milliseconds. */
const FIRST_LOOK = 1_500;

/** The configuration in `file`, or the demo's; and what the environment says. `hub`: the hub itself reads it. */
async function loadConfig(file: string | undefined, hub: boolean) {
  const { readConfigFile } = await import('../../connectors/kit/config/config-file.ts');
  const { configurable } = await import('../../connectors/index.ts');
  const { simulatedEnvironment } = await import('../../connectors/simulators.ts');
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

/** Takes the port of the environment at once, unless `npm start` holds it already. `command` is what one would type again. */
async function takeOwnPort(command: string): Promise<HeldPort> {
  const { host, port } = readEnvironment(process.env);
  return heldPort() ?? takePort({ host, port, command, told: printStep });
}

async function startHub(options: { demo?: boolean; config?: string }, lifetime: Lifetime) {
  const { signal } = lifetime;
  const log = makeLog(undefined, process.env['ISTHMUS_LOG'] ?? (options.demo ? 'warn' : 'info'));
  const settings = readEnvironment(process.env);
  // Before anything is begun that would have to be ended when the port is taken.
  const held = await takeOwnPort(commandLine(options));
  let simulators: { stop(): Promise<void> } | null = null;
  let raised: Hub | null = null;
  let undo = (): void => undefined;
  try {
    undo = prepareDataFolder(settings.data);
    printStep('hub', 'loading the program');
    const { start } = await import('../main.ts');
    signal.throwIfAborted();
    if (options.demo) {
      const { startSimulators } = await import('../../connectors/simulators.ts');
      const progress = (text: string) => printStep('simulators', text);
      simulators = await startSimulators({ data: settings.data, withParent: true, signal, progress });
    }
    const { config } = await loadConfig(options.config, true);
    raised = await start({
      config,
      host: settings.host,
      port: settings.port,
      data: settings.data,
      databaseUrl: settings.databaseUrl,
      signingKey: settings.signingKey,
      natsUrl: settings.natsUrl,
      log,
      held,
      signal,
      progress: printStep,
    });
    const hub = raised;
    const { firstScreen } = await import('./actions/start-screen.ts');
    const { followFile } = await import('../sources/config-watcher.ts');
    await tellSources(hub, signal);
    const following = followFile(config.file, log, async () => {
      const next = await loadConfig(options.config, true);
      return hub.change(next.config);
    });
    lifetime.onReload(following.again);
    const seconds = (performance.now() / 1000).toFixed(1);
    // Last: whoever has read it may stop the hub, and that is an orderly stop.
    say(firstScreen({ hub, config, demo: options.demo ?? false, seconds, data: settings.data }));
    return async () => {
      following.close();
      await hub.stop();
      await simulators?.stop();
    };
  } catch (error) {
    // Whoever has taken it over has closed it already.
    held.close();
    await raised?.stop();
    await simulators?.stop();
    undo();
    throw error;
  }
}

/** What to type for another start like this one. */
const commandLine = (options: { demo?: boolean; config?: string }): string =>
  options.demo && !options.config
    ? 'npm start'
    : `isthmus start${options.demo ? ' --demo' : ''}${options.config ? ` --config ${options.config}` : ''}`;

/** A line on how many sources answer. Waits a moment for the first look at each; the hub is up already. */
async function tellSources(hub: Hub, signal: AbortSignal): Promise<void> {
  const hosts = hub.islands.hosts().filter((host) => host.name !== 'hub');
  const looked = Promise.all(hosts.flatMap((host) => host.sources().map(({ id }) => host.check(id))));
  await Promise.race([looked, pause(FIRST_LOOK, undefined, { ref: false, signal })]).catch(() => undefined);
  signal.throwIfAborted();
  const sources = hub.sources();
  const down = sources.filter((one) => one.state === 'DOWN').map((one) => one.id);
  const missing = down.length > 5 ? `${down.slice(0, 5).join(', ')} and ${down.length - 5} more` : down.join(', ');
  printStep(
    'connectors',
    `${sources.length - down.length} of ${sources.length} up${down.length > 0 ? `; not yet: ${missing}` : ''}`,
  );
}

/** `isthmus start`. */
export function addStart(program: Command): void {
  program
    .command('start')
    .description('bring the hub up: gateway, connectors and database in one process')
    .option('--demo', 'start the simulators of the demo park too')
    .option('--config <file>', 'isthmus.yaml with parks and installations (default: the demo)')
    .action((options: { demo?: boolean; config?: string }) =>
      run(() => runUntilStopped((lifetime) => startHub(options, lifetime), { say, reloads: true })),
    );
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
        const deadline = readDeadline(options.deadline);
        const file = process.env['SUPERGRAPH'];
        if (!file || !existsSync(file)) {
          throw new CommandError(
            `SUPERGRAPH must name a file with a supergraph, found ${JSON.stringify(file ?? null)}; example: SUPERGRAPH=supergraph.graphql isthmus gateway`,
          );
        }
        await runUntilStopped((lifetime) => startBareGateway({ ...options, file, deadline }, lifetime), {
          say,
          reloads: true,
        });
      }),
    );
}

async function startBareGateway(
  options: { file: string; deadline: number; unprotected?: boolean },
  lifetime: Lifetime,
): Promise<() => Promise<void>> {
  const { file } = options;
  const { host, port } = readEnvironment(process.env);
  const unprotected = options.unprotected ?? false;
  const { refuseUnprotected, startGateway } = await import('../standalone-gateway.ts');
  refuseUnprotected(host, unprotected);
  const gateway = await startGateway({
    supergraph: readFileSync(file, 'utf8'),
    host,
    port,
    held: await takeOwnPort('isthmus gateway'),
    unprotected,
    deadline: options.deadline,
    log: makeLog(undefined, process.env['ISTHMUS_LOG'] ?? 'warn'),
  });
  const { holdLittle } = await import('../ops/garbage-collection.ts');
  holdLittle();
  lifetime.onReload(() => {
    new Promise<void>((resolve) => resolve(gateway.reload(readFileSync(file, 'utf8')))).then(
      () => say('The supergraph was read again.'),
      (error: unknown) => say(`The supergraph stays as it was: ${error instanceof Error ? error.message : error}`),
    );
  });
  say(`The gateway answers at ${gateway.url}/graphql`);
  return () => gateway.stop();
}

/** `isthmus connector NAME`. */
export function addConnector(program: Command): void {
  program
    .command('connector <name>')
    .description('serve one connector as a subgraph of its own; needs DATABASE_URL')
    .option('--config <file>', 'isthmus.yaml with parks and installations (default: the demo)')
    .action((name: string, options: { config?: string }) =>
      run(async () => {
        await runUntilStopped((lifetime) => startConnector(name, options.config, lifetime), { say, reloads: false });
      }),
    );
}

async function startConnector(
  name: string,
  file: string | undefined,
  { signal }: Lifetime,
): Promise<() => Promise<void>> {
  const { config, settings } = await loadConfig(file, false);
  if (settings.databaseUrl === null) {
    throw new CommandError(
      "DATABASE_URL is missing: a connector of its own shares the hub's database; example: DATABASE_URL=postgres://isthmus:password@127.0.0.1:5432/isthmus",
    );
  }
  const held = await takeOwnPort(`isthmus connector ${name}`);
  const { serveConnector } = await import('../../connectors/connector-process.ts');
  const served = await serveConnector({
    name,
    config,
    databaseUrl: settings.databaseUrl,
    host: settings.host,
    port: settings.port,
    held,
    signal,
    log: makeLog(),
  });
  say(`The connector ${name} answers at ${served.url}/graphql`);
  return () => served.stop();
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
          const { simulateCommand, simulatorNames } = await import('../../connectors/simulators.ts');
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
