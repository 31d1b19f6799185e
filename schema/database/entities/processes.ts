/** What the processes of a hub share: their list, configurations, heartbeats, leases, keys and mutations; and the former table of migrations. */
import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The right of one process to run an installation's jobs. */
@Entity('lease')
export class LeaseRow {
  @PrimaryColumn('text') name!: string;
  @Column('text') owner!: string;
  /** By the database's clock; `infinity`: as long as the heartbeat of its owner is renewed. */
  @Column('timestamptz') until!: Date;
  /** Increases with each new holder. */
  @Column('bigint') fence!: string;
}

/** A process renews its row for all its leases, and for the status rows that it has written. By the database's clock. */
@Entity('process_heartbeat')
export class ProcessHeartbeatRow {
  @PrimaryColumn('text') owner!: string;
  @Column('timestamptz') renewedAt!: Date;
  /** When it expires without renewal. */
  @Column('timestamptz') until!: Date;
}

/** A process that uses this database; it renews its row. */
@Entity('hub_process')
export class HubProcessRow {
  @PrimaryColumn('text') owner!: string;
  /** Such as `hub`, or `connector parking`. */
  @Column('text') role!: string;
  @Column('text') host!: string;
  @Column('integer') pid!: number;
  /** Digest of its configuration. */
  @Column('text') configuration!: string;
  @Column('timestamptz', { default: () => 'now()' }) startedAt!: Date;
  /** By the database's clock. */
  @Column('timestamptz') until!: Date;
}

/** Short hashes of a configuration's settings, by section and setting. */
export type ConfigurationOutline = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** A configuration that a live process has had. */
@Entity('hub_configuration')
export class HubConfigurationRow {
  @PrimaryColumn('text') digest!: string;
  /** The highest one is the newest configuration. */
  @Column('bigint') number!: string;
  @Column('jsonb') outline!: ConfigurationOutline;
  /** Description of the process that set it. */
  @Column('text') setBy!: string;
  @Column('timestamptz', { default: () => 'now()' }) setAt!: Date;
}

/** A random key that all processes share. */
@Entity('secret')
export class SecretRow {
  @PrimaryColumn('text') name!: string;
  /** 32 bytes. */
  @Column('bytea') value!: Buffer;
}

/** A mutation that a client has sent, so that a repetition gets the stored response. */
@Entity('mutation')
export class MutationRow {
  /** The caller. */
  @PrimaryColumn('text') subject!: string;
  /** Name of the field. */
  @PrimaryColumn('text') mutation!: string;
  @PrimaryColumn('text') clientMutationId!: string;
  @Column('text') payloadHash!: string;
  /** The hub's id for it. */
  @Column('text') ownId!: string;
  @Column('text') state!: 'STARTED' | 'DONE';
  /** The response; null until it is `DONE`. */
  @Column('jsonb', { nullable: true }) answer!: unknown;
  @Index('mutation_age')
  @Column('timestamptz')
  startedAt!: Date;
}

/** A migration as versions before 0.2 recorded it; they reject a database with a migration unknown to them. */
@Entity('schema_step')
export class SchemaStepRow {
  @PrimaryColumn('integer') number!: number;
  @Column('text') name!: string;
  @Column('timestamptz', { default: () => 'now()' }) runAt!: Date;
}
