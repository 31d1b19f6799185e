/** Files of the tax office, the mirror of their content, and requests for clearance. Amounts are exact decimals in `currency`. */
import { Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';

/** A received file and the result of processing it. */
@Entity('tax_file')
@Index('tax_file_taken', ['installation', 'settledAt'], { where: "state = 'TAKEN'" })
export class TaxFileRow {
  @PrimaryColumn('text') installation!: string;
  /** SHA-256 of the bytes. */
  @PrimaryColumn('bytea') digest!: Buffer;
  @Column('text') name!: string;
  /** Bytes. */
  @Column('bigint') size!: string;
  /** Null if the file was too large. */
  @Column('bytea', { nullable: true }) bytes!: Buffer | null;
  /** As the file server states. */
  @Column('timestamptz') modifiedAt!: Date;
  @Column('timestamptz') receivedAt!: Date;
  /** `TAKEN`: accepted, `REFUSED`: rejected. */
  @Column('text') state!: 'RECEIVED' | 'TAKEN' | 'REFUSED';
  /** `reply` for a reply to requests for clearance. */
  @Column('text', { nullable: true }) layout!: string | null;
  /** Date in the file. */
  @Column('timestamptz', { nullable: true }) recordedAt!: Date | null;
  /** Number of accepted rows. */
  @Column('integer', { nullable: true }) rows!: number | null;
  /** Number of rejected rows. */
  @Column('integer', { nullable: true }) refused!: number | null;
  /** Why the file was rejected. */
  @Column('text', { nullable: true }) reason!: string | null;
  @Column('text', { nullable: true }) detail!: string | null;
  @Column('text', { array: true, default: [] }) notes!: string[];
  /** When processing ended. */
  @Column('timestamptz', { nullable: true }) settledAt!: Date | null;
  /** Attempts that did not finish, with the current one. */
  @Column('integer', { default: 1 }) attempts!: number;
}

/** A rejected row of a file. */
@Entity('tax_row_report')
@ForeignKey(() => TaxFileRow, ['installation', 'digest'], ['installation', 'digest'], { onDelete: 'CASCADE' })
export class TaxRowReportRow {
  @PrimaryColumn('text') installation!: string;
  @PrimaryColumn('bytea') digest!: Buffer;
  /** From 1, in the order of the file. */
  @PrimaryColumn('integer') number!: number;
  /** Line in the file. */
  @Column('integer') line!: number;
  @Column('text') reason!: string;
  @Column('text') detail!: string;
}

/** Whether a company has open obligations. In this and the next two tables, `digest` and `recordedAt` are those of the file. */
@Entity('tax_account')
export class TaxAccountRow {
  @PrimaryColumn('text') installation!: string;
  @PrimaryColumn('text') company!: string;
  @Column('text') standing!: string;
  @Column('date', { nullable: true }) standingSince!: string | null;
  @Column('bytea') digest!: Buffer;
  @Column('timestamptz') recordedAt!: Date;
}

const LAST_MONTH = `CASE
  WHEN length(period) = 4 THEN period || '-12'
  WHEN substr(period, 6, 1) = 'Q' THEN left(period, 5) || lpad((substr(period, 7, 1)::integer * 3)::text, 2, '0')
  ELSE period END`;

/** A return. */
@Entity('tax_filing')
@Index('tax_filing_order', ['installation', 'company', 'ends', 'number'])
@Index('tax_filing_period', ['installation', 'period'])
export class TaxFilingRow {
  @PrimaryColumn('text') installation!: string;
  @PrimaryColumn('text') company!: string;
  @PrimaryColumn('text') number!: string;
  /** A year, quarter or month: `2026`, `2026-Q1`, `2026-01`. */
  @Column('text') period!: string;
  /** Last month of the period. */
  @Column({ type: 'text', generatedType: 'STORED', asExpression: LAST_MONTH }) ends!: string;
  @Column('date', { nullable: true }) filedOn!: string | null;
  @Column('numeric') amount!: string;
  @Column('text') currency!: string;
  @Column('bytea') digest!: Buffer;
  @Column('timestamptz') recordedAt!: Date;
}

/** An invoice. */
@Entity('tax_invoice')
@Index('tax_invoice_order', ['installation', 'company', 'issuedOn', 'number'])
@Index('tax_invoice_day', ['installation', 'issuedOn'])
export class TaxInvoiceRow {
  @PrimaryColumn('text') installation!: string;
  @PrimaryColumn('text') company!: string;
  @PrimaryColumn('text') number!: string;
  @Column('date') issuedOn!: string;
  @Column('numeric') net!: string;
  @Column('numeric') tax!: string;
  @Column('numeric') gross!: string;
  @Column('text') currency!: string;
  @Column('boolean') cancelled!: boolean;
  /** Whether it counts in totals. */
  @Column('boolean') counted!: boolean;
  /** Number of the invoice that it corrects. */
  @Column('text', { nullable: true }) original!: string | null;
  @Column('bytea') digest!: Buffer;
  @Column('timestamptz') recordedAt!: Date;
}

/** A request for clearance. */
@Entity('tax_clearance')
export class TaxClearanceRow {
  @PrimaryColumn('text') installation!: string;
  /** The hub's reference, which the reply repeats. */
  @PrimaryColumn('text') reference!: string;
  @Column('text') company!: string;
  @Column('text') until!: string;
  @Column('timestamptz') requestedAt!: Date;
  /** PREPARED (its file may not be written yet), SENT, ACCEPTED, REJECTED or COMPLETED. */
  @Column('text') state!: string;
  /** Time of the last change of state. */
  @Column('timestamptz') since!: Date;
  /** The tax office's number. */
  @Column('text', { nullable: true }) receipt!: string | null;
  @Column('text', { nullable: true }) reason!: string | null;
}
