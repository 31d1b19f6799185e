/** Meter readings, partitioned by month. One value per meter and time is valid; replaced values are in `meter_reading_history`. */
import { takeLock } from '../advisory-locks.ts';
import type { MeterReadingRow } from '../entities/energy.ts';
import { genericPlan } from '../pool/prepared-statements.ts';
import { droppedBeforeSql } from '../retention/dropped-before.ts';
import { hasTable, type Tx } from '../transaction.ts';
import { type ChangedReadings, changedInSums, recordOutdated, WRITER_LOCK } from './outdated-sums.ts';
import { type ReadingVersion, resolveCorrections, type StoredReading } from './reading-corrections.ts';

/** A reading. */
export type ReadingRow = Readonly<Pick<MeterReadingRow, 'meter' | 'time' | 'value' | 'quality'>>;

export interface LatestReading extends ReadingRow {
  /** When this value replaced an earlier one; null: it did not. */
  readonly corrected: Date | null;
}

export interface NewReading extends ReadingRow {
  /** Revision number in the payload; default 0. A higher one wins over later readings. */
  readonly revision?: number | undefined;
  /** Its origin, such as the gateway. */
  readonly origin?: string | undefined;
}

/** A value that has replaced another one. */
export interface CorrectedReading extends ReadingRow {
  readonly revision: number;
  /** The replaced value. */
  readonly previous: string;
}

const READING = 'meter, time, value, quality, revision';
/** Parameters with the values of `READING`. */
const READING_ARRAYS = '$1::text[], $2::timestamptz[], $3::numeric[], $4::text[], $5::int[]';

/** Months known to have a partition, by database; reset when retention has dropped some. */
const knownMonths = new Map<string, { readonly dropped: string; readonly months: Set<string> }>();

/**
 * Saves readings received at `at`. Another value for the same meter and time is a correction: the last one received is valid, and the
 * earlier one goes into the history. A repetition of the valid value or of one in the history changes nothing. Creates partitions of new
 * months. Resolves with the number of new readings and the corrections.
 */
export async function saveReadings(
  tx: Tx,
  rows: readonly NewReading[],
  at: Date,
): Promise<{ added: number; corrected: readonly CorrectedReading[] }> {
  if (rows.length === 0) return { added: 0, corrected: [] };
  await prepareWrite(tx, rows);
  const column = (pick: (row: NewReading) => unknown) => rows.map(pick);
  const columns = [
    column((row) => row.meter),
    column((row) => row.time),
    column((row) => row.value),
    column((row) => row.quality),
    column((row) => row.revision ?? 0),
  ];
  const given = `unnest(${READING_ARRAYS}) WITH ORDINALITY AS g (${READING}, n)`;
  const [inserted]: { added: number; late: ChangedReadings[] | null }[] = await tx.query(
    `WITH inserted AS (
       INSERT INTO meter_reading (${READING}, received_at, origin)
       SELECT ${READING}, $6, ($7::text[])[n] FROM ${given} ORDER BY n ON CONFLICT DO NOTHING RETURNING meter, time
     )
     SELECT (SELECT count(*)::int FROM inserted) AS added, (SELECT json_agg(l) FROM (${changedInSums('inserted c')}) l) AS late`,
    [...columns, at, column((row) => row.origin ?? null)],
  );
  const { added = 0, late = null } = inserted ?? {};
  if (late !== null) await recordOutdated(tx, late);
  if (added === rows.length) return { added, corrected: [] };
  // Repetitions of valid values need no lock and no write.
  const other: { n: string }[] = await tx.query(
    `SELECT n FROM ${given} JOIN meter_reading r ON r.meter = g.meter AND r.time = g.time
     WHERE (r.value, r.quality, r.revision) IS DISTINCT FROM (g.value, g.quality, g.revision) ORDER BY n`,
    columns,
  );
  const differing = other.map(({ n: index }) => rows[Number(index) - 1] as NewReading);
  return { added, corrected: differing.length === 0 ? [] : await applyCorrections(tx, differing, at) };
}

