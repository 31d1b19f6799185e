/** Meters, their readings and the sums of these, payloads that could not be parsed, and what retention has dropped. */
import { Column, Entity, Index, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';
import { PartitionBy } from './partition-by.ts';

/** A meter; null: unknown. */
@Entity('meter')
@Index('meter_company', ['company', 'id'])
@Index('meter_building', ['building', 'id'])
export class MeterRow {
  @PrimaryColumn('text') id!: string;
  @Index('meter_installation')
  @Column('text')
  installation!: string;
  @Column('text') serial!: string;
  @Column('text', { nullable: true }) medium!: string | null;
  /** UCUM unit of the register. */
  @Column('text', { nullable: true }) unit!: string | null;
  @Column('text', { nullable: true }) building!: string | null;
  /** USCC. */
  @Column('text', { nullable: true }) company!: string | null;
  /** The register rolls over at this value. */
  @Column('numeric', { nullable: true }) modulus!: string | null;
}

/** The valid value of a meter's register at a time. One partition for each month (UTC). */
@Entity('meter_reading')
@PartitionBy('RANGE (time)')
export class MeterReadingRow {
  @PrimaryColumn('text') meter!: string;
  @PrimaryColumn('timestamptz') time!: Date;
  /** In the unit of the register. */
  @Column('numeric') value!: string;
  /** GOOD, ESTIMATED or SUSPECT. */
  @Column('text') quality!: string;
  /** Revision number in the payload; 0 without one. */
  @Column('integer', { default: 0 }) revision!: number;
  /** Null: received before this was recorded. */
  @Column('timestamptz', { nullable: true }) receivedAt!: Date | null;
  /** Such as the gateway. */
  @Column('text', { nullable: true }) origin!: string | null;
  /** When this value replaced an earlier one; null: it did not. */
  @Column('timestamptz', { nullable: true }) correctedAt!: Date | null;
}

/** A value that is not, or no longer, valid. */
@Entity('meter_reading_history')
@Index('meter_reading_history_age', ['time'])
export class MeterReadingHistoryRow {
  @PrimaryColumn('text') meter!: string;
  @PrimaryColumn('timestamptz') time!: Date;
  @PrimaryColumn('integer') revision!: number;
  @PrimaryColumn('numeric') value!: string;
  @PrimaryColumn('text') quality!: string;
  @Column('timestamptz', { nullable: true }) receivedAt!: Date | null;
  @Column('text', { nullable: true }) origin!: string | null;
  @Column('timestamptz') supersededAt!: Date;
}

/** A payload that could not be parsed. */
@Entity('meter_refusal')
@Index('meter_refusal_installation', ['installation', 'id'])
@Index('meter_refusal_age', ['installation', 'at'])
export class MeterRefusalRow {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'ALWAYS' }) id!: string;
  @Column('text') installation!: string;
  @Column('text') topic!: string;
  /** Empty if the payload is in parts. */
  @Column('bytea') payload!: Buffer;
  @Column('text') reason!: string;
  /** When it was received. */
  @Column('timestamptz') at!: Date;
  @Column('text', { nullable: true }) gateway!: string | null;
  /** Bytes of the payload. */
  @Column('bigint') size!: string;
  /** SHA-256 of the payload. */
  @Column('bytea') digest!: Buffer;
  /** False: stored by an older version, which truncated payloads. */
  @Column('boolean', { default: true }) whole!: boolean;
  /** Bytes that count for the limit. */
  @Column({
    type: 'bigint',
    generatedType: 'STORED',
    asExpression: 'size + octet_length(topic) + octet_length(reason) + 128',
  })
  weight!: string;
}

/** A part of a large payload. */
@Entity('meter_refusal_part')
export class MeterRefusalPartRow {
  /** Id of the payload; its row is written last. */
  @PrimaryColumn('bigint') refusal!: string;
  @PrimaryColumn('integer') number!: number;
  @Column('text') installation!: string;
  @Column('bytea') payload!: Buffer;
}

