/** The status row of each installation: written by its host, read by the hub. */
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { OUTAGE_TTL_SECONDS } from '../processes/connector-outages.ts';
import type { Tx } from '../transaction.ts';

@Entity('source')
export class SourceRow {
  @PrimaryColumn('text') id!: string;
  @Column('text') system!: string;
  @Column('text') protocol!: string;
  @Column('text') park!: string;
  @Column('text') state!: 'UP' | 'DEGRADED' | 'DOWN';
  @Column('timestamptz') since!: Date;
  @Column('text', { nullable: true }) reason!: string | null;
  @Column('timestamptz', { name: 'last_success', nullable: true }) lastSuccess!: Date | null;
  @Column('bigint', { name: 'lag_ms', nullable: true }) lagMs!: string | null;
  @Column('integer') errors!: number;
  @Column('text') breaker!: 'CLOSED' | 'HALF_OPEN' | 'OPEN';
  @Column('timestamptz', { name: 'updated_at' }) updatedAt!: Date;
}

/** Saves the status with the database's time. */
export async function saveSource(tx: Tx, row: Omit<SourceRow, 'updatedAt'>): Promise<void> {
  await tx.upsert(SourceRow, { ...row, updatedAt: () => 'now()' }, ['id']);
}

/** Deletes the rows of all other installations. */
export async function removeOtherSources(tx: Tx, ids: readonly string[]): Promise<void> {
  await tx.query('DELETE FROM source WHERE NOT (id = ANY($1))', [ids]);
}

/** Adds rows with state DOWN for installations without a status; existing rows do not change. */
export async function addMissingSources(
  tx: Tx,
  rows: readonly Pick<SourceRow, 'id' | 'system' | 'protocol' | 'park' | 'reason'>[],
): Promise<void> {
  for (const { id, system, protocol, park, reason } of rows) {
    await tx.query(
      `INSERT INTO source (id, system, protocol, park, state, since, reason, errors, breaker, updated_at)
       VALUES ($1, $2, $3, $4, 'DOWN', now(), $5, 0, 'CLOSED', now()) ON CONFLICT DO NOTHING`,
      [id, system, protocol, park, reason],
    );
  }
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
      `SELECT id, system, protocol, park, state, source.since, source.reason, last_success AS "lastSuccess", lag_ms AS "lagMs",
       errors, breaker, updated_at AS "updatedAt", extract(epoch FROM now() - updated_at)::float8 * 1000 AS age,
       outage.reason AS outage, outage.since AS "outageSince"
     FROM source LEFT JOIN LATERAL (SELECT reason, since FROM connector_outage WHERE connector = system
         AND seen_at BETWEEN now() - $1 * interval '1 second' AND now() + $1 * interval '1 second'
       ORDER BY since LIMIT 1) AS outage ON true
     ORDER BY id`,
      [OUTAGE_TTL_SECONDS],
    );
  return rows.map(({ outage, outageSince, ...row }) => ({
    ...row,
    outage: outage === null || outageSince === null ? null : { reason: outage, since: outageSince },
  }));
}
