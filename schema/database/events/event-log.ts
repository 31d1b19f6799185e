/** The event log: written once per foreign id, numbered in commit order without gaps, read by position. */
import { randomBytes } from 'node:crypto';
import type { Tx } from '../database.ts';

/** The channel that tells the newest position after each commit. */
export const EVENT_CHANNEL = 'isthmus_events';

/** One line of the log. */
export interface EventRow {
  readonly position: string;
  readonly id: string;
  readonly time: Date;
  readonly recordedAt: Date;
  readonly kind: string;
  readonly installation: string;
  readonly connector: string;
  readonly park: string;
  readonly company: string | null;
  readonly vehicle: string | null;
  readonly door: string | null;
  readonly badge: string | null;
  readonly lot: string | null;
  readonly meter: string | null;
  readonly caseId: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

/** One event before it has its number. */
export interface EventInput {
  readonly foreignId: string;
  readonly time: Date;
  readonly kind: string;
  readonly company?: string | null;
  readonly vehicle?: string | null;
  readonly door?: string | null;
  readonly badge?: string | null;
  readonly lot?: string | null;
  readonly meter?: string | null;
  readonly case?: string | null;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** UUIDv7 (RFC 9562): made here, since PostgreSQL below 18 cannot. */
export function uuidv7(now: number): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(now, 0, 6);
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/**
 * Appends events, last in the caller's transaction. Keys that the log has already are left out. The head row stays locked
 * until commit, so the order of positions is the order of commits. Answers the new events' positions.
 */
export async function appendEvents(
  tx: Tx,
  by: { installation: string; connector: string; park: string; at: Date },
  events: readonly EventInput[],
): Promise<{ count: number; last: bigint | null; fresh: readonly (EventInput & { position: bigint })[] }> {
  if (events.length === 0) return { count: 0, last: null, fresh: [] };
  const byId = new Map(events.map((event) => [event.foreignId, event]));
  const ids = [...byId.keys()].sort();
  const fresh: { foreign_id: string }[] = await tx.query(
    `INSERT INTO event_key (installation, foreign_id, recorded_at)
     SELECT $1, id, $3 FROM unnest($2::text[]) AS given (id) ON CONFLICT DO NOTHING RETURNING foreign_id`,
    [by.installation, ids, by.at],
  );
  if (fresh.length === 0) return { count: 0, last: null, fresh: [] };
  const kept = new Set(fresh.map((row) => row.foreign_id));
  const written = [...byId.values()].filter((event) => kept.has(event.foreignId));
  // The time of recording is taken under the head's lock, and is never before the newest day of the log, wherever clocks are set to:
  // so days follow positions.
  const head: [{ position: string; at: Date; newest: string | null }[], number] = await tx.query(
    `UPDATE event_head SET position = position + $1 RETURNING position,
       greatest($2::timestamptz, clock_timestamp(), (SELECT max(day)::timestamp AT TIME ZONE 'UTC' FROM event_day)) AS at,
       (SELECT day::text FROM (SELECT max(day) AS day FROM event_day) AS last WHERE EXISTS (SELECT 1 FROM pg_class
         WHERE relname = to_char(day, '"event_"YYYYMMDD') AND relnamespace = current_schema()::regnamespace)) AS newest`,
    [written.length, by.at],
  );
  const { position = 0, at = by.at, newest = null } = head[0][0] ?? {};
  const last = BigInt(position);
  const first = last - BigInt(written.length) + 1n;
  const day = at.toISOString().slice(0, 10);
  if (day !== newest) await makeDay(tx, day, first);
  const numbered = written.map((event, i) => ({ ...event, position: first + BigInt(i) }));
  const column = (pick: (event: EventInput) => unknown) => numbered.map(pick);
  // The lock is held from here to the commit: what tells of it goes along.
  await tx.query(
    `WITH written AS (INSERT INTO event (position, id, time, recorded_at, kind, installation, connector, park,
       company, vehicle, door, badge, lot, meter, case_id, data)
     SELECT position, id, time, $1, kind, $2, $3, $4, company, vehicle, door, badge, lot, meter, case_id, data
     FROM unnest($5::bigint[], $6::uuid[], $7::timestamptz[], $8::text[], $9::text[], $10::text[], $11::text[],
       $12::text[], $13::text[], $14::text[], $15::text[], $16::jsonb[])
       AS given (position, id, time, kind, company, vehicle, door, badge, lot, meter, case_id, data))
     SELECT pg_notify('${EVENT_CHANNEL}', $17)`,
    [
      at,
      by.installation,
      by.connector,
      by.park,
      numbered.map((event) => event.position.toString()),
      numbered.map(() => uuidv7(at.getTime())),
      column((event) => event.time),
      column((event) => event.kind),
      column((event) => event.company ?? null),
      column((event) => event.vehicle ?? null),
      column((event) => event.door ?? null),
      column((event) => event.badge ?? null),
      column((event) => event.lot ?? null),
      column((event) => event.meter ?? null),
      column((event) => event.case ?? null),
      column((event) => JSON.stringify(event.data ?? {})),
      last.toString(),
    ],
  );
  return { count: numbered.length, last, fresh: numbered };
}

/**
 * The day's partition, made by the first event of the day; the head's lock keeps others out. Also where the day is known and its
 * partition is not there: retention dropped it while a clock was ahead.
 */
async function makeDay(tx: Tx, day: string, first: bigint): Promise<void> {
  await makeDayTable(tx, day);
  await tx.query('INSERT INTO event_day (day, first_position) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    day,
    first.toString(),
  ]);
}

/**
 * Makes the partition of that day (UTC) where there is none; the caller holds the head's lock. It is made apart and then attached: making
 * it in place would hold up every reader of the log until the transaction ends.
 */
export async function makeDayTable(tx: Tx, day: string): Promise<void> {
  if (!(await lacksDay(tx, [day]))) return;
  const table = tableOfDay(day);
  const next = new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
  await tx.query(`CREATE TABLE "${table}" (LIKE event INCLUDING DEFAULTS INCLUDING CONSTRAINTS)`);
  await tx.query(
    `ALTER TABLE event ATTACH PARTITION "${table}" FOR VALUES FROM ('${day} 00:00:00+00') TO ('${next} 00:00:00+00')`,
  );
}

/** Name of the partition of a day (UTC), such as `event_20260131`. */
const tableOfDay = (day: string): string => `event_${day.replaceAll('-', '')}`;

/**
 * Whether one of these days (UTC) has no partition yet. Asked of the catalog's rows, as of now: `to_regclass` may answer from what the
 * session remembers, from before it waited for the head.
 */
export async function lacksDay(tx: Tx, days: readonly string[]): Promise<boolean> {
  const known: { count: number }[] = await tx.query(
    'SELECT count(*)::int AS count FROM pg_class WHERE relname = ANY($1) AND relnamespace = current_schema()::regnamespace',
    [days.map(tableOfDay)],
  );
  return known[0]?.count !== days.length;
}

/** Tests on events; all given ones must hold. */
export interface EventQuery {
  readonly kind?: readonly string[];
  readonly park?: readonly string[];
  readonly company?: readonly string[];
  readonly vehicle?: readonly string[];
  readonly door?: readonly string[];
  readonly lot?: readonly string[];
  readonly meter?: readonly string[];
  readonly source?: readonly string[];
  readonly from?: Date;
  readonly to?: Date;
}

const COLUMNS = `position, id, time, recorded_at AS "recordedAt", kind, installation, connector, park, company, vehicle,
  door, badge, lot, meter, case_id AS "caseId", data`;

function where(query: EventQuery, values: unknown[]): string {
  const tests: string[] = [];
  const add = (value: unknown) => `$${values.push(value)}`;
  const lists = {
    kind: 'kind',
    park: 'park',
    company: 'company',
    vehicle: 'vehicle',
    door: 'door',
    lot: 'lot',
    meter: 'meter',
    source: 'installation',
  } as const;
  for (const [name, columnName] of Object.entries(lists)) {
    const list = query[name as keyof typeof lists];
    if (list) tests.push(`${columnName} = ANY(${add(list)})`);
  }
  if (query.from) tests.push(`time >= ${add(query.from)}`);
  if (query.to) tests.push(`time < ${add(query.to)}`);
  return tests.length > 0 ? tests.join(' AND ') : 'true';
}

/** At most `limit` events beyond `place` (exclusive), in reading direction. */
export async function eventPage(
  tx: Tx,
  query: EventQuery,
  page: { forward: boolean; limit: number; place: string | null },
): Promise<EventRow[]> {
  const values: unknown[] = [];
  let test = where(query, values);
  const [compare, order] = page.forward ? ['>', 'ASC'] : ['<', 'DESC'];
  if (page.place !== null) test += ` AND position ${compare} $${values.push(page.place)}`;
  return tx.query(
    `SELECT ${COLUMNS} FROM event WHERE ${test} ORDER BY position ${order} LIMIT $${values.push(page.limit)}`,
    values,
  );
}

/** Events with `after < position <= upTo` that pass the query, oldest first, at most `limit`. */
export async function eventRange(
  tx: Tx,
  query: EventQuery,
  range: { after: string; upTo: string; limit: number },
): Promise<EventRow[]> {
  const values: unknown[] = [];
  const test = where(query, values);
  values.push(range.after, range.upTo, range.limit);
  const n = values.length;
  return tx.query(
    `SELECT ${COLUMNS} FROM event WHERE ${test} AND position > $${n - 2} AND position <= $${n - 1} ORDER BY position LIMIT $${n}`,
    values,
  );
}

export async function eventCount(tx: Tx, query: EventQuery): Promise<number> {
  const values: unknown[] = [];
  const rows: { count: string }[] = await tx.query(`SELECT count(*) FROM event WHERE ${where(query, values)}`, values);
  return Number(rows[0]?.count ?? 0);
}

/** The newest position that is committed. */
export async function headPosition(tx: Tx): Promise<bigint> {
  const rows: { position: string }[] = await tx.query('SELECT position FROM event_head');
  return BigInt(rows[0]?.position ?? 0);
}