/** Stored, dropped and expired payloads of an installation. */
@Entity('meter_refusal_total')
export class MeterRefusalTotalRow {
  @PrimaryColumn('text') installation!: string;
  @Column('bigint') count!: string;
  /** Sum of the weights. */
  @Column('bigint') bytes!: string;
  /** Dropped because of the size limit, in total. */
  @Column('bigint', { default: () => '0' }) dropped!: string;
  @Column('bigint', { default: () => '0' }) droppedBytes!: string;
  /** When the newest dropped payload was received. */
  @Column('timestamptz', { nullable: true }) droppedUntil!: Date | null;
  @Column('timestamptz', { nullable: true }) droppedAt!: Date | null;
  /** Deleted because of their age, in total. */
  @Column('bigint', { default: () => '0' }) expired!: string;
  @Column('bigint', { default: () => '0' }) expiredBytes!: string;
}

/** The time before which retention has dropped measurements. */
@Entity('dropped_before')
export class DroppedBeforeRow {
  @PrimaryColumn('text') what!: 'readings' | 'occupancy';
  @Column('timestamptz') before!: Date;
}

/** What a meter's register has increased by in the intervals between two readings that start in this time. */
abstract class EnergySumRow {
  @PrimaryColumn('text') meter!: string;
  @PrimaryColumn('timestamptz') start!: Date;
  /** In kWh or m3; null: unknown. */
  @Column('numeric', { nullable: true }) amount!: string | null;
  /** Sum of the lengths of the intervals with a known increase. */
  @Column('interval') measured!: unknown;
  /** One of the readings was estimated. */
  @Column('boolean') estimated!: boolean;
  /** One of the increases is unknown or uncertain. */
  @Column('boolean') suspect!: boolean;
  /** When one of the readings was last corrected; null: none was. */
  @Column('timestamptz', { nullable: true }) corrected!: Date | null;
}

/** Intervals of at most 2 hours. */
@Entity('energy_hour')
export class EnergyHourRow extends EnergySumRow {}

/** Intervals of at most 48 hours, by day of the park's time zone. */
@Entity('energy_day')
export class EnergyDayRow extends EnergySumRow {}

/** Intervals of at most 60 days, by month of the park's time zone. */
@Entity('energy_month')
export class EnergyMonthRow extends EnergySumRow {}

/** An interval of more than 2 hours. The width of a bucket decides whether it is a gap, and to which bucket it belongs. */
@Entity('energy_gap')
export class EnergyGapRow {
  @PrimaryColumn('text') meter!: string;
  /** 1: at most 48 hours, as in `energy_day`. 2: at most 60 days, as in `energy_month`. 3: more. */
  @PrimaryColumn('smallint') level!: number;
  @PrimaryColumn('timestamptz') since!: Date;
  /** End of the interval. */
  @Column('timestamptz') time!: Date;
  @Column('numeric', { nullable: true }) amount!: string | null;
  @Column('boolean') estimated!: boolean;
  @Column('boolean') suspect!: boolean;
  @Column('timestamptz', { nullable: true }) corrected!: Date | null;
}

/** How far the sums of a meter reach. */
@Entity('energy_rollup')
export class EnergyRollupRow {
  @PrimaryColumn('text') meter!: string;
  /** A reading of this time or an earlier one makes sums outdated, and is recorded in `energy_dirty`. */
  @Column('timestamptz') claimed!: Date;
  /** The sums contain the intervals that start before this whole hour. */
  @Column('timestamptz') until!: Date;
  /** The reading before `until`: the intervals that start later are found in the readings from this one on. */
  @Column('timestamptz') readFrom!: Date;
  /** Whether the sums reach as far as `claimed` allows. */
  @Column('boolean') complete!: boolean;
  /** Of the days and months. */
  @Column('text') zone!: string;
  /** Unit and modulus of the meter with which the sums were made; if the meter has others, they are not used. */
  @Column('text', { nullable: true }) unit!: string | null;
  @Column('numeric', { nullable: true }) modulus!: string | null;
}

/** Sums of a meter that are outdated, because readings were added late, corrected or deleted. */
@Entity('energy_dirty')
export class EnergyDirtyRow {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'ALWAYS' }) id!: string;
  @Index('energy_dirty_meter')
  @Column('text')
  meter!: string;
  /** The intervals that start from here on, a whole hour or -infinity, … */
  @Column('timestamptz') since!: Date;
  /** … to here, a whole hour. */
  @Column('timestamptz') until!: Date;
  /** The reading before `since`. */
  @Column('timestamptz') readFrom!: Date;
}
