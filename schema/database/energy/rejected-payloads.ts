/**
 * Payloads that could not be parsed, stored completely: topic, reason, size and SHA-256 in `meter_refusal`, the bytes there or, for a large
 * one, in `meter_refusal_part`. `meter_refusal_total` counts stored and dropped payloads, in the same transactions.
 */
import type { Tx } from '../transaction.ts';

/** A payload that could not be parsed. */
export interface RejectedPayload {
  readonly topic: string;
  readonly gateway: string | null;
  readonly reason: string;
  readonly payload: Buffer;
  /** SHA-256. */
  readonly digest: Buffer;
  readonly at: Date;
}

/** Stored and dropped payloads of an installation. Bytes include payload, topic, reason and 128 per row. */
export interface RejectedPayloadTotals {
  readonly count: number;
  readonly bytes: number;
  /** Dropped because of the size limit, in total. `droppedUntil`: when the newest of them was received; `droppedAt`: when it was dropped. */
  readonly dropped: number;
  readonly droppedBytes: number;
  readonly droppedUntil: Date | null;
  readonly droppedAt: Date | null;
}

/** Count and size of dropped payloads. */
export interface DroppedPayloads {
  readonly count: number;
  readonly bytes: number;
}

/** Rows that one statement deletes. */
const MAX_ROWS_PER_STATEMENT = 10_000;
/** Such statements per transaction that saves payloads. */
const MAX_STATEMENTS = 10;

const NOTHING: DroppedPayloads = { count: 0, bytes: 0 };
const plus = (a: DroppedPayloads, b: DroppedPayloads): DroppedPayloads => ({
  count: a.count + b.count,
  bytes: a.bytes + b.bytes,
});
/** Replaces NUL, which PostgreSQL's text cannot store. MQTT does not allow it, but some brokers pass it on. */
const text = (value: string): string => value.replaceAll('\0', '\ufffd');

/** Saves payloads, then drops the oldest of the installation while there are more than `maxBytes`. */
export async function saveRejectedPayloads(
  tx: Tx,
  installation: string,
  rows: readonly RejectedPayload[],
  maxBytes: number,
): Promise<DroppedPayloads> {
  const [first] = rows;
  if (first === undefined) return NOTHING;
  // Each payload is a separate parameter and sent as bytes; an array would be sent as text of twice the size.
  const values = rows.map((_, i) => {
    const at = 2 + i * 6;
    return `($1, ${[0, 1, 2, 3, 4, 5].map((offset) => `$${at + offset}`).join(', ')}, octet_length($${at + 3}::bytea))`;
  });
  const made: [{ weight: string }] = await tx.query(
    `WITH kept AS (INSERT INTO meter_refusal (installation, topic, gateway, reason, payload, digest, at, size)
       VALUES ${values.join(', ')} RETURNING weight) SELECT sum(weight) AS weight FROM kept`,
    [
      installation,
      ...rows.flatMap((row) => [
        text(row.topic),
        row.gateway === null ? null : text(row.gateway),
        text(row.reason),
        row.payload,
        row.digest,
        row.at,
      ]),
    ],
  );
  return addToTotals(tx, installation, rows.length, Number(made[0].weight), maxBytes, first.at);
}

/** Reserves an id for a large payload that is saved in parts. */
export async function beginLargePayload(tx: Tx): Promise<string> {
  const rows: { id: string }[] = await tx.query("SELECT nextval(pg_get_serial_sequence('meter_refusal', 'id')) AS id");
  return rows[0]?.id as string;
}

/** Saves one part of a large payload. */
export async function savePayloadPart(tx: Tx, installation: string, id: string, number: number, payload: Buffer) {
  await tx.query('INSERT INTO meter_refusal_part (refusal, number, installation, payload) VALUES ($1, $2, $3, $4)', [
    id,
    number,
    installation,
    payload,
  ]);
}

/** Completes a large payload after its last part; from now on it is counted. */
export async function endLargePayload(
  tx: Tx,
  installation: string,
  id: string,
  payload: Omit<RejectedPayload, 'payload'> & { readonly size: number },
  maxBytes: number,
): Promise<DroppedPayloads> {
  const [made]: { weight: string }[] = await tx.query(
    `INSERT INTO meter_refusal (id, installation, topic, gateway, reason, payload, digest, at, size) OVERRIDING SYSTEM VALUE
     VALUES ($1, $2, $3, $4, $5, '', $6, $7, $8) RETURNING weight`,
    [
      id,
      installation,
      text(payload.topic),
      payload.gateway === null ? null : text(payload.gateway),
      text(payload.reason),
      payload.digest,
      payload.at,
      payload.size,
    ],
  );
  return addToTotals(tx, installation, 1, Number(made?.weight), maxBytes, payload.at);
}

async function addToTotals(tx: Tx, installation: string, count: number, bytes: number, maxBytes: number, at: Date) {
  await tx.query(
    `INSERT INTO meter_refusal_total AS t (installation, count, bytes) VALUES ($1, $2, $3)
     ON CONFLICT (installation) DO UPDATE SET count = t.count + excluded.count, bytes = t.bytes + excluded.bytes`,
    [installation, count, bytes],
  );
  let dropped = NOTHING;
  for (let round = 0; round < MAX_STATEMENTS; round++) {
    const more = await dropRejectedBeyond(tx, installation, maxBytes, at);
    if (more.count === 0) break;
    dropped = plus(dropped, more);
  }
  return dropped;
}