/** Resolves conflicting values under the lock of their rows. */
async function applyCorrections(tx: Tx, rows: readonly NewReading[], at: Date): Promise<CorrectedReading[]> {
  const distinct = [...new Map(rows.map((row) => [`${row.meter} ${row.time.toISOString()}`, row])).values()];
  const keys = [distinct.map((row) => row.meter), distinct.map((row) => row.time)];
  const keysTable = 'unnest($1::text[], $2::timestamptz[]) AS k (meter, time)';
  const standing: StoredReading[] = await tx.query(
    `SELECT r.meter, r.time, trim_scale(r.value)::text AS value, r.quality, r.revision, r.received_at AS "receivedAt", r.origin
     FROM meter_reading r JOIN ${keysTable} ON r.meter = k.meter AND r.time = k.time ORDER BY r.meter, r.time FOR UPDATE OF r`,
    keys,
  );
  const history: ReadingVersion[] = await tx.query(
    `SELECT h.meter, h.time, trim_scale(h.value)::text AS value, h.quality, h.revision
     FROM meter_reading_history h JOIN ${keysTable} ON h.meter = k.meter AND h.time = k.time`,
    keys,
  );
  const { superseded, replaced } = resolveCorrections(
    standing,
    history,
    rows.map((row) => ({ ...row, revision: row.revision ?? 0, origin: row.origin ?? null, receivedAt: at })),
  );
  const columns = (all: readonly StoredReading[]) => [
    all.map((row) => row.meter),
    all.map((row) => row.time),
    all.map((row) => row.value),
    all.map((row) => row.quality),
    all.map((row) => row.revision),
    all.map((row) => row.receivedAt),
    all.map((row) => row.origin),
  ];
  const given = `unnest(${READING_ARRAYS}, $6::timestamptz[], $7::text[]) AS g (${READING}, received_at, origin)`;
  if (superseded.length > 0)
    await tx.query(
      `INSERT INTO meter_reading_history (${READING}, received_at, origin, superseded_at)
       SELECT ${READING}, received_at, origin, $8 FROM ${given} ON CONFLICT DO NOTHING`,
      [...columns(superseded), at],
    );
  if (replaced.length > 0) {
    await tx.query(
      `UPDATE meter_reading r SET value = g.value, quality = g.quality, revision = g.revision, received_at = g.received_at, origin = g.origin,
         corrected_at = CASE WHEN (r.value, r.quality) IS DISTINCT FROM (g.value, g.quality) THEN $8 ELSE r.corrected_at END
       FROM ${given} WHERE r.meter = g.meter AND r.time = g.time`,
      [...columns(replaced.map((change) => change.now)), at],
    );
    const outdated: ChangedReadings[] = await tx.query(
      changedInSums('unnest($1::text[], $2::timestamptz[]) AS c (meter, time)'),
      columns(replaced.map((change) => change.now)).slice(0, 2),
    );
    await recordOutdated(tx, outdated);
  }
  return replaced.flatMap(({ before, now }) =>
    before.value === now.value && before.quality === now.quality
      ? []
      : [
          {
            meter: now.meter,
            time: now.time,
            value: now.value,
            quality: now.quality,
            revision: now.revision,
            previous: before.value,
          },
        ],
  );
}

/** Takes the lock of writers, and creates partitions of new months. */
async function prepareWrite(tx: Tx, rows: readonly ReadingRow[]): Promise<void> {
  const [at]: { name: string; dropped: string }[] = await tx.query(
    `SELECT current_database() AS name, coalesce(${droppedBeforeSql('readings')}::text, '') AS dropped, ${WRITER_LOCK}`,
  );
  const { name: database = '', dropped = '' } = at ?? {};
  let known = knownMonths.get(database);
  if (known?.dropped !== dropped) {
    known = { dropped, months: new Set() };
    knownMonths.set(database, known);
  }
  const months = [...new Set(rows.map((row) => row.time.toISOString().slice(0, 7)))].sort();
  for (const month of months) {
    if (known.months.has(month)) continue;
    const name = `meter_reading_${month.replace('-', '')}`;
    if (!(await hasTable(tx, name))) {
      const [year = 2000, number = 1] = month.split('-').map(Number);
      const next = new Date(Date.UTC(year, number, 1)).toISOString().slice(0, 10);
      // Several processes may need the same new month at once.
      await takeLock(tx, 'readingMonths');
      await tx.query(
        `CREATE TABLE IF NOT EXISTS ${name} PARTITION OF meter_reading FOR VALUES FROM ('${month}-01 00:00:00+00') TO ('${next} 00:00:00+00')`,
      );
    } else known.months.add(month);
  }
}

/** The newest reading of each meter. */
export async function latestReadings(tx: Tx, ids: readonly string[]): Promise<Map<string, LatestReading>> {
  const rows: LatestReading[] = await tx.query(
    genericPlan(`SELECT r.* FROM unnest($1::text[]) AS k (id) CROSS JOIN LATERAL (
       SELECT meter, time, trim_scale(value)::text AS value, quality, corrected_at AS corrected FROM meter_reading
       WHERE meter = k.id ORDER BY time DESC LIMIT 1) r`),
    [ids],
  );
  return new Map(rows.map((row) => [row.meter, row]));
}
