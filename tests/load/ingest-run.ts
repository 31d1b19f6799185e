/**
 * One ingest run: a load process, a hub process that is killed in the middle and replaced, and a subscriber in this process that
 * resumes with its cursor. In the end, accepted events, log and delivered events must be the same.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Database } from '../../schema/database/database.ts';
import type { IngestHubOptions } from './ingest-hub.ts';
import type { LoadOptions, LoadReport } from './ingest-load.ts';
import { ingestSubscriber, type LagReport } from './ingest-subscriber.ts';

export interface IngestOptions {
  readonly transport: 'webhooks' | 'mqtt';
  readonly perSecond: number;
  readonly seconds: number;
  /** The installation's settings as in isthmus.yaml; its id is `in`. */
  readonly installation: string;
  readonly env: Readonly<Record<string, string>>;
  /** For MQTT: the broker, and the topic prefix of the meters. */
  readonly broker?: { readonly url: string; readonly topic: string };
  readonly secret?: string;
  readonly database: Database;
  /** Folder for the hub's data and the list of accepted ids. */
  readonly directory: string;
  readonly pace?: IngestHubOptions['pace'];
}

export interface IngestFigures extends LoadReport, LagReport {
  readonly logged: number;
  /** The hub started after the kill: CPU seconds, and memory in bytes. */
  readonly hub: { readonly cpu: number; readonly rss: number };
  /** Violations; empty when nothing was lost or duplicated. */
  readonly violations: readonly string[];
}

const KIND = { webhooks: 'VEHICLE_ENTERED', mqtt: 'METER_READING_TAKEN' } as const;
const METERS = 1_000;
/** Settings of the parking installation, with the variables of its simulator. */
export const PARKING =
  'connector: parking, url: "${LAKESIDE_PARKING_URL}", token: "${LAKESIDE_PARKING_TOKEN}", webhookSecret: "${LAKESIDE_PARKING_SECRET}"';

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const children = new Set<ChildProcess>();

/** Starts a file of this folder as a process; resolves when it has loaded. */
async function child(file: string) {
  const process_ = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), join(import.meta.dirname, file)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  children.add(process_);
  const exited = new Promise<never>((_, reject) => {
    process_.once('exit', (code, signal) => {
      children.delete(process_);
      reject(new Error(`${file} exited (${signal ?? code}).`));
    });
  });
  exited.catch(() => undefined);
  const hear = <T>(name: string): Promise<T> =>
    Promise.race([
      exited,
      new Promise<T>((resolve) => {
        process_.on('message', function take(message: Record<string, unknown>) {
          if (!(name in message)) return;
          process_.off('message', take);
          resolve(message[name] as T);
        });
      }),
    ]);
  await hear('loaded');
  return { process: process_, hear, send: (message: object) => void process_.send(message), gone: exited };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Runs it; rejects if a process exits unexpectedly. */
