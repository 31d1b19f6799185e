/** `isthmus connector NAME`. */
import { createLog } from '../../../connectors/kit/log.ts';
import type { Lifetime } from '../../ops/command-lifetime.ts';
import { CommandError, writeLine } from '../runner/command-runner.ts';
import { loadConfig, takeOwnPort } from './load-config.ts';

/** `file`: the configuration; undefined: the demo's. Resolves when the subgraph is up, with what stops it. */
export async function startConnector(
  name: string,
  file: string | undefined,
  { signal }: Lifetime,
): Promise<() => Promise<void>> {
  const { config, settings } = await loadConfig(file, { withHubPort: false });
  if (settings.databaseUrl === null) {
    throw new CommandError(
      "DATABASE_URL is missing: a connector in its own process uses the hub's database; example: DATABASE_URL=postgres://isthmus:password@127.0.0.1:5432/isthmus",
    );
  }
  const held = await takeOwnPort(`isthmus connector ${name}`);
  const { serveConnector } = await import('../../../connectors/connector-process.ts');
  const served = await serveConnector({
    name,
    config,
    databaseUrl: settings.databaseUrl,
    host: settings.host,
    port: settings.port,
    heldPort: held,
    signal,
    log: createLog(),
  });
  writeLine(`Connector ${name} is ready at ${served.url}/graphql`);
  return () => served.stop();
}
