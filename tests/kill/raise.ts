/** One hub of the kill test: no islands, and one by configuration that comes and goes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { configurable } from '../../connectors/index.ts';
import { readConfig } from '../../connectors/kit/config/config-file.ts';
import { makeLog } from '../../connectors/kit/log.ts';
import { start } from '../../gateway/main.ts';

const FILE = join(import.meta.dirname, '..', '..', 'isthmus.demo.yaml');

/** With the island the supergraph has other types; nothing answers at its address, which is its own trouble. */
function config(withIsland: boolean) {
  const demo = parse(readFileSync(FILE, 'utf8')) as { installations: { connector: string; system?: string }[] };
  const island = demo.installations.filter((one) => one.connector === 'mesh' && one.system === 'environment');
  return readConfig(
    stringify({
      parks: [{ id: 'lakeside', name: 'Lakeside', region: '500112' }],
      installations: withIsland ? island : [],
      anonymous: 'developer',
    }),
    FILE,
    configurable,
    { LAKESIDE_ENVIRONMENT_URL: 'http://127.0.0.1:9', LAKESIDE_ENVIRONMENT_KEY: 'none' },
  );
}

export interface Place {
  readonly databaseUrl: string;
  readonly data: string;
  readonly port: number;
  readonly natsUrl: string | null;
}

export interface Raised {
  /** Goes over to another supergraph; rejects when it is the same afterwards. */
  reload(): Promise<void>;
  stop(): Promise<void>;
}

export async function raise(place: Place): Promise<Raised> {
  const hub = await start({
    config: config(false),
    host: '127.0.0.1',
    ...place,
    // What happens here is meant to happen; a start that fails rejects.
    log: makeLog(() => undefined),
  });
  let withIsland = false;
  return {
    reload: async () => {
      const before = hub.operations.schema;
      await hub.change(config(!withIsland));
      withIsland = !withIsland;
      if (hub.operations.schema === before) throw new Error('The graph is the same after the reload.');
    },
    stop: () => hub.stop(),
  };
}
