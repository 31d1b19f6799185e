/** Writes the event log: one event per foreign id, numbered in commit order without gaps. */
import { randomBytes } from 'node:crypto';
import type { Tx } from '../transaction.ts';
import { createDay } from './event-partitions.ts';

/** NOTIFY channel; the payload is the newest position after each commit. */
export const EVENT_CHANNEL = 'isthmus_events';

/** An event before it is numbered. */
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

/** The events that were not in the log before. */
export interface AppendResult {
  readonly count: number;
  /** The last new position; null: no event was new. */
  readonly last: bigint | null;
  readonly added: readonly (EventInput & { position: bigint })[];
}

/** A UUIDv7 (RFC 9562); PostgreSQL before 18 cannot generate it. */
export function uuidv7(now: number): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(now, 0, 6);
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/**
 * Appends events; call it last in the transaction. Events with known foreign ids are ignored. The head row stays locked until the
 * commit, so positions are in commit order. Resolves with the number of new events, the last position, and the new events.
 */
export async function appendEvents(
  tx: Tx,
  by: { installation: string; connector: string; park: string; at: Date },
  events: readonly EventInput[],
): Promise<AppendResult> {
  if (events.length === 0) return { count: 0, last: null, added: [] };
  const byId = new Map(events.map((event) => [event.foreignId, event]));
  const ids = [...byId.keys()].sort();
  const newKeys: { foreign_id: string }[] = await tx.query(
    `INSERT INTO event_key (installation, foreign_id, recorded_at)
     SELECT $1, id, $3 FROM unnest($2::text[]) AS given (id) ON CONFLICT DO NOTHING RETURNING foreign_id`,
    [by.installation, ids, by.at],
  );
  if (newKeys.length === 0) return { count: 0, last: null, added: [] };
  const newIds = new Set(newKeys.map((row) => row.foreign_id));
  const written = [...byId.values()].filter((event) => newIds.has(event.foreignId));
  // The recording time is taken under the lock of the head row and is never before the newest day of the log, so that days follow
  // positions even if clocks are wrong.
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
  if (day !== newest) await createDay(tx, day, first);
  const numbered = written.map((event, i) => ({ ...event, position: first + BigInt(i) }));
  const column = (pick: (event: EventInput) => unknown) => numbered.map(pick);
  // NOTIFY is in the same statement to keep the time short in which the lock is held.
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
  return { count: numbered.length, last, added: numbered };
}

/** The newest committed position; 0: the log is empty. */
export async function headPosition(tx: Tx): Promise<bigint> {
  const rows: { position: string }[] = await tx.query('SELECT position FROM event_head');
  return BigInt(rows[0]?.position ?? 0);
}
