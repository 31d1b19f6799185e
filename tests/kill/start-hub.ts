/** Starts a hub of the kill test: without sources, except for one configured source that `reload` adds and removes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { configurable } from '../../connectors/index.ts';
import { readConfig } from '../../connectors/kit/config/config-file.ts';
import { createLog } from '../../connectors/kit/log.ts';
import { startHub } from '../../gateway/main.ts';

const FILE = join(import.meta.dirname, '..', '..', 'isthmus.demo.yaml');

/** With the source the supergraph has additional types. Nothing listens at its address, which does not matter here. */
function config(withIsland: boolean) {
  const demo = parse(readFileSync(FILE, 'utf8')) as { installations: { connector: string; system?: string }[] };
  const configuredSource = demo.installations.filter(
    (installation) => installation.connector === 'mesh' && installation.system === 'environment',
  );
  return readConfig(
    stringify({
      parks: [{ id: 'lakeside', name: 'Lakeside', region: '500112' }],
      installations: withIsland ? configuredSource : [],
      anonymous: 'developer',
    }),
    FILE,
    configurable,
    { LAKESIDE_ENVIRONMENT_URL: 'http://127.0.0.1:9', LAKESIDE_ENVIRONMENT_KEY: 'none' },
  );
}

export interface HubSettings {
  readonly databaseUrl: string;
  readonly data: string;
  readonly port: number;
  readonly natsUrl: string | null;
}

export interface RunningHub {
  /** Switches to another supergraph; rejects if the graph has not changed. */
  reload(): Promise<void>;
  stop(): Promise<void>;
}

export async function startKillTestHub(place: HubSettings): Promise<RunningHub> {
  const hub = await startHub({
    config: config(false),
    host: '127.0.0.1',
    ...place,
    // Errors are expected here; a failed start rejects.
    log: createLog(() => undefined),
  });
  let withIsland = false;
  return {
    reload: async () => {
      const before = hub.operations.graph.schema;
      await hub.applyConfig(config(!withIsland));
      withIsland = !withIsland;
      if (hub.operations.graph.schema === before) throw new Error('The graph is the same after the reload.');
    },
    stop: () => hub.stop(),
  };
}
