import { Column, Entity, Index, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';

/** A vehicle of an installation, by opaque id. */
@Entity('vehicle')
export class VehicleRow {
  @PrimaryColumn('text') id!: string;
  @PrimaryColumn('text') installation!: string;
  @Index('vehicle_plate')
  @Column('text')
  plate!: string;
  /** Colour of the plate. */
  @Column('text') colour!: string;
  /** USCC from the newest parking right or session that names the vehicle; null if none does. */
  @Column('text', { nullable: true }) company!: string | null;
}

/** An occupancy observation. Implausible ones are flagged. */
@Entity('occupancy')
@Index('occupancy_lot', ['installation', 'lot', 'time'])
@Index('occupancy_age', ['time'])
export class OccupancyRow {
  @PrimaryColumn('text') installation!: string;
  /** The vendor's id of the observation. */
  @PrimaryColumn('text') vendorId!: string;
  @Column('text') lot!: string;
  @Column('timestamptz') time!: Date;
  /** Vehicles. */
  @Column('integer') occupied!: number;
  /** Spaces. */
  @Column('integer', { nullable: true }) capacity!: number | null;
  /** More vehicles than spaces. */
  @Column('boolean') overCapacity!: boolean;
  @Column('boolean') negative!: boolean;
  /** Another row has the same lot and time. */
  @Column('boolean') duplicate!: boolean;
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
