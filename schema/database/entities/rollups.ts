/** Sums of measurements by hour, day and month, how far they reach, and which of them are outdated. See docs/decisions/0035-rollups.md. */
import { Column, Entity, Index, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';

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

/** Observations of a lot in one hour. */
@Entity('occupancy_hour')
@Index('occupancy_hour_age', ['start'])
export class OccupancyHourRow {
  @PrimaryColumn('text') installation!: string;
  @PrimaryColumn('text') lot!: string;
  @PrimaryColumn('timestamptz') start!: Date;
  /** Number of observations, without flagged ones. */
  @Column('integer') measured!: number;
  /** Sum of their vehicles. */
  @Column('bigint') total!: string;
  @Column('integer', { nullable: true }) min!: number | null;
  @Column('integer', { nullable: true }) max!: number | null;
  /** Number of flagged observations. */
  @Column('integer') flagged!: number;
}

/** How far the sums of a lot reach. */
@Entity('occupancy_rollup')
export class OccupancyRollupRow {
  @PrimaryColumn('text') installation!: string;
  @PrimaryColumn('text') lot!: string;
  /** An observation before this whole hour makes its hour outdated, and is recorded in `occupancy_dirty`. */
  @Column('timestamptz') claimed!: Date;
  /** The sums contain the observations before this whole hour. */
  @Column('timestamptz') until!: Date;
}

/** An hour whose sums are outdated. */
@Entity('occupancy_dirty')
@Index('occupancy_dirty_lot', ['installation', 'lot'])
export class OccupancyDirtyRow {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'ALWAYS' }) id!: string;
  @Column('text') installation!: string;
  @Column('text') lot!: string;
  @Column('timestamptz') start!: Date;
}
