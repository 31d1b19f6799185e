import { Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';

/** A park of isthmus.yaml. */
@Entity('park')
export class ParkRow {
  @PrimaryColumn('text') id!: string;
  @Column('text') name!: string;
  @Column('text') region!: string;
  @Column('text', { nullable: true }) kind!: string | null;
  @Column('text', { nullable: true }) function!: string | null;
  @Column('text', { nullable: true }) ledBy!: string | null;
  @Column('text', { nullable: true }) level!: string | null;
  /** Place in isthmus.yaml. */
  @Column('integer') position!: number;
}

/** A building of isthmus.yaml. */
@Entity('building')
export class BuildingRow {
  @PrimaryColumn('text') id!: string;
  @Index('building_park')
  @ForeignKey(() => ParkRow, { onDelete: 'CASCADE' })
  @Column('text')
  park!: string;
  @Column('text') name!: string;
  /** Square metres. */
  @Column('numeric', { nullable: true }) floorArea!: string | null;
  /** Codes of the building in source systems. */
  @Column('text', { array: true, default: [] }) known!: string[];
  /** Place in isthmus.yaml. */
  @Column('integer') position!: number;
}
