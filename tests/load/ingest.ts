/**
 * Ingest under load: `npm run load:ingest [webhooks|mqtt] [per second] [seconds]`. Webhooks are signed parking calls, MQTT is telemetry at
 * QoS 1 through Mosquitto. The hub is killed in the middle. Prints how late the subscriber was, and whether anything was lost or doubled.
 */
import 'reflect-metadata';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { world } from '../../connectors/kit/testing/park/index.ts';
import { freshDatabase } from '../../connectors/kit/testing/test-database.ts';
import { simulator } from '../../connectors/parking/simulator/index.ts';
import { startEmbedded } from '../../schema/database/embedded/embedded-postgres.ts';
import { mosquitto } from '../services/peers/mosquitto.ts';
import { type IngestOptions, ingest, PARKING } from './ingest-run.ts';

const way = process.argv[2] ?? 'webhooks';
const perSecond = Number(process.argv[3] ?? (way === 'mqtt' ? 3_000 : 1_000));
const seconds = Number(process.argv[4] ?? 60);
if ((way !== 'webhooks' && way !== 'mqtt') || !(perSecond > 0) || !(seconds > 0)) {
  process.stderr.write('npm run load:ingest [webhooks|mqtt] [per second] [seconds]\n');
  process.exit(2);
}
const say = (text: string) => void process.stdout.write(`${text}\n`);
const directory = mkdtempSync(join(tmpdir(), 'isthmus-ingest-'));
const ends: (() => Promise<void>)[] = [];
try {
  const cluster = await startEmbedded({
    directory: join(directory, 'database'),
    listen: { host: '127.0.0.1', port: 0 },
  });
  ends.push(() => cluster.stop());
  process.env['ISTHMUS_TEST_CLUSTER'] = cluster.url;
  const database = await freshDatabase();
  ends.push(() => database.close());
  const [told]: { version: string }[] = await database.plain.query(
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
      world: world(),
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
  const done = await ingest({ way, perSecond, seconds, database, directory, ...source });
  const ms = (value: number) => `${value.toFixed(0)} ms`;
  say(
    `${way}: ${perSecond} a second for ${seconds} s, hub killed (-9) after ${seconds / 2} s; PostgreSQL ${told?.version}, fsync on, on the same machine`,
  );
  say(
    `  sent ${done.sent}, accepted ${done.accepted} in ${(done.took / 1000).toFixed(1)} s, ${done.repeated} tries repeated, in the log ${done.logged}`,
  );
  say(`  answer: p50 ${ms(done.p50)}, p99 ${ms(done.p99)}`);
  say(
    `  lag at the subscriber before the kill: p50 ${ms(done.lag.calm)}, p99 ${ms(done.lag.calm99)}; over all: p50 ${ms(done.lag.p50)}, p99 ${ms(done.lag.p99)}, max ${ms(done.lag.max)}`,
  );
  say(
    `  nothing new for ${ms(done.dark)} after the kill, less than a second behind after ${ms(done.behind)}; the second hub used ${done.hub.cpu.toFixed(1)} s of processor time, ${(done.hub.rss / 2 ** 20).toFixed(0)} MB`,
  );
  say(
    done.wrong.length === 0
      ? '  accepted = log = delivered, in order, none twice'
      : `  WRONG: ${done.wrong.join('; ')}`,
  );
  if (done.wrong.length > 0) process.exitCode = 1;
} finally {
  for (const end of ends.reverse()) await end();
  rmSync(directory, { recursive: true, force: true });
}
process.exit();
