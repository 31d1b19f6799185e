/** `isthmus start`: takes the port, starts the processes of a demo, then the hub, and follows the configuration file. */
import { setTimeout as pause } from 'node:timers/promises';
import { printStep } from '../../../bin/progress.js';
import { createLog } from '../../../connectors/kit/log.ts';
import { prepareDataFolder } from '../../data-folder.ts';
import { readEnvironment } from '../../environment.ts';
import type { Hub } from '../../main.ts';
import type { Lifetime } from '../../ops/command-lifetime.ts';
import { writeLine } from '../runner/command-runner.ts';
import { loadConfig, takeOwnPort } from './load-config.ts';
import type { StartupProcesses } from './startup-processes.ts';

export interface StartOptions {
  readonly demo?: boolean;
  readonly config?: string;
}

/** How long the start screen waits for the first health checks, in milliseconds. */
const FIRST_CHECKS = 1_500;

/** Resolves when the hub is up, with what stops it. After a rejection nothing that it started is running. */
export async function startCommand(options: StartOptions, lifetime: Lifetime): Promise<() => Promise<void>> {
  const { signal } = lifetime;
  const log = createLog(undefined, process.env['ISTHMUS_LOG'] ?? (options.demo ? 'warn' : 'info'));
  const settings = readEnvironment(process.env);
  // First, so that a port in use ends the command before anything is started.
  const held = await takeOwnPort(commandLine(options));
  const failure = new AbortController();
  let processes: StartupProcesses | null = null;
  let started: Hub | null = null;
  let undo = (): void => undefined;
  try {
    undo = prepareDataFolder(settings.data);
    if (options.demo) {
      const { StartupProcesses } = await import('./startup-processes.ts');
      processes = await StartupProcesses.start(settings, AbortSignal.any([signal, failure.signal]));
    }
    printStep('hub', 'loading modules');
    const [{ startHub }] = await Promise.all([import('../../main.ts'), processes?.simulators]);
    signal.throwIfAborted();
    const { config } = await loadConfig(options.config, { withHubPort: true });
    started = await startHub({
      config,
      ...(processes?.cluster ? { cluster: processes.cluster } : {}),
      host: settings.host,
      port: settings.port,
      data: settings.data,
      databaseUrl: settings.databaseUrl,
      signingKey: settings.signingKey,
      natsUrl: settings.natsUrl,
      log,
      heldPort: held,
      signal,
      progress: printStep,
    });
    const hub = started;
    const { startScreen } = await import('./start-screen.ts');
    const { watchConfig } = await import('../../sources/config-watcher.ts');
    await printSourceStates(hub, signal);
    const following = watchConfig(config.file, log, async () => {
      const next = await loadConfig(options.config, { withHubPort: true });
      return hub.applyConfig(next.config);
    });
    lifetime.onReload(following.reload);
    const seconds = (performance.now() / 1000).toFixed(1);
    // Last: from here on a stop is an orderly one.
    writeLine(startScreen({ hub, config, demo: options.demo ?? false, seconds, data: settings.data }));
    return async () => {
      following.close();
      await hub.stop();
      await processes?.stop();
    };
  } catch (error) {
    failure.abort(error);
    // Has no effect when the HTTP server has taken the port over.
    held.close();
    await started?.stop();
    await processes?.stop();
    undo();
    throw error;
  }
}

/** The command that starts the same hub again. */
const commandLine = (options: StartOptions): string =>
  options.demo && !options.config
    ? 'npm start'
    : `isthmus start${options.demo ? ' --demo' : ''}${options.config ? ` --config ${options.config}` : ''}`;

/** Prints how many sources are up, after their first health checks or `FIRST_CHECKS`, whichever comes first. */
async function printSourceStates(hub: Hub, signal: AbortSignal): Promise<void> {
  const hosts = hub.registry.hosts().filter((host) => host.name !== 'hub');
  const checks = Promise.all(hosts.flatMap((host) => host.sourceStatuses().map(({ id }) => host.check(id))));
  await Promise.race([checks, pause(FIRST_CHECKS, undefined, { ref: false, signal })]).catch(() => undefined);
  signal.throwIfAborted();
  const sources = hub.sources();
  const down = sources.filter((source) => source.state === 'DOWN').map((source) => source.id);
  const names = down.length > 5 ? `${down.slice(0, 5).join(', ')} and ${down.length - 5} more` : down.join(', ');
  printStep(
    'connectors',
    `${sources.length - down.length} of ${sources.length} up${down.length > 0 ? `; not yet: ${names}` : ''}`,
  );
}
