/** What hosts store about their installations: status, outages, state and cached readings. */
import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The status of an installation, written by its host. */
@Entity('source')
export class SourceRow {
  /** The installation. */
  @PrimaryColumn('text') id!: string;
  /** Its connector. */
  @Column('text') system!: string;
  @Column('text') protocol!: string;
  @Column('text') park!: string;
  @Column('text') state!: 'UP' | 'DEGRADED' | 'DOWN';
  /** Start of the state. */
  @Column('timestamptz') since!: Date;
  @Column('text', { nullable: true }) reason!: string | null;
  /** Time of the last successful call. */
  @Column('timestamptz', { nullable: true }) lastSuccess!: Date | null;
  /** Milliseconds. */
  @Column('bigint', { nullable: true }) lagMs!: string | null;
  /** Failed calls in a row. */
  @Column('integer') errors!: number;
  /** State of the circuit breaker. */
  @Column('text') breaker!: 'CLOSED' | 'HALF_OPEN' | 'OPEN';
  /** By the database's clock. */
  @Column('timestamptz') updatedAt!: Date;
  /** The process that wrote it; the row is current while that process renews its heartbeat. Null: as of `updatedAt` only. */
  @Column('text', { nullable: true }) reporter!: string | null;
}

/** A connector process that a gateway cannot reach. Times are those of the database. */
@Entity('connector_outage')
export class ConnectorOutageRow {
  @PrimaryColumn('text') connector!: string;
  /** The gateway process. */
  @PrimaryColumn('text') seenBy!: string;
  /** A predicate, such as `does not respond`. */
  @Column('text') reason!: string;
  @Column('timestamptz') since!: Date;
  /** Last confirmation. */
  @Column('timestamptz') seenAt!: Date;
}

/** A small value that a connector stores for an installation, such as the last cursor read. */
@Entity('state')
export class StateRow {
  @PrimaryColumn('text') installation!: string;
  @PrimaryColumn('text') name!: string;
  @Column('jsonb') value!: unknown;
}

/** The read cache: the last reading of a source for each request, used after a restart while the source is down. */
@Entity('kept')
@Index('kept_age', ['installation', 'fetchedAt'])
@Index('kept_until', ['installation', 'until'])
export class CachedReadingRow {
  @PrimaryColumn('text') installation!: string;
  /** Digest of the request. */
  @PrimaryColumn('bytea') key!: Buffer;
  /** The value in the encoding of `json-codec.ts`. */
  @Column('jsonb') value!: unknown;
  @Column('timestamptz') fetchedAt!: Date;
  /** The source's time of the value. */
  @Column('timestamptz', { nullable: true }) recordedAt!: Date | null;
  /** End of use. */
  @Column('timestamptz') until!: Date;
}
