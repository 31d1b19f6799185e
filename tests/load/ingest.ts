/**
 * Ingest under load: `npm run load:ingest [webhooks|mqtt] [per second] [seconds]`. Signed parking webhooks, or telemetry at
 * QoS 1 through Mosquitto. The hub is killed in the middle. Prints the lag of the subscriber, and whether anything was lost or duplicated.
 */
import 'reflect-metadata';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createWorld } from '../../connectors/kit/testing/park/index.ts';
import { createTestDatabase } from '../../connectors/kit/testing/test-database.ts';
import { simulator } from '../../connectors/parking/simulator/index.ts';
import { startEmbeddedPostgres } from '../../schema/database/embedded/embedded-postgres.ts';
import { mosquitto } from '../services/peers/mosquitto.ts';
import { type IngestOptions, PARKING, runIngest } from './ingest-run.ts';

const way = process.argv[2] ?? 'webhooks';
const perSecond = Number(process.argv[3] ?? (way === 'mqtt' ? 3_000 : 1_000));
const seconds = Number(process.argv[4] ?? 60);
if ((way !== 'webhooks' && way !== 'mqtt') || !(perSecond > 0) || !(seconds > 0)) {
  process.stderr.write('Usage: npm run load:ingest [webhooks|mqtt] [per second] [seconds]\n');
  process.exit(2);
}
const print = (text: string) => void process.stdout.write(`${text}\n`);
const directory = mkdtempSync(join(tmpdir(), 'isthmus-ingest-'));
const ends: (() => Promise<void>)[] = [];
try {
  const cluster = await startEmbeddedPostgres({
    directory: join(directory, 'database'),
    listen: { host: '127.0.0.1', port: 0 },
  });
  ends.push(() => cluster.stop());
  process.env['ISTHMUS_TEST_CLUSTER'] = cluster.url;
  const database = await createTestDatabase();
  ends.push(() => database.close());
  const [server]: { version: string }[] = await database.plain.query(
    "SELECT current_setting('server_version') AS version",
  );
  let source: Pick<IngestOptions, 'installation' | 'env' | 'broker' | 'secret'>;
  if (way === 'mqtt') {
    const folder = join(directory, 'mosquitto');
    mkdirSync(folder);
    const broker = await mosquitto.start(folder);
    ends.push(() => broker.stop());
    const url = broker.env['MQTT_URL'] as string;
    source = { installation: `connector: energy, url: "${url}"`, env: {}, broker: { url, topic: 'park/load' } };
  } else {
    const parking = await simulator.start({
      directory,
      world: createWorld(),
      now: () => new Date(),
      history: 0,
      live: false,
    });
    ends.push(() => parking.close());
    source = {
      installation: PARKING,
      env: parking.env,
      secret: parking.env['LAKESIDE_PARKING_SECRET'] as string,
    };
  }
  const figures = await runIngest({ transport: way, perSecond, seconds, database, directory, ...source });
  const ms = (value: number) => `${value.toFixed(0)} ms`;
  print(
    `${way}: ${perSecond} per second for ${seconds} s, hub killed (-9) after ${seconds / 2} s; PostgreSQL ${server?.version}, fsync on, same machine`,
  );
  print(
    `  sent ${figures.sent}, accepted ${figures.accepted} in ${(figures.took / 1000).toFixed(1)} s, ${figures.repeated} attempts repeated, ${figures.logged} in the log`,
  );
  print(`  acknowledgement: p50 ${ms(figures.p50)}, p99 ${ms(figures.p99)}`);
  print(
    `  subscriber lag before the kill: p50 ${ms(figures.lag.calm)}, p99 ${ms(figures.lag.calm99)}; overall: p50 ${ms(figures.lag.p50)}, p99 ${ms(figures.lag.p99)}, max ${ms(figures.lag.max)}`,
  );
  print(
    `  first new event ${ms(figures.noEventsMs)} after the kill, lag below 1 s after ${ms(figures.catchUpMs)}; the second hub used ${figures.hub.cpu.toFixed(1)} s of CPU, ${(figures.hub.rss / 2 ** 20).toFixed(0)} MB`,
  );
  print(
    figures.violations.length === 0
      ? '  accepted = log = delivered, in order, no duplicates'
      : `  WRONG: ${figures.violations.join('; ')}`,
  );
  if (figures.violations.length > 0) process.exitCode = 1;
} finally {
  for (const end of ends.reverse()) await end();
  rmSync(directory, { recursive: true, force: true });
}
process.exit();
