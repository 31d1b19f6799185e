/** How each installation is doing, written by its host, read by the hub. */
import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Tx } from './open.ts';

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

export async function saveSource(tx: Tx, row: SourceRow): Promise<void> {
  await tx.upsert(SourceRow, row, ['id']);
}

/** Removes the sources of installations that left isthmus.yaml. */
export async function keepSources(tx: Tx, ids: readonly string[]): Promise<void> {
  await tx.query('DELETE FROM source WHERE NOT (id = ANY($1))', [ids]);
}

export const allSources = (tx: Tx): Promise<SourceRow[]> => tx.find(SourceRow, { order: { id: 'ASC' } });
