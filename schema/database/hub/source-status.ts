/** The status row of each installation: written by its host, read by the hub. */
import { Any, Not } from 'typeorm';
import { selectList } from '../column-names.ts';
import { SourceRow } from '../entities/sources.ts';
import { genericPlan } from '../pool/prepared-statements.ts';
import { OUTAGE_TTL_SECONDS } from '../processes/connector-outages.ts';
import type { Tx } from '../transaction.ts';

const SOURCE = selectList(SourceRow);

/** Saves the status with the database's time. */
export async function saveSource(tx: Tx, row: Omit<SourceRow, 'updatedAt'>): Promise<void> {
  await tx.upsert(SourceRow, { ...row, updatedAt: () => 'now()' }, ['id']);
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

/** A status row with its age and connector outage. */
export interface SourceStatusRow extends SourceRow {
  /** Milliseconds since it was written, by the database's clock. */
  readonly age: number;
  /** The longest current outage of the connector's process, as seen by any gateway; null: none. */
  readonly outage: { readonly reason: string; readonly since: Date } | null;
}

/** All status rows, by id. */
export async function allSources(tx: Tx): Promise<SourceStatusRow[]> {
  const rows: (Omit<SourceStatusRow, 'outage'> & { outage: string | null; outageSince: Date | null })[] =
    await tx.query(
      genericPlan(`SELECT ${SOURCE}, extract(epoch FROM now() - updated_at)::float8 * 1000 AS age,
       outage.reason AS outage, outage.since AS "outageSince"
     FROM source LEFT JOIN LATERAL (SELECT reason, since FROM connector_outage WHERE connector = system
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
