/**
 * Simulates the door system: a PostgreSQL server on loopback TCP with the vendor's tables, a read-only account for the hub, two months
 * of swipes and the live scenario. Written from the vendor's manual, independent of the connector.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createFile } from '../../kit/testing/atomic-file.ts';
import { type Client, openClient, startEmbeddedPostgres } from '../../kit/testing/embedded-postgres.ts';
import type { World } from '../../kit/testing/park/index.ts';
import {
  Journal,
  listen,
  type RunningSimulator,
  type Simulator,
  type SimulatorOptions,
} from '../../kit/testing/simulator.ts';
import { controllerTime, type LogLine, logLines, serialOf } from './controller-log.ts';
import { INDEXES, LOG_COLUMNS, TABLES } from './vendor-schema.ts';

/** The hub's database account, with SELECT rights only. */
const READER = 'isthmus_reader';
/** Milliseconds between two uploads of the controllers. */
const LIVE_INTERVAL = 500;

export const simulator: Simulator = {
  name: 'access-control',
  async start(options: SimulatorOptions): Promise<RunningSimulator> {
    await mkdir(options.directory, { recursive: true });
    // The database's user must be able to traverse the folder; its content is protected by its own modes.
    await chmod(options.directory, 0o711);
    const credentials = await loadPasswords(options.directory);
    const cluster = await startEmbeddedPostgres({
      directory: join(options.directory, 'database'),
      user: 'zk',
      database: 'zkaccess',
      listen: { host: '127.0.0.1', port: await choosePort(options.ports?.['sql']) },
      auth: { password: credentials.owner },
      // Simulated data: it is generated again after a crash of the machine.
      durable: false,
      settings: { shared_buffers: '16MB', max_connections: '25' },
      signal: options.signal,
    });
    const journal = new Journal(options.directory);
    let playback: { stop(): Promise<void> } | undefined;
    try {
      const now = options.now();
      const client = await openClient(cluster.url);
      await createPark(client, options.world, credentials.reader);
      options.signal?.throwIfAborted();
      const loggedTo = await loggedUntil(client);
      const from = loggedTo ?? new Date(now.getTime() - options.history);
      await insertHistory(client, options.world, { from, to: now, first: loggedTo === null });
      await client.end();
      options.signal?.throwIfAborted();
      if (options.live) playback = followScenario(cluster.url, options, now, journal);
      const port = Number(new URL(cluster.url).port);
      const url = `postgres://${READER}:${credentials.reader}@127.0.0.1:${port}/zkaccess`;
      return {
        ports: { sql: port },
        env: { LAKESIDE_ACCESS_URL: url },
        async close() {
          await playback?.stop();
          await cluster.stop();
        },
      };
    } catch (error) {
      await playback?.stop();
      await cluster.stop();
      throw error;
    }
  },
};

/** The port of the previous run, or a free one if another program uses it now. */
async function choosePort(previous?: number): Promise<number> {
  const server = createServer();
  const port = await listen(server, previous);
  await new Promise((closed) => server.close(closed));
  return port;
}

/** The passwords in the simulator's folder; created at the first start. */
async function loadPasswords(directory: string): Promise<{ owner: string; reader: string }> {
  const file = join(directory, 'passwords.json');
  const stored = await readFile(file, 'utf8').catch(() => null);
  if (stored !== null) return JSON.parse(stored) as { owner: string; reader: string };
  const created = { owner: randomBytes(18).toString('base64url'), reader: randomBytes(18).toString('base64url') };
  createFile(file, JSON.stringify(created));
  return created;
}

