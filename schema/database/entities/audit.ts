/** The audit log. The content is defined in gateway/trust/audit. */
import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** A chain of entries, of one process. */
@Entity('audit_chain')
export class AuditChainRow {
  @PrimaryColumn('text') chain!: string;
  /** Name of the hash function. */
  @Column('text') digest!: string;
  /** The exact header of the chain. */
  @Column('text') head!: string;
  @Column('timestamptz') begun!: Date;
  /** Number of the last entry dropped by retention; 0: none. */
  @Column('bigint', { default: () => '0' }) trimmed!: string;
  /** Hash of that entry. */
  @Column('bytea', { nullable: true }) trimmedHash!: Buffer | null;
}

/** An entry of a chain. */
@Entity('audit_entry')
@Index('audit_entry_time', ['time'], { type: 'brin' })
export class AuditEntryRow {
  @PrimaryColumn('text') chain!: string;
  /** From 1, without gaps. */
  @PrimaryColumn('bigint') number!: string;
  @Column('timestamptz') time!: Date;
  /** The exact hashed text. */
  @Column('text') body!: string;
  /** Hash of the body and the previous hash. */
  @Column('bytea') hash!: Buffer;
}

/** A company that may read an entry. */
@Entity('audit_subject')
@Index('audit_subject_entry', ['chain', 'number'])
export class AuditSubjectRow {
  /** Salted id of the company. */
  @PrimaryColumn('text') subject!: string;
  @PrimaryColumn('timestamptz') time!: Date;
  @PrimaryColumn('text') chain!: string;
  @PrimaryColumn('bigint') number!: string;
}

/** A signed statement about the state of a chain, or about the log. */
@Entity('audit_statement')
export class AuditStatementRow {
  @PrimaryColumn('bigint') number!: string;
  /** Null: the statement is about no chain. */
  @Column('text', { nullable: true }) chain!: string | null;
  /** Entries of the chain that it covers. */
  @Column('bigint') count!: string;
  /** The exact signed text. */
  @Column('text') body!: string;
  @Column('text') signature!: string;
}

/** Public key of a signer. */
@Entity('audit_key')
export class AuditKeyRow {
  @PrimaryColumn('text') id!: string;
  @Column('jsonb') jwk!: object;
  @Column('timestamptz', { default: () => 'now()' }) firstUsed!: Date;
}

/** The salt of an entity; without it, the entity's salted ids in the log have no meaning. */
@Entity('audit_salt')
export class AuditSaltRow {
  /** Such as `Company`. */
  @PrimaryColumn('text') type!: string;
  @PrimaryColumn('text') id!: string;
  /** 16 bytes. */
  @Column('bytea') salt!: Buffer;
  /** The salted id. */
  @Column('text') salted!: string;
}
