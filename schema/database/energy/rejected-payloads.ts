/**
 * Payloads that could not be parsed, stored completely: topic, reason, size and SHA-256 in `meter_refusal`, the bytes there or, for a large
 * one, in `meter_refusal_part`. `meter_refusal_total` counts stored and dropped payloads, in the same transactions.
 */
import { type MeterRefusalRow, MeterRefusalTotalRow } from '../entities/energy.ts';
import { deleteBatch } from '../retention/delete-batch.ts';
import type { Tx } from '../transaction.ts';

/** A payload that could not be parsed. */
export type RejectedPayload = Readonly<
  Pick<MeterRefusalRow, 'topic' | 'gateway' | 'reason' | 'payload' | 'digest' | 'at'>
>;

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

const COLUMNS = 'installation, topic, gateway, reason, payload, digest, at, size';
const texts = ({ topic, gateway, reason }: Pick<RejectedPayload, 'topic' | 'gateway' | 'reason'>) => [
  text(topic),
  gateway === null ? null : text(gateway),
  text(reason),
];

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
    `WITH kept AS (INSERT INTO meter_refusal (${COLUMNS})
       VALUES ${values.join(', ')} RETURNING weight) SELECT sum(weight) AS weight FROM kept`,
    [installation, ...rows.flatMap((row) => [...texts(row), row.payload, row.digest, row.at])],
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
    `INSERT INTO meter_refusal (id, ${COLUMNS}) OVERRIDING SYSTEM VALUE
     VALUES ($1, $2, $3, $4, $5, '', $6, $7, $8) RETURNING weight`,
    [id, installation, ...texts(payload), payload.digest, payload.at, payload.size],
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
     ), gone AS (${deleteGiven('oldest', 'o.before < $2')}`,
    [installation, over],
  );
  return subtractFromTotals(
    tx,
    installation,
    rows[0],
    ', dropped = dropped + $2, dropped_bytes = dropped_bytes + $3, dropped_until = greatest(dropped_until, $4), dropped_at = $5',
    [rows[0]?.until, now],
  );
}

/** SQL, after `gone AS (`: deletes the payloads of a relation `o` with their parts, and returns their number, bytes and newest time. */
const deleteGiven = (relation: string, condition: string): string =>
  `DELETE FROM meter_refusal r USING ${relation} o WHERE r.id = o.id AND ${condition} RETURNING r.id, r.weight, r.at
   ), parts AS (DELETE FROM meter_refusal_part p USING gone g WHERE p.refusal = g.id)
   SELECT count(*) AS count, coalesce(sum(weight), 0) AS bytes, max(at) AS until FROM gone`;

/** Subtracts deleted payloads, with more assignments on `$2` (number), `$3` (bytes) and `values`. */
async function subtractFromTotals(
  tx: Tx,
  installation: string,
  row: { readonly count: string; readonly bytes: string } | undefined,
  assignments: string,
  values: readonly unknown[],
): Promise<DroppedPayloads> {
  const gone = { count: Number(row?.count ?? 0), bytes: Number(row?.bytes ?? 0) };
  if (gone.count > 0)
    await tx.query(
      `UPDATE meter_refusal_total SET count = count - $2, bytes = bytes - $3${assignments} WHERE installation = $1`,
      [installation, gone.count, gone.bytes, ...values],
    );
  return gone;
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
     gone AS (${deleteGiven('old', 'true')}`,
    [installation, before, limit],
  );
  return subtractFromTotals(
    tx,
    installation,
    rows[0],
    ', expired = expired + $2, expired_bytes = expired_bytes + $3',
    [],
  );
}

/** Drops at most `limit` parts of incomplete payloads, which were not acknowledged and are sent again. Resolves with their number. */
export const dropUnfinishedParts = (tx: Tx, installation: string, limit: number): Promise<number> =>
  deleteBatch(
    tx,
    'meter_refusal_part',
    'installation = $1 AND NOT EXISTS (SELECT 1 FROM meter_refusal r WHERE r.id = refusal)',
    [installation],
    limit,
  );

/** The totals of an installation; null if no payload was ever rejected. */
export async function rejectedPayloadTotals(tx: Tx, installation: string): Promise<RejectedPayloadTotals | null> {
  const row = await tx.findOneBy(MeterRefusalTotalRow, { installation });
  return row === null
    ? null
    : {
        count: Number(row.count),
        bytes: Number(row.bytes),
        dropped: Number(row.dropped),
        droppedBytes: Number(row.droppedBytes),
        droppedUntil: row.droppedUntil,
        droppedAt: row.droppedAt,
      };
}
