/** GraphQL types of the tax subgraph. */
import { ArgsType, Directive, Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { key } from '../../../schema/graph/directives.ts';
import { CalendarDate, Period, USCC } from '../../../schema/graph/scalars.ts';
import {
  connectionType,
  DateRange,
  DecimalFilter,
  edgeType,
  Money,
  PageArgs,
  Provenance,
} from '../../../schema/graph/shared.ts';
import type { ProvenanceObject } from '../../kit/provenance.ts';
import type * as model from '../model.ts';

export enum TaxStanding {
  GOOD = 'GOOD',
  ARREARS = 'ARREARS',
  UNDER_REVIEW = 'UNDER_REVIEW',
  DEREGISTERED = 'DEREGISTERED',
  UNKNOWN = 'UNKNOWN',
}
registerEnumType(TaxStanding, {
  name: 'TaxStanding',
  description: 'Standing with the tax office.',
  valuesConfig: {
    GOOD: { description: 'No tax is owed.' },
    ARREARS: { description: 'Tax or returns are overdue.' },
    UNDER_REVIEW: { description: 'Under review by the tax office.' },
    DEREGISTERED: { description: 'Deregistered as a taxpayer.' },
    UNKNOWN: { description: 'Not given in any file.' },
  },
});

@Directive(key('uscc'))
@ObjectType({ description: 'A company, identified by its credit code (USCC). Each source adds its own fields.' })
export class Company {
  @Field(() => USCC, { description: 'Credit code (USCC), the key that joins the sources.' }) uscc!: string;
}

@Directive(key('id', false))
@ObjectType({
  description: 'A filing with an authority for a company, and its state. Updated by CaseChanged events.',
})
export class Case {
  @Field(() => ID, { description: 'Global id.' }) id!: string;
}

@ObjectType({ description: 'A tax return.' })
export class TaxFiling implements Pick<model.Filing, 'period' | 'filedOn'> {
  @Field(() => ID, { description: 'Installation id and number of the return.' }) id!: string;
  @Field(() => Period, { description: 'Period of the return.' }) period!: string;
  @Field(() => CalendarDate, { nullable: true, description: 'Day of filing; null while the return is due.' }) filedOn!:
    | string
    | null;
  @Field(() => Money, { nullable: true, description: 'Tax declared.' }) amount!: Money;
  @Field(() => Provenance, { description: 'Source and age of this record.' }) provenance!: ProvenanceObject;
}

@ObjectType({
  description: 'An invoice or credit note (SAF-T). A credit note has negative amounts and names its original.',
})
export class Invoice implements Pick<model.Invoice, 'issuedOn' | 'cancelled' | 'original'> {
  @Field(() => ID, { description: 'Number as printed, leading zeros kept.' }) id!: string;
  @Field(() => CalendarDate, { description: 'Day of issue.' }) issuedOn!: string;
  @Field(() => Money, { description: 'Net amount: the sum of its lines, not rounded.' }) net!: Money;
  @Field(() => Money, { description: 'Tax amount.' }) tax!: Money;
  @Field(() => Money, { description: 'Gross amount, as printed.' }) gross!: Money;
  @Field(() => Boolean, { description: 'Whether it is cancelled. Cancelled invoices are left out of sums.' })
  cancelled!: boolean;
  @Field(() => ID, { nullable: true, description: 'Number of the corrected invoice.' }) original!: string | null;
  @Field(() => Provenance, { description: 'Source and age of this record.' }) provenance!: ProvenanceObject;
}

@ObjectType({ description: 'Sums of one period, without cancelled invoices.' })
export class TaxTotal implements Pick<model.Totals, 'period' | 'invoices'> {
  @Field(() => Period, { description: 'The period.' }) period!: string;
  @Field(() => Int, { description: 'Number of invoices.' }) invoices!: number;
  @Field(() => Money, { description: 'Sum of their net amounts.' }) net!: Money;
  @Field(() => Money, { description: 'Sum of their tax.' }) tax!: Money;
}

@ObjectType({ description: 'Data from the tax office about a company.' })
export class TaxAccount {
  @Field(() => TaxStanding, { description: 'Standing in the newest file that gives it.' }) standing!: TaxStanding;
  @Field(() => Provenance, { description: 'Source and age of this record.' }) provenance!: ProvenanceObject;
  uscc!: string;
  /** Ids of the installations with data about the company. */
  installations!: readonly string[];
  latestFiling!: model.MirroredFiling | null;
}

export const TaxFilingEdge = edgeType('TaxFilingEdge', 'A return with its cursor.', () => TaxFiling);
export const TaxFilingConnection = connectionType(
  'TaxFilingConnection',
  'A page of returns.',
  () => TaxFiling,
  TaxFilingEdge,
  { provenance: false },
);
export const InvoiceEdge = edgeType('InvoiceEdge', 'An invoice with its cursor.', () => Invoice);
export const InvoiceConnection = connectionType(
  'InvoiceConnection',
  'A page of invoices.',
  () => Invoice,
  InvoiceEdge,
  {
    provenance: false,
  },
);

@ArgsType()
export class InvoiceArgs extends PageArgs {
  @Field(() => DateRange, { nullable: true, description: 'Limits the invoices by day of issue.' })
  issued?: DateRange | null;
  @Field(() => DecimalFilter, { nullable: true, description: 'Limits the invoices by gross amount.' })
  gross?: DecimalFilter | null;
}

/** Both periods must be months, both quarters, or both years. */
@ArgsType()
export class TotalsArgs {
  @Field(() => Period, { description: 'First period.' }) from!: string;
  @Field(() => Period, { description: 'Last period, of the same length as the first.' }) to!: string;
}

@InputType({ description: 'The clearance to request.' })
export class RequestTaxClearanceInput {
  @Field(() => ID, { description: 'Repeating a request with the same id returns the first result.' })
  clientMutationId!: string;
  @Field(() => ID, { description: 'Installation id of the tax office.' }) installation!: string;
  @Field(() => USCC, { description: 'The company.' }) uscc!: string;
  @Field(() => Period, { description: 'Clearance up to the end of this period.' }) until!: string;
}

@ObjectType({ description: 'The clearance request, as sent.' })
export class RequestTaxClearancePayload {
  @Field(() => ID, { description: 'The id from the input.' }) clientMutationId!: string;
  @Field(() => String, { nullable: true, description: 'Number assigned by the tax office; null before it replies.' })
  receipt!: string | null;
  @Field(() => Case, { nullable: true, description: 'The case that follows the request.' }) case!: Case | null;
  @Field(() => Provenance, { description: 'Source and age of this record.' }) provenance!: ProvenanceObject;
}
