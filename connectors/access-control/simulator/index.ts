/**
 * A pretend door system: its own PostgreSQL on loopback TCP, with the vendor's tables, a read-only account for the hub, two
 * months of swipes and the story going on. Written from the vendor's manual; knows nothing of the connector.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeWholeFile } from '../../kit/testing/atomic-file.ts';
import { type Client, openClient, startEmbedded } from '../../kit/testing/embedded-postgres.ts';
import type { World } from '../../kit/testing/park/index.ts';
import { Journal, type Running, type Simulator, type SimulatorOptions } from '../../kit/testing/simulator.ts';
import { type LogLine, linesOf, local, serialOf } from './log.ts';
import { INDEXES, LINE, TABLES } from './tables.ts';

/** The account that the hub is given: SELECT and nothing else. */
const READER = 'isthmus_reader';
/** How often the controllers hand over what happened, in milliseconds. */
const PACE = 500;

export const simulator: Simulator = {
  name: 'access-control',
  async start(options: SimulatorOptions): Promise<Running> {
    await mkdir(options.directory, { recursive: true });
    // The database's own user must be able to pass through; what lies in the folder is guarded by its own modes.
    await chmod(options.directory, 0o711);
    const words = await passwords(options.directory);
    const cluster = await startEmbedded({
      directory: join(options.directory, 'database'),
      user: 'zk',
      database: 'zkaccess',
      listen: { host: '127.0.0.1', port: options.ports?.['sql'] ?? 0 },
      auth: { password: words.owner },
      // A pretend system: what a crash of the machine takes is made anew.
      durable: false,
      settings: { shared_buffers: '16MB', max_connections: '25' },
      signal: options.signal,
    });
    const journal = new Journal(options.directory);
    let teller: { stop(): Promise<void> } | undefined;
    try {
      const now = options.now();
      const client = await openClient(cluster.url);
      await furnish(client, options.world, words.reader);
      options.signal?.throwIfAborted();
      const told = await toldUntil(client);
      await fill(client, options.world, told ?? new Date(now.getTime() - options.history), now, told === null);
      await client.end();
      options.signal?.throwIfAborted();
      if (options.live) teller = tell(cluster.url, options, now, journal);
      const port = Number(new URL(cluster.url).port);
      const url = `postgres://${READER}:${words.reader}@127.0.0.1:${port}/zkaccess`;
      return {
        ports: { sql: port },
        env: { LAKESIDE_ACCESS_URL: url },
        async close() {
          await teller?.stop();
          await cluster.stop();
        },
      };
    } catch (error) {
      await teller?.stop();
      await cluster.stop();
      throw error;
    }
  },
};

/** The same passwords at every start of this folder. */
async function passwords(directory: string): Promise<{ owner: string; reader: string }> {
  const file = join(directory, 'passwords.json');
  const known = await readFile(file, 'utf8').catch(() => null);
  if (known !== null) return JSON.parse(known) as { owner: string; reader: string };
  const made = { owner: randomBytes(18).toString('base64url'), reader: randomBytes(18).toString('base64url') };
  makeWholeFile(file, JSON.stringify(made));
  return made;
}

/** Tables, the hub's account, and the park's people, cards and doors. */
async function furnish(client: Client, world: World, password: string): Promise<void> {
  await client.query(TABLES);
  await client.query(
    'CREATE SCHEMA IF NOT EXISTS simulator; CREATE TABLE IF NOT EXISTS simulator.told (until timestamptz)',
  );
  const [role] = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [READER]);
  if (!role) await client.query(`CREATE ROLE ${READER} LOGIN PASSWORD '${password}'`);
  await client.query(`ALTER ROLE ${READER} SET default_transaction_read_only = on;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${READER}`);
  const [full] = await client.query('SELECT 1 FROM "acc_door"');
  if (full) return;
  // All or nothing: a start that is interrupted here begins anew.
  await client.query('BEGIN');
  const departments = world.companies.map((one) => row(one.index + 1, one.name, 0, one.tenantNo, one.uscc));
  const department = new Map(world.companies.map((one) => [one.uscc, one.index + 1]));
  const people = world.people.map((one) =>
    row(one.index + 1, one.pin, '\\N', one.name, one.cardNo, department.get(one.company) ?? '\\N'),
  );
  // Every fortieth person has lost a card before.
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
const COLUMNS = LINE.map((name) => `"${name}"`).join(', ');

/** Until when the story is in the log already. */
async function toldUntil(client: Client): Promise<Date | null> {
  const [told] = await client.query<{ until: Date }>('SELECT until FROM simulator.told');
  return told?.until ?? null;
}

/** What happened before, or while the simulator was down; in one transaction with the note of it. */
async function fill(client: Client, world: World, from: Date, to: Date, first: boolean): Promise<void> {
  await client.query('BEGIN');
  await client.copy(`COPY "acc_monitor_log" (${COLUMNS}) FROM STDIN`, asCopy(linesOf(world, from, to)));
  if (first) await client.query(INDEXES);
  await note(client, to);
  await client.query('COMMIT');
  if (first) await client.query('ANALYZE');
}

function* asCopy(lines: Iterable<LogLine>): Generator<string> {
  for (const { values } of lines) yield row(...values);
}

const note = (client: Client, until: Date) =>
  client.query('WITH gone AS (DELETE FROM simulator.told) INSERT INTO simulator.told (until) VALUES ($1)', [until]);

/** From then on the story as it happens; each line is journalled once it is committed. */
function tell(url: string, options: SimulatorOptions, from: Date, journal: Journal): { stop(): Promise<void> } {
  let told = from;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const types = LINE.map((name) =>
    /^(device_id|verified|state|event_type|event_point_type|event_point_id)$/.test(name)
      ? 'int'
      : name === 'time'
        ? 'timestamp'
        : 'text',
  );
  const insert = `INSERT INTO "acc_monitor_log" (${COLUMNS}, "create_time")
    SELECT given.*, $${LINE.length + 1}::timestamp FROM unnest(${types.map((type, i) => `$${i + 1}::${type}[]`).join(', ')}) AS given
    ON CONFLICT DO NOTHING`;
  let client: Client | null = null;
  const step = async (): Promise<void> => {
    client ??= await openClient(url);
    const now = options.now();
    const lines = [...linesOf(options.world, told, now)];
    if (lines.length === 0) return;
    await client.query('BEGIN');
    const columns = LINE.map((_, i) => lines.map(({ values }) => values[i]));
    await client.query(insert, [...columns, local(now)]);
    await note(client, now);
    await client.query('COMMIT');
    told = now;
    for (const { values } of lines) {
      journal.append({ operation: 'insert', ...Object.fromEntries(LINE.map((name, i) => [name, values[i] ?? null])) });
    }
  };
  let running: Promise<void> = Promise.resolve();
  const next = (): void => {
    timer = setTimeout(() => {
      running = step()
        .catch(async () => {
          // The database may have been restarted under us: the same span is told again over a new connection.
          await client?.end().catch(() => undefined);
          client = null;
        })
        .finally(() => {
          if (!stopped) next();
        });
    }, PACE);
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
