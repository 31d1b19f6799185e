import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A register entry as last read. */
@Entity('register_entry')
export class RegisterEntryRow {
  @PrimaryColumn('text') installation!: string;
  @PrimaryColumn('text') uscc!: string;
  /** Values by field. */
  @Column('jsonb') fields!: Readonly<Record<string, unknown>>;
}

/** An application that the register has not decided. */
@Entity('register_application')
export class RegisterApplicationRow {
  @PrimaryColumn('text') installation!: string;
  /** The register's number. */
  @PrimaryColumn('text') number!: string;
  /** The hub's reference. */
  @Column('text') reference!: string;
  @Column('text') uscc!: string;
  @Column('text') state!: string;
}
