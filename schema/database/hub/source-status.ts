/** The status row of each installation: written by its host, read by the hub. */
import { Any, Not } from 'typeorm';
import { selectList } from '../column-names.ts';
import { SourceRow } from '../entities/sources.ts';
import { genericPlan } from '../pool/prepared-statements.ts';
import { OUTAGE_TTL_SECONDS } from '../processes/connector-outages.ts';
import type { Tx } from '../transaction.ts';

const SOURCE = selectList(SourceRow, ['lagMs', 'updatedAt', 'reporter']);

/** A status to save. `onlyIfMissing`: an existing row does not change. */
export type SavedSource = Omit<SourceRow, 'updatedAt'> & { readonly onlyIfMissing: boolean };

/** Saves statuses with the database's time. Resolves with the states of the rows that existed before, by id. */
export async function saveSources(
  tx: Tx,
  rows: readonly SavedSource[],
): Promise<ReadonlyMap<string, SourceRow['state']>> {
  const before: Pick<SourceRow, 'id' | 'state'>[] = await tx.query(
    'SELECT id, state FROM source WHERE id = ANY($1) ORDER BY id FOR UPDATE',
    [rows.map(({ id }) => id)],
  );
  const existing = new Map(before.map(({ id, state }) => [id, state]));
  const saved = rows.filter(({ id, onlyIfMissing }) => !(onlyIfMissing && existing.has(id)));
  const column = (name: keyof SavedSource) => saved.map((row) => row[name]);
  await tx.query(
    `INSERT INTO source (id, system, protocol, park, state, since, reason, last_success, lag_ms, errors, breaker, reporter,
       updated_at)
     SELECT *, now() FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[],
       $8::timestamptz[], $9::bigint[], $10::integer[], $11::text[], $12::text[]) AS saved (id) ORDER BY id
     ON CONFLICT (id) DO UPDATE SET system = excluded.system, protocol = excluded.protocol, park = excluded.park,
       state = excluded.state, since = excluded.since, reason = excluded.reason, last_success = excluded.last_success,
       lag_ms = excluded.lag_ms, errors = excluded.errors, breaker = excluded.breaker, reporter = excluded.reporter,
       updated_at = excluded.updated_at`,
    [
      column('id'),
      column('system'),
      column('protocol'),
      column('park'),
      column('state'),
      column('since'),
      column('reason'),
      column('lastSuccess'),
      column('lagMs'),
      column('errors'),
      column('breaker'),
      column('reporter'),
    ],
  );
  return existing;
}

/** Those of the sources whose row is missing, or was written by another process than `reporter`. */
export async function notReportedBy(tx: Tx, reporter: string, ids: readonly string[]): Promise<string[]> {
  const rows: { id: string }[] = await tx.query(
    `SELECT id FROM unnest($2::text[]) AS own (id)
     WHERE NOT EXISTS (SELECT 1 FROM source WHERE source.id = own.id AND source.reporter = $1)`,
    [reporter, ids],
  );
  return rows.map(({ id }) => id);
}

/** The rows are no longer current because their process lives. */
export async function disownSources(tx: Tx, ids: readonly string[]): Promise<void> {
  await tx.update(SourceRow, { id: Any(ids) }, { reporter: null });
}

/** Deletes the rows of all other installations. */
export async function removeOtherSources(tx: Tx, ids: readonly string[]): Promise<void> {
  await tx.delete(SourceRow, { id: Not(Any(ids)) });
}

/** Adds rows with state DOWN for installations without a status; existing rows do not change. Rows are sorted, against deadlocks. */
export async function addMissingSources(
  tx: Tx,
  rows: readonly Pick<SourceRow, 'id' | 'system' | 'protocol' | 'park' | 'reason'>[],
): Promise<void> {
  if (rows.length === 0) return;
  const now = () => 'now()';
  const added = [...rows]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((row) => ({ ...row, state: 'DOWN', since: now, errors: 0, breaker: 'CLOSED', updatedAt: now }) as const);
  await tx.createQueryBuilder().insert().into(SourceRow).values(added).orIgnore().execute();
}

/** A status row with its age and connector outage. `updatedAt`: when it was written, or the last heartbeat of the process that wrote it. */
export interface SourceStatusRow extends Omit<SourceRow, 'reporter'> {
  /** Milliseconds since `updatedAt`, by the database's clock. */
  readonly age: number;
  /** The longest current outage of the connector's process, as seen by any gateway; null: none. */
  readonly outage: { readonly reason: string; readonly since: Date } | null;
}

/** All status rows, by id. The lag includes the time since the row was written. */
export async function allSources(tx: Tx): Promise<SourceStatusRow[]> {
  const rows: (Omit<SourceStatusRow, 'outage'> & { outage: string | null; outageSince: Date | null })[] =
    await tx.query(
      genericPlan(`SELECT ${SOURCE}, greatest(updated_at, renewed_at) AS "updatedAt",
       extract(epoch FROM now() - greatest(updated_at, renewed_at))::float8 * 1000 AS age,
       lag_ms + greatest(extract(epoch FROM now() - updated_at) * 1000, 0)::bigint AS "lagMs",
       outage.reason AS outage, outage.since AS "outageSince"
     FROM source LEFT JOIN process_heartbeat ON owner = reporter
       LEFT JOIN LATERAL (SELECT reason, since FROM connector_outage WHERE connector = system
         AND seen_at BETWEEN now() - $1 * interval '1 second' AND now() + $1 * interval '1 second'
       ORDER BY since LIMIT 1) AS outage ON true
     ORDER BY id`),
      [OUTAGE_TTL_SECONDS],
    );
  return rows.map(({ outage, outageSince, ...row }) => ({
    ...row,
    outage: outage === null || outageSince === null ? null : { reason: outage, since: outageSince },
  }));
}
