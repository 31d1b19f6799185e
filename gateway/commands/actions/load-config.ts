/** What the serving commands begin with: the configuration file, and the port. */
import type { Server as HeldPort } from 'node:net';
import { join, resolve } from 'node:path';
import { takeHeldPort, takePort } from '../../../bin/port.js';
import { printStep } from '../../../bin/progress.js';
import { readEnvironment } from '../../environment.ts';
import { packageFolder } from '../../sources/schema-snapshots.ts';

/**
 * Reads the configuration in `file` (undefined: the demo's) and the environment. `withHubPort`: `HUB_PORT` in the file is this process's
 * port. Throws `ConfigError` that names everything that is wrong in the file.
 */
export async function loadConfig(file: string | undefined, { withHubPort }: { withHubPort: boolean }) {
  const { readConfigFile } = await import('../../../connectors/kit/config/config-file.ts');
  const { configurable } = await import('../../../connectors/index.ts');
  const { simulatorEnvironment } = await import('../../../connectors/simulators.ts');
  const path = file !== undefined ? resolve(file) : join(packageFolder(), 'isthmus.demo.yaml');
  const settings = readEnvironment(process.env);
  // Running simulators publish their addresses as variables; the process's own environment takes precedence.
  const environment = {
    ...simulatorEnvironment(settings.data),
    ...(withHubPort ? { HUB_PORT: String(settings.port) } : {}),
    ...process.env,
  };
  try {
    return { config: readConfigFile(path, configurable, environment), settings };
  } catch (error) {
    if (file === undefined && error instanceof Error && error.name === 'ConfigError')
      error.message += `\nThis is the configuration of the demo park, and its simulators are not running (searched in ${resolve(settings.data)}). Start them with the hub: npm start (isthmus start --demo). To use your own configuration: --config isthmus.yaml`;
    throw error;
  }
}

/** Takes the port of the environment, unless `npm start` has taken it. `command` is repeated in the message of a `PortError`. */
export async function takeOwnPort(command: string): Promise<HeldPort> {
  const { host, port } = readEnvironment(process.env);
  return takeHeldPort() ?? takePort({ host, port, command, onProgress: printStep });
}