/** Creates the tables, the hub's account, and the park's people, cards and doors, if they do not exist. */
async function createPark(client: Client, world: World, password: string): Promise<void> {
  await client.query(TABLES);
  await client.query(
    'CREATE SCHEMA IF NOT EXISTS simulator; CREATE TABLE IF NOT EXISTS simulator.told (until timestamptz)',
  );
  const [role] = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [READER]);
  if (!role) await client.query(`CREATE ROLE ${READER} LOGIN PASSWORD '${password}'`);
  await client.query(`ALTER ROLE ${READER} SET default_transaction_read_only = on;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${READER}`);
  const [existing] = await client.query('SELECT 1 FROM "acc_door"');
  if (existing) return;
  // In one transaction, so that an interrupted start can be repeated.
  await client.query('BEGIN');
  const departments = world.companies.map((one) => row(one.index + 1, one.name, 0, one.tenantNo, one.uscc));
  const department = new Map(world.companies.map((one) => [one.uscc, one.index + 1]));
  const people = world.people.map((one) =>
    row(one.index + 1, one.pin, '\\N', one.name, one.cardNo, department.get(one.company) ?? '\\N'),
  );
  // Every fortieth person has lost a card.
  const cards = world.people.flatMap((one) => [
    row(one.index + 1, one.index + 1, one.cardNo, 1, '1'),
    ...(one.index % 40 === 0 ? [row(10_000 + one.index, one.index + 1, `9${one.cardNo.slice(1)}`, 0, '3')] : []),
  ]);
  const areas = world.buildings.map((one, i) => row(i + 1, one.code, one.name, 0));
  const devices = world.buildings.map((_, i) => row(i + 1, `C3-400 ${i + 1}`, serialOf(i + 1), i + 1));
  const doors = world.doors.map((one) =>
    row(one.index + 1, Number(one.building.slice(-2)), (one.index % 5) + 1, one.name),
  );
  await client.copy('COPY "DEPARTMENTS" ("DEPTID", "DEPTNAME", "SUPDEPTID", "code", "uscc") FROM STDIN', departments);
  await client.copy(
    'COPY "USERINFO" ("USERID", "Badgenumber", "SSN", "name", "CardNo", "DEFAULTDEPTID") FROM STDIN',
    people,
  );
  await client.copy(
    'COPY "personnel_issuecard" ("id", "UserID_id", "cardno", "isvalid", "cardstatus") FROM STDIN',
    cards,
  );
  await client.copy('COPY "personnel_area" ("id", "areaid", "areaname", "parent_id") FROM STDIN', areas);
  await client.copy('COPY "acc_device" ("id", "device_name", "sn", "area_id") FROM STDIN', devices);
  await client.copy('COPY "acc_door" ("id", "device_id", "door_no", "door_name") FROM STDIN', doors);
  await client.query('COMMIT');
}

const row = (...values: readonly (string | number)[]): string => `${values.join('\t')}\n`;
const COLUMNS = LOG_COLUMNS.map((name) => `"${name}"`).join(', ');

/** End of the scenario's part that is in the log already; null at the first start. */
async function loggedUntil(client: Client): Promise<Date | null> {
  const [row] = await client.query<{ until: Date }>('SELECT until FROM simulator.told');
  return row?.until ?? null;
}

/** Inserts the log of a past range and records its end, in one transaction. `first`: the tables have no indexes yet. */
async function insertHistory(
  client: Client,
  world: World,
  { from, to, first }: { from: Date; to: Date; first: boolean },
): Promise<void> {
  await client.query('BEGIN');
  await client.copy(`COPY "acc_monitor_log" (${COLUMNS}) FROM STDIN`, asCopy(logLines(world, from, to)));
  if (first) await client.query(INDEXES);
  await saveLoggedUntil(client, to);
  await client.query('COMMIT');
  if (first) await client.query('ANALYZE');
}

function* asCopy(lines: Iterable<LogLine>): Generator<string> {
  for (const { values } of lines) yield row(...values);
}

const saveLoggedUntil = (client: Client, until: Date) =>
  client.query('WITH gone AS (DELETE FROM simulator.told) INSERT INTO simulator.told (until) VALUES ($1)', [until]);

/** Inserts the scenario's log lines in real time from `from` on; writes each line to the journal once it is committed. */
function followScenario(
  url: string,
  options: SimulatorOptions,
  from: Date,
  journal: Journal,
): { stop(): Promise<void> } {
  let loggedTo = from;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const types = LOG_COLUMNS.map((name) =>
    /^(device_id|verified|state|event_type|event_point_type|event_point_id)$/.test(name)
      ? 'int'
      : name === 'time'
        ? 'timestamp'
        : 'text',
  );
  const insert = `INSERT INTO "acc_monitor_log" (${COLUMNS}, "create_time")
    SELECT given.*, $${LOG_COLUMNS.length + 1}::timestamp FROM unnest(${types.map((type, i) => `$${i + 1}::${type}[]`).join(', ')}) AS given
    ON CONFLICT DO NOTHING`;
  let client: Client | null = null;
  const step = async (): Promise<void> => {
    client ??= await openClient(url);
    const now = options.now();
    const lines = [...logLines(options.world, loggedTo, now)];
    if (lines.length === 0) return;
    await client.query('BEGIN');
    const columns = LOG_COLUMNS.map((_, i) => lines.map(({ values }) => values[i]));
    await client.query(insert, [...columns, controllerTime(now)]);
    await saveLoggedUntil(client, now);
    await client.query('COMMIT');
    loggedTo = now;
    for (const { values } of lines) {
      journal.append({
        operation: 'insert',
        ...Object.fromEntries(LOG_COLUMNS.map((name, i) => [name, values[i] ?? null])),
      });
    }
  };
  let running: Promise<void> = Promise.resolve();
  const next = (): void => {
    timer = setTimeout(() => {
      running = step()
        .catch(async () => {
          // The database may have been restarted: the same range is inserted again over a new connection.
          await client?.end().catch(() => undefined);
          client = null;
        })
        .finally(() => {
          if (!stopped) next();
        });
    }, LIVE_INTERVAL);
  };
  next();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
      await client?.end();
    },
  };
}
