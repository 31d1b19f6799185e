/** The event log and its quarantine. */
import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { PartitionBy } from './partition-by.ts';

/** The position of the newest event, in one row; its lock orders the writers. */
@Entity('event_head')
@Check('event_head_one_check', 'one')
export class EventHeadRow {
  @PrimaryColumn('boolean', { default: true }) one!: true;
  /** 0: the log is empty. */
  @Column('bigint') position!: string;
}

/** A foreign id that was written to the log, so that a repetition is recognized. */
@Entity('event_key')
export class EventKeyRow {
  @PrimaryColumn('text') installation!: string;
  @PrimaryColumn('text') foreignId!: string;
  @Index('event_key_age')
  @Column('timestamptz')
  recordedAt!: Date;
}

/** An event of the log. One partition for each day (UTC) of `recordedAt`. */
@Entity('event')
@PartitionBy('RANGE (recorded_at)')
@Index('event_position', ['position'])
@Index('event_company', ['company', 'position'], { where: 'company IS NOT NULL' })
@Index('event_door', ['door', 'position'], { where: 'door IS NOT NULL' })
export class EventRow {
  /** When it was written; never decreases with the position. */
  @PrimaryColumn('timestamptz') recordedAt!: Date;
  /** Number in commit order, from 1, without gaps. */
  @PrimaryColumn('bigint') position!: string;
  /** UUIDv7. */
  @Column('uuid') id!: string;
  /** When it happened, by the source's clock. */
  @Column('timestamptz') time!: Date;
  @Column('text') kind!: string;
  @Column('text') installation!: string;
  @Column('text') connector!: string;
  @Column('text') park!: string;
  /** USCC. */
  @Column('text', { nullable: true }) company!: string | null;
  @Column('text', { nullable: true }) vehicle!: string | null;
  @Column('text', { nullable: true }) door!: string | null;
  @Column('text', { nullable: true }) badge!: string | null;
  @Column('text', { nullable: true }) lot!: string | null;
  @Column('text', { nullable: true }) meter!: string | null;
  @Column('text', { nullable: true }) caseId!: string | null;
  /** The fields that only its kind has. */
  @Column('jsonb', { default: {} }) data!: Readonly<Record<string, unknown>>;
}

/** The first position of each day of the log; stays when retention has dropped the day. */
@Entity('event_day')
export class EventDayRow {
  /** UTC. */
  @PrimaryColumn('date') day!: string;
  @Column('bigint') firstPosition!: string;
}

/** An event that does not fit its GraphQL type. */
@Entity('event_quarantine')
export class EventQuarantineRow {
  /** Hash of installation and foreign id, or `position …` of an event in the log. */
  @PrimaryColumn('text') id!: string;
  @Column('text') installation!: string;
  /** Null: it was rejected and is not in the log. */
  @Column('bigint', { nullable: true }) position!: string | null;
  @Column('text') kind!: string;
  /** The invalid field. */
  @Column('text') field!: string;
  @Column('text') reason!: string;
  /** JSON, at most 1 MB. */
  @Column('text') event!: string;
  @Index('event_quarantine_age')
  @Column('timestamptz', { default: () => 'now()' })
  foundAt!: Date;
}