/**
 * Drops the oldest payloads, at most 10,000, while there are more than `maxBytes`; the newest one stays, whatever its size. Resolves with
 * what was dropped.
 */
export async function dropRejectedBeyond(
  tx: Tx,
  installation: string,
  maxBytes: number,
  now: Date,
): Promise<DroppedPayloads> {
  const totals: { bytes: string }[] = await tx.query(
    'SELECT bytes FROM meter_refusal_total WHERE installation = $1 FOR UPDATE',
    [installation],
  );
  const over = Number(totals[0]?.bytes ?? 0) - maxBytes;
  if (over <= 0) return NOTHING;
  const rows: { count: string; bytes: string; until: Date | null }[] = await tx.query(
    `WITH oldest AS (
       SELECT id, sum(weight) OVER (ORDER BY id) - weight AS before FROM (
         SELECT id, weight FROM meter_refusal WHERE installation = $1
           AND id < (SELECT max(id) FROM meter_refusal WHERE installation = $1) ORDER BY id LIMIT ${MAX_ROWS_PER_STATEMENT}) first
     ), gone AS (
       DELETE FROM meter_refusal r USING oldest o WHERE r.id = o.id AND o.before < $2 RETURNING r.id, r.weight, r.at
     ), parts AS (DELETE FROM meter_refusal_part p USING gone g WHERE p.refusal = g.id)
     SELECT count(*) AS count, coalesce(sum(weight), 0) AS bytes, max(at) AS until FROM gone`,
    [installation, over],
  );
  const dropped = { count: Number(rows[0]?.count ?? 0), bytes: Number(rows[0]?.bytes ?? 0) };
  if (dropped.count > 0)
    await tx.query(
      `UPDATE meter_refusal_total SET count = count - $2, bytes = bytes - $3, dropped = dropped + $2, dropped_bytes = dropped_bytes + $3,
         dropped_until = greatest(dropped_until, $4), dropped_at = $5 WHERE installation = $1`,
      [installation, dropped.count, dropped.bytes, rows[0]?.until, now],
    );
  return dropped;
}

/** Drops at most `limit` payloads received before that time. */
export async function dropRejectedBefore(
  tx: Tx,
  installation: string,
  before: Date,
  limit: number,
): Promise<DroppedPayloads> {
  const rows: { count: string; bytes: string }[] = await tx.query(
    `WITH old AS (SELECT id FROM meter_refusal WHERE installation = $1 AND at < $2 ORDER BY at LIMIT $3),
     gone AS (DELETE FROM meter_refusal r USING old o WHERE r.id = o.id RETURNING r.id, r.weight),
     parts AS (DELETE FROM meter_refusal_part p USING gone g WHERE p.refusal = g.id)
     SELECT count(*) AS count, coalesce(sum(weight), 0) AS bytes FROM gone`,
    [installation, before, limit],
  );
  const dropped = { count: Number(rows[0]?.count ?? 0), bytes: Number(rows[0]?.bytes ?? 0) };
  if (dropped.count > 0)
    await tx.query(
      `UPDATE meter_refusal_total SET count = count - $2, bytes = bytes - $3, expired = expired + $2, expired_bytes = expired_bytes + $3
       WHERE installation = $1`,
      [installation, dropped.count, dropped.bytes],
    );
  return dropped;
}

/** Drops at most `limit` parts of incomplete payloads, which were not acknowledged and are sent again. Resolves with their number. */
export async function dropUnfinishedParts(tx: Tx, installation: string, limit: number): Promise<number> {
  const [, count]: [unknown, number] = await tx.query(
    `DELETE FROM meter_refusal_part WHERE ctid = ANY(ARRAY(SELECT p.ctid FROM meter_refusal_part p
       WHERE p.installation = $1 AND NOT EXISTS (SELECT 1 FROM meter_refusal r WHERE r.id = p.refusal) LIMIT $2))`,
    [installation, limit],
  );
  return count;
}

/** The totals of an installation; null if no payload was ever rejected. */
export async function rejectedPayloadTotals(tx: Tx, installation: string): Promise<RejectedPayloadTotals | null> {
  const rows: {
    count: string;
    bytes: string;
    dropped: string;
    dropped_bytes: string;
    dropped_until: Date | null;
    dropped_at: Date | null;
  }[] = await tx.query(
    `SELECT count, bytes, dropped, dropped_bytes, dropped_until, dropped_at FROM meter_refusal_total WHERE installation = $1`,
    [installation],
  );
  const row = rows[0];
  return row === undefined
    ? null
    : {
        count: Number(row.count),
        bytes: Number(row.bytes),
        dropped: Number(row.dropped),
        droppedBytes: Number(row.dropped_bytes),
        droppedUntil: row.dropped_until,
        droppedAt: row.dropped_at,
      };
}
