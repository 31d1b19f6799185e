/**
 * Payloads that could not be understood, whole: topic, reason, size and digest (SHA-256) stand in `meter_refusal`, and the bytes with them or, of a
 * large one, in `meter_refusal_part`. `meter_refusal_total` counts what is kept and what the bounds have taken, in the same transactions.
 */
import type { Tx } from '../database.ts';

export interface RefusedPayload {
  readonly topic: string;
  readonly gateway: string | null;
  readonly reason: string;
  readonly payload: Buffer;
  /** SHA-256. */
  readonly digest: Buffer;
  readonly at: Date;
}

/** What of one installation's refused payloads is kept, and what is not any more. Bytes as stored: payload, topic, reason and 128 a row. */
export interface RefusedTotals {
  readonly count: number;
  readonly bytes: number;
  /** Taken by the bound of bytes, ever; `droppedUntil` is when the newest of them was received, `droppedAt` when it was taken. */
  readonly dropped: number;
  readonly droppedBytes: number;
  readonly droppedUntil: Date | null;
  readonly droppedAt: Date | null;
}

/** How much was taken away. */
export interface Taken {
  readonly count: number;
  readonly bytes: number;
}

/** Rows that one statement takes away. */
const MOST = 10_000;
/** Such statements in one transaction that keeps payloads. */
const ROUNDS = 10;

const NOTHING: Taken = { count: 0, bytes: 0 };
const plus = (a: Taken, b: Taken): Taken => ({ count: a.count + b.count, bytes: a.bytes + b.bytes });
/** MQTT allows no NUL in a topic, and the database none in a text; a broker that lets one pass must not stop the stream. */
const text = (value: string): string => value.replaceAll('\0', '\ufffd');

/** Keeps payloads in one statement, then takes the oldest of the installation while they are beyond `bound` bytes. */
export async function refusePayloads(
  tx: Tx,
  installation: string,
  rows: readonly RefusedPayload[],
  bound: number,
): Promise<Taken> {
  const [first] = rows;
  if (first === undefined) return NOTHING;
  // Each payload is a parameter of its own: they travel as bytes, where an array would be a text of twice the size.
  const values = rows.map((_, i) => {
    const at = 2 + i * 6;
    return `($1, ${[0, 1, 2, 3, 4, 5].map((n) => `$${at + n}`).join(', ')}, octet_length($${at + 3}::bytea))`;
  });
  const made: [{ weight: string }] = await tx.query(
    `WITH kept AS (INSERT INTO meter_refusal (installation, topic, gateway, reason, payload, digest, at, size)
       VALUES ${values.join(', ')} RETURNING weight) SELECT sum(weight) AS weight FROM kept`,
    [
      installation,
      ...rows.flatMap((one) => [
        text(one.topic),
        one.gateway === null ? null : text(one.gateway),
        text(one.reason),
        one.payload,
        one.digest,
        one.at,
      ]),
    ],
  );
  return counted(tx, installation, rows.length, Number(made[0].weight), bound, first.at);
}

/** The number under which the parts of a large payload are kept until it is whole. */
export async function beginLargePayload(tx: Tx): Promise<string> {
  const rows: { id: string }[] = await tx.query("SELECT nextval(pg_get_serial_sequence('meter_refusal', 'id')) AS id");
  return rows[0]?.id as string;
}

export async function keepPart(tx: Tx, installation: string, id: string, number: number, payload: Buffer) {
  await tx.query('INSERT INTO meter_refusal_part (refusal, number, installation, payload) VALUES ($1, $2, $3, $4)', [
    id,
    number,
    installation,
    payload,
  ]);
}

/** All parts are there: the payload counts from now on. */
export async function endLargePayload(
  tx: Tx,
  installation: string,
  id: string,
  one: Omit<RefusedPayload, 'payload'> & { readonly size: number },
  bound: number,
): Promise<Taken> {
  const [made]: { weight: string }[] = await tx.query(
    `INSERT INTO meter_refusal (id, installation, topic, gateway, reason, payload, digest, at, size) OVERRIDING SYSTEM VALUE
     VALUES ($1, $2, $3, $4, $5, '', $6, $7, $8) RETURNING weight`,
    [
      id,
      installation,
      text(one.topic),
      one.gateway === null ? null : text(one.gateway),
      text(one.reason),
      one.digest,
      one.at,
      one.size,
    ],
  );
  return counted(tx, installation, 1, Number(made?.weight), bound, one.at);
}

