/** What the hub itself knows of companies: names, ids in the sources, facts, consents and cases. */
import { Column, Entity, Index, PrimaryColumn, VirtualColumn } from 'typeorm';

/** SQL: the park of the installation in a column; null if the installation is no longer configured. */
const parkOf = (column: string): string => `SELECT s.park FROM source s WHERE s.id = ${column}`;

/** A company that an installation has named; its name is a copy from the register. */
@Entity('company')
@Index('company_order', ['sortName', 'uscc'])
export class CompanyRow {
  @PrimaryColumn('text') uscc!: string;
  /** As last read from the register; null: never read. */
  @Column('text', { nullable: true }) name!: string | null;
  /** The installation that the name is from. */
  @Column('text', { nullable: true }) nameSource!: string | null;
  /** The register's time of the name. */
  @Column('timestamptz', { nullable: true }) nameRecordedAt!: Date | null;
  @Column('timestamptz', { nullable: true }) nameFetchedAt!: Date | null;
  /** The name, or an empty string; lists are sorted by it. */
  @Column('text', { default: '' }) sortName!: string;
  /** Park of `nameSource`; null if that is no longer configured. */
  @VirtualColumn('text', { query: (row) => parkOf(`${row}.name_source`) }) namePark!: string | null;
}

/** What one installation states about a company; conflicts are found without calls to sources. */
@Entity('company_fact')
export class CompanyFactRow {
  @PrimaryColumn('text') uscc!: string;
  /** Such as `name`. */
  @PrimaryColumn('text') field!: string;
  @PrimaryColumn('text') installation!: string;
  @Column('text') connector!: string;
  @Column('text') value!: string;
  /** Whether the installation is the authority for this fact. */
  @Column('boolean') authority!: boolean;
  /** The source's time of the value; null: it states none. */
  @Column('timestamptz', { nullable: true }) recordedAt!: Date | null;
  @Column('timestamptz') fetchedAt!: Date;
  /** Park of the installation; null if that is no longer configured. */
  @VirtualColumn('text', { query: (row) => parkOf(`${row}.installation`) }) park!: string | null;
}

/** An installation's statement that an entity has an id in a system. */
@Entity('identity')
@Index('identity_value', ['entity', 'system', 'value'])
@Index('identity_installation', ['installation', 'entity'])
@Index('identity_park', ['park', 'entity', 'key'])
export class IdentityRow {
  /** Kind of the entity, such as `COMPANY`. */
  @PrimaryColumn('text') entity!: string;
  /** The hub's id of the entity; of a company, its USCC. */
  @PrimaryColumn('text') key!: string;
  @PrimaryColumn('text') installation!: string;
  /** Kind of the id, such as `uscc` or `serial`. */
  @PrimaryColumn('text') system!: string;
  /** The id in that system. */
  @PrimaryColumn('text') value!: string;
  @Column('text') connector!: string;
  @Column('text') park!: string;
  @Column('timestamptz') firstSeen!: Date;
  @Column('timestamptz') lastSeen!: Date;
}

/** A company's permission for one client and purpose. */
@Entity('consent')
@Index('consent_company', ['company', 'grantedAt'])
@Index('consent_client', ['client'], { where: 'revoked_at IS NULL' })
export class ConsentRow {
  @PrimaryColumn('text') id!: string;
  @Column('text') company!: string;
  @Column('text') client!: string;
  @Column('text') purpose!: string;
  @Column('timestamptz') grantedAt!: Date;
  /** Subject of the caller; read only when it is asked for. */
  @Column('text', { select: false }) grantedBy!: string;
  /** Null: no limit. */
  @Column('timestamptz', { nullable: true }) expiresAt!: Date | null;
  /** Null: not revoked. */
  @Column('timestamptz', { nullable: true }) revokedAt!: Date | null;
  /** As `grantedBy`. */
  @Column('text', { nullable: true, select: false }) revokedBy!: string | null;
}

/** A case: the state of a filing with an authority, projected from CASE_CHANGED events. */
@Entity('filing')
@Index('filing_company', ['company', 'since', 'id'])
export class CaseRow {
  @PrimaryColumn('text') id!: string;
  @Column('text') kind!: string;
  @Column('text') company!: string;
  @Column('text') state!: string;
  /** Time of the last change of state. */
  @Column('timestamptz') since!: Date;
  /** The authority's number for the case. */
  @Column('text', { nullable: true }) receipt!: string | null;
  @Column('text', { nullable: true }) reason!: string | null;
  @Column('text') installation!: string;
  @Column('text') connector!: string;
  /** Position of the last applied event; read only when it is asked for. */
  @Column('bigint', { select: false }) position!: string;
  @Column('timestamptz') recordedAt!: Date;
  /** Park of the installation; null if that is no longer configured. */
  @VirtualColumn('text', { query: (row) => parkOf(`${row}.installation`) }) park!: string | null;
}
