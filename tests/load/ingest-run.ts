/**
 * One run of ingest: a load process, a hub process that is killed in the middle and begun again, and here the subscriber, who remembers
 * its cursor. In the end what was accepted, what the log holds and what the subscriber got must be one and the same.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Database } from '../../schema/database/database.ts';
import type { HubOrder } from './ingest-hub.ts';
import type { LoadOrder, LoadReport } from './ingest-load.ts';
import { type Lateness, subscriber } from './ingest-subscriber.ts';

export interface IngestOptions {
  readonly way: 'webhooks' | 'mqtt';
  readonly perSecond: number;
  readonly seconds: number;
  /** The installation as isthmus.yaml says it; its id is `in`. */
  readonly installation: string;
  readonly env: Readonly<Record<string, string>>;
  /** For MQTT: the broker, and the topic above the meters. */
  readonly broker?: { readonly url: string; readonly topic: string };
  readonly secret?: string;
  readonly database: Database;
  /** A folder for the hub's keys and the list of what was accepted. */
  readonly directory: string;
  readonly pace?: HubOrder['pace'];
}

export interface IngestFigures extends LoadReport, Lateness {
  readonly logged: number;
  /** The hub after the kill: seconds of processor time, and memory in bytes. */
  readonly hub: { readonly cpu: number; readonly rss: number };
  /** What is wrong; empty when nothing was lost and nothing came twice. */
  readonly wrong: readonly string[];
}

const KIND = { webhooks: 'VEHICLE_ENTERED', mqtt: 'METER_READING_TAKEN' } as const;
const METERS = 1_000;
/** The parking installation, from what its simulator says of itself. */
export const PARKING =
  'connector: parking, url: "${LAKESIDE_PARKING_URL}", token: "${LAKESIDE_PARKING_TOKEN}", webhookSecret: "${LAKESIDE_PARKING_SECRET}"';

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const children = new Set<ChildProcess>();

/** A process of ours, loaded and waiting. */
async function child(file: string) {
  const process_ = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), join(import.meta.dirname, file)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  children.add(process_);
  const gone = new Promise<never>((_, reject) => {
    process_.once('exit', (code, signal) => {
      children.delete(process_);
      reject(new Error(`${file} has ended (${signal ?? code}).`));
    });
  });
  gone.catch(() => undefined);
  const hear = <T>(name: string): Promise<T> =>
    Promise.race([
      gone,
      new Promise<T>((resolve) => {
        process_.on('message', function take(message: Record<string, unknown>) {
          if (!(name in message)) return;
          process_.off('message', take);
          resolve(message[name] as T);
        });
      }),
    ]);
  await hear('loaded');
  return { process: process_, hear, send: (message: object) => void process_.send(message), gone };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** One run; rejects when a process ends that should not. */
export async function ingest(options: IngestOptions): Promise<IngestFigures> {
  const { way, database, directory, broker } = options;
  const wrong: string[] = [];
  const order: HubOrder = {
    config: `parks: [ { id: load, name: Load, region: "500112" } ]\ninstallations:\n  - { id: in, park: load, ${options.installation} }\nanonymous: developer\n`,
    env: options.env,
    port: await freePort(),
    data: join(directory, 'data'),
    databaseUrl: database.url,
    pace: options.pace ?? {},
  };
  const rows = <T>(sql: string, values: unknown[] = []): Promise<T[]> => database.plain.query(sql, values);
  const seen = subscriber(`ws://127.0.0.1:${order.port}/graphql`, KIND[way]);
  try {
    // The heir is loaded beside the first, as a process manager's second copy would be.
    const [load, first, heir] = await Promise.all([
      child('ingest-load.ts'),
      child('ingest-hub.ts'),
      child('ingest-hub.ts'),
    ]);
    first.send({ begin: order });
    await first.hear('begun');
    if (broker) await introduce(broker, rows);
    await seen.begin(order.port);
    const task: LoadOrder = {
      ...{ way, perSecond: options.perSecond, seconds: options.seconds, meters: METERS },
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
    if (wanted.size !== accepted.length) wrong.push(`${accepted.length - wanted.size} were accepted twice`);
    if (report.accepted !== report.sent) wrong.push(`${report.sent - report.accepted} were never accepted`);
    // What the broker has accepted may still be on its way to the hub.
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
    if (missing.length > 0) wrong.push(`${missing.length} accepted are not in the log, such as ${missing[0]}`);
    const strange = keys.filter((one) => !wanted.has(one));
    if (strange.length > 0) wrong.push(`${strange.length} in the log were not accepted, such as ${strange[0]}`);
    const log = await rows<{ id: string }>('SELECT id FROM event WHERE kind = $1 ORDER BY position', [KIND[way]]);
    if (log.length !== wanted.size) wrong.push(`the log holds ${log.length} events for ${wanted.size} accepted`);
    const [gaps] = await rows<{ n: string }>('SELECT max(position) - count(*) AS n FROM event');
    if (Number(gaps?.n) !== 0) wrong.push(`the log has gaps: ${gaps?.n}`);
    await settled(async () => seen.ids.length >= log.length);
    const off = log.findIndex((one, i) => one.id !== seen.ids[i]);
    if (off >= 0 || seen.ids.length !== log.length)
      wrong.push(`the subscriber got ${seen.ids.length} of ${log.length} events, the first other one at ${off}`);
    heir.send({ ask: 'usage' });
    const hub = await heir.hear<IngestFigures['hub']>('usage');
    return { ...report, logged: log.length, hub, wrong, ...seen.figures(killed) };
  } finally {
    seen.close();
    for (const one of children) one.kill('SIGKILL');
  }
}

/** Waits while it still gets nearer; the caller looks what it has come to. */
async function settled(done: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end && !(await done()); ) await sleep(50);
}

/** Meters say what they are until the hub has heard all of them: then its session with the broker stands. */
async function introduce(
  broker: { url: string; topic: string },
  rows: (sql: string) => Promise<unknown[]>,
): Promise<void> {
  const { MqttSession } = await import('../../connectors/energy/source/mqtt.ts');
  const { hostname, port } = new URL(broker.url);
  const { session } = await MqttSession.open({
    ...{
      host: hostname,
      port: Number(port),
      clientId: 'introducer',
      username: null,
      password: null,
      timeout: 30_000,
      keep: false,
      largest: 8_000_000,
    },
  });
  const info = JSON.stringify({ medium: 'electricity', unit: 'kWh' });
  await settled(async () => {
    await Promise.all(Array.from({ length: METERS }, (_, n) => session.publish(`${broker.topic}/LOAD${n}/info`, info)));
    return (await rows("SELECT 1 FROM meter WHERE unit IS NOT NULL AND installation = 'in'")).length >= METERS;
  });
  session.leave();
}