async function counted(tx: Tx, installation: string, count: number, bytes: number, bound: number, at: Date) {
  await tx.query(
    `INSERT INTO meter_refusal_total AS t (installation, count, bytes) VALUES ($1, $2, $3)
     ON CONFLICT (installation) DO UPDATE SET count = t.count + excluded.count, bytes = t.bytes + excluded.bytes`,
    [installation, count, bytes],
  );
  let taken = NOTHING;
  for (let n = 0; n < ROUNDS; n++) {
    const more = await dropRefusedBeyond(tx, installation, bound, at);
    if (more.count === 0) break;
    taken = plus(taken, more);
  }
  return taken;
}

/**
 * Takes the oldest payloads, at most 10,000, while all are more than `bound` bytes; the newest one stays, whatever its size. Answers how
 * many, none when the bound is kept.
 */
export async function dropRefusedBeyond(tx: Tx, installation: string, bound: number, now: Date): Promise<Taken> {
  const totals: { bytes: string }[] = await tx.query(
    'SELECT bytes FROM meter_refusal_total WHERE installation = $1 FOR UPDATE',
    [installation],
  );
  const over = Number(totals[0]?.bytes ?? 0) - bound;
  if (over <= 0) return NOTHING;
  const rows: { count: string; bytes: string; until: Date | null }[] = await tx.query(
    `WITH oldest AS (
       SELECT id, sum(weight) OVER (ORDER BY id) - weight AS before FROM (
         SELECT id, weight FROM meter_refusal WHERE installation = $1
           AND id < (SELECT max(id) FROM meter_refusal WHERE installation = $1) ORDER BY id LIMIT ${MOST}) first
     ), gone AS (
       DELETE FROM meter_refusal r USING oldest o WHERE r.id = o.id AND o.before < $2 RETURNING r.id, r.weight, r.at
     ), parts AS (DELETE FROM meter_refusal_part p USING gone g WHERE p.refusal = g.id)
     SELECT count(*) AS count, coalesce(sum(weight), 0) AS bytes, max(at) AS until FROM gone`,
    [installation, over],
  );
  const taken = { count: Number(rows[0]?.count ?? 0), bytes: Number(rows[0]?.bytes ?? 0) };
  if (taken.count > 0)
    await tx.query(
      `UPDATE meter_refusal_total SET count = count - $2, bytes = bytes - $3, dropped = dropped + $2, dropped_bytes = dropped_bytes + $3,
         dropped_until = greatest(dropped_until, $4), dropped_at = $5 WHERE installation = $1`,
      [installation, taken.count, taken.bytes, rows[0]?.until, now],
    );
  return taken;
}

/** Takes payloads that were received before that time, at most `most`. */
export async function expireRefused(tx: Tx, installation: string, before: Date, most: number): Promise<Taken> {
  const rows: { count: string; bytes: string }[] = await tx.query(
    `WITH old AS (SELECT id FROM meter_refusal WHERE installation = $1 AND at < $2 ORDER BY at LIMIT $3),
     gone AS (DELETE FROM meter_refusal r USING old o WHERE r.id = o.id RETURNING r.id, r.weight),
     parts AS (DELETE FROM meter_refusal_part p USING gone g WHERE p.refusal = g.id)
     SELECT count(*) AS count, coalesce(sum(weight), 0) AS bytes FROM gone`,
    [installation, before, most],
  );
  const taken = { count: Number(rows[0]?.count ?? 0), bytes: Number(rows[0]?.bytes ?? 0) };
  if (taken.count > 0)
    await tx.query(
      `UPDATE meter_refusal_total SET count = count - $2, bytes = bytes - $3, expired = expired + $2, expired_bytes = expired_bytes + $3
       WHERE installation = $1`,
      [installation, taken.count, taken.bytes],
    );
  return taken;
}

/** Takes parts of large payloads that never came to their end, at most `most`; they were not acknowledged, and come again. */
export async function dropUnfinishedParts(tx: Tx, installation: string, most: number): Promise<number> {
  const [, count]: [unknown, number] = await tx.query(
    `DELETE FROM meter_refusal_part WHERE ctid = ANY(ARRAY(SELECT p.ctid FROM meter_refusal_part p
       WHERE p.installation = $1 AND NOT EXISTS (SELECT 1 FROM meter_refusal r WHERE r.id = p.refusal) LIMIT $2))`,
    [installation, most],
  );
  return count;
}

/** Null when nothing was ever refused. */
export async function refusedTotals(tx: Tx, installation: string): Promise<RefusedTotals | null> {
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
