import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

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