export async function runIngest(options: IngestOptions): Promise<IngestFigures> {
  const { transport: way, database, directory, broker } = options;
  const wrong: string[] = [];
  const order: IngestHubOptions = {
    config: `parks: [ { id: load, name: Load, region: "500112" } ]\ninstallations:\n  - { id: in, park: load, ${options.installation} }\nanonymous: developer\n`,
    env: options.env,
    port: await freePort(),
    data: join(directory, 'data'),
    databaseUrl: database.url,
    pace: options.pace ?? {},
  };
  const rows = <T>(sql: string, values: unknown[] = []): Promise<T[]> => database.plain.query(sql, values);
  const subscriber = ingestSubscriber(`ws://127.0.0.1:${order.port}/graphql`, KIND[way]);
  try {
    // The replacement hub is loaded in advance, like a standby.
    const [load, first, heir] = await Promise.all([
      child('ingest-load.ts'),
      child('ingest-hub.ts'),
      child('ingest-hub.ts'),
    ]);
    first.send({ begin: order });
    await first.hear('begun');
    if (broker) await publishMeterInfo(broker, rows);
    await subscriber.begin(order.port);
    const task: LoadOptions = {
      ...{ transport: way, perSecond: options.perSecond, seconds: options.seconds, meters: METERS },
      ...{ url: broker?.url ?? `http://127.0.0.1:${order.port}`, path: broker?.topic ?? '/webhooks/in' },
      ...{ secret: options.secret ?? '', accepted: join(directory, 'accepted') },
    };
    const reported = load.hear<LoadReport>('report');
    load.send(task);
    await load.hear('half');
    const killed = Date.now();
    first.process.kill('SIGKILL');
    await first.gone.catch(() => undefined);
    heir.send({ begin: order });
    await heir.hear('begun');
    const report = await reported;
    const accepted = readFileSync(task.accepted, 'utf8').split('\n').filter(Boolean);
    const wanted = new Set(accepted);
    if (wanted.size !== accepted.length) wrong.push(`${accepted.length - wanted.size} accepted twice`);
    if (report.accepted !== report.sent) wrong.push(`${report.sent - report.accepted} never accepted`);
    // Messages accepted by the broker may not have reached the hub yet.
    const key = "installation = 'in' AND foreign_id ~ '^(session load-|reading LOAD)'";
    const count = async () =>
      Number((await rows<{ n: string }>(`SELECT count(*) AS n FROM event_key WHERE ${key}`))[0]?.n);
    await settled(async () => (await count()) >= wanted.size);
    const keys = (await rows<{ foreign_id: string }>(`SELECT foreign_id FROM event_key WHERE ${key}`)).map(
      (one) => one.foreign_id,
    );
    const missing = accepted.filter(
      (
        (known) => (one: string) =>
          !known.has(one)
      )(new Set(keys)),
    );
    if (missing.length > 0) wrong.push(`${missing.length} accepted but not in the log, such as ${missing[0]}`);
    const strange = keys.filter((key) => !wanted.has(key));
    if (strange.length > 0) wrong.push(`${strange.length} in the log but not accepted, such as ${strange[0]}`);
    const log = await rows<{ id: string }>('SELECT id FROM event WHERE kind = $1 ORDER BY position', [KIND[way]]);
    if (log.length !== wanted.size) wrong.push(`the log contains ${log.length} events for ${wanted.size} accepted`);
    const [gaps] = await rows<{ n: string }>('SELECT max(position) - count(*) AS n FROM event');
    if (Number(gaps?.n) !== 0) wrong.push(`the log has gaps: ${gaps?.n}`);
    await settled(async () => subscriber.ids.length >= log.length);
    const off = log.findIndex((one, i) => one.id !== subscriber.ids[i]);
    if (off >= 0 || subscriber.ids.length !== log.length)
      wrong.push(
        `the subscriber received ${subscriber.ids.length} of ${log.length} events, the first difference at ${off}`,
      );
    heir.send({ ask: 'usage' });
    const hub = await heir.hear<IngestFigures['hub']>('usage');
    return { ...report, logged: log.length, hub, violations: wrong, ...subscriber.figures(killed) };
  } finally {
    subscriber.close();
    for (const one of children) one.kill('SIGKILL');
  }
}

/** Waits until `done`, at most 60 s; the caller checks the result. */
async function settled(done: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end && !(await done()); ) await sleep(50);
}

/** Publishes the info payloads of all meters until the hub has stored them, so its session with the broker is established. */
async function publishMeterInfo(
  broker: { url: string; topic: string },
  rows: (sql: string) => Promise<unknown[]>,
): Promise<void> {
  const { MqttSession } = await import('../../connectors/energy/source/mqtt-session.ts');
  const { hostname, port } = new URL(broker.url);
  const { session } = await MqttSession.open({
    ...{
      host: hostname,
      port: Number(port),
      clientId: 'introducer',
      username: null,
      password: null,
      timeout: 30_000,
      keepSession: false,
      maxPacketBytes: 8_000_000,
    },
  });
  const info = JSON.stringify({ medium: 'electricity', unit: 'kWh' });
  await settled(async () => {
    await Promise.all(Array.from({ length: METERS }, (_, n) => session.publish(`${broker.topic}/LOAD${n}/info`, info)));
    return (await rows("SELECT 1 FROM meter WHERE unit IS NOT NULL AND installation = 'in'")).length >= METERS;
  });
  session.disconnect();
}
