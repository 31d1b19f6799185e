/** One hub of the kill test, a process of its own so that it can be killed: no islands, and one by configuration that comes and goes. */
import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { configurable } from '../../connectors/index.ts';
import { readConfig } from '../../connectors/kit/host/config.ts';
import { makeLog } from '../../connectors/kit/log.ts';
import { start } from '../../gateway/main.ts';

const [databaseUrl = '', data = '.', port = '0'] = process.argv.slice(2);
const FILE = join(import.meta.dirname, '..', '..', 'isthmus.demo.yaml');
const demo = parse(readFileSync(FILE, 'utf8')) as { installations: { connector: string; system?: string }[] };
const island = demo.installations.filter((one) => one.connector === 'mesh' && one.system === 'environment');

/** With the island the supergraph has other types; nothing answers at its address, which is its own trouble. */
const config = (withIsland: boolean) =>
  readConfig(
    stringify({
      parks: [{ id: 'lakeside', name: 'Lakeside', region: '500112' }],
      installations: withIsland ? island : [],
      anonymous: 'developer',
    }),
    FILE,
    configurable,
    { LAKESIDE_ENVIRONMENT_URL: 'http://127.0.0.1:9', LAKESIDE_ENVIRONMENT_KEY: 'none' },
  );

const hub = await start({
  config: config(false),
  host: '127.0.0.1',
  port: Number(port),
  data,
  databaseUrl,
  // What happens here is meant to happen; a start that fails is said on stderr.
  log: makeLog(() => undefined),
});
const tell = (message: object) => process.send?.(message);
let withIsland = false;
process.on('message', (message) => {
  if (message !== 'reload') return;
  const before = hub.operations.schema;
  hub.change(config(!withIsland)).then(
    () => {
      withIsland = !withIsland;
      tell({ reloaded: hub.operations.schema !== before });
    },
    (error: Error) => tell({ failed: error.message }),
  );
});
process.on('SIGTERM', () => void hub.stop().then(() => process.exit(0)));
process.on('disconnect', () => process.exit(0));
tell({ up: true });
