/** The tax office's part of the graph: what its types look like. */
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
import type { ShownProvenance } from '../../kit/provenance.ts';
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
    GOOD: { description: 'Nothing is owed.' },
    ARREARS: { description: 'Tax or returns are overdue.' },
    UNDER_REVIEW: { description: 'The office looks into it.' },
    DEREGISTERED: { description: 'No longer a taxpayer.' },
    UNKNOWN: { description: 'No file has told it.' },
  },
});

@Directive(key('uscc'))
@ObjectType({ description: 'A company, known by its credit code; each island adds what it knows.' })
export class Company {
  @Field(() => USCC, { description: 'Its credit code.' }) uscc!: string;
}

@Directive(key('id', false))
@ObjectType({
  description:
    'Something filed with an authority for a company, and how far it has come. Follows the CaseChanged events.',
})
export class Case {
  @Field(() => ID, { description: 'Global id.' }) id!: string;
}

@ObjectType({ description: 'A tax return.' })
export class TaxFiling implements Pick<model.Filing, 'period' | 'filedOn'> {
  @Field(() => ID, { description: "The office's number behind the installation's name." }) id!: string;
  @Field(() => Period, { description: 'The time it is about.' }) period!: string;
  @Field(() => CalendarDate, { nullable: true, description: 'Null while it is due.' }) filedOn!: string | null;
  @Field(() => Money, { nullable: true, description: 'Tax declared.' }) amount!: Money;
  @Field(() => Provenance, { description: 'Where this comes from.' }) provenance!: ShownProvenance;
}

@ObjectType({ description: 'An invoice (SAF-T). A negative one points to its original.' })
export class Invoice implements Pick<model.Invoice, 'issuedOn' | 'cancelled' | 'original'> {
  @Field(() => ID, { description: 'Number as printed, leading zeros kept.' }) id!: string;
  @Field(() => CalendarDate, { description: 'Day of issue.' }) issuedOn!: string;
  @Field(() => Money, { description: 'Sum of its lines, not rounded.' }) net!: Money;
  @Field(() => Money, { description: 'Tax on it.' }) tax!: Money;
  @Field(() => Money, { description: 'As printed.' }) gross!: Money;
  @Field(() => Boolean, { description: 'Cancelled invoices enter no sum.' }) cancelled!: boolean;
  @Field(() => ID, { nullable: true, description: 'Number of the invoice that it corrects.' }) original!: string | null;
  @Field(() => Provenance, { description: 'Where this comes from.' }) provenance!: ShownProvenance;
}

@ObjectType({ description: 'Sums of a period, cancelled invoices left out.' })
export class TaxTotal implements Pick<model.Totals, 'period' | 'invoices'> {
  @Field(() => Period, { description: 'Which period.' }) period!: string;
  @Field(() => Int, { description: 'How many invoices.' }) invoices!: number;
  @Field(() => Money, { description: 'Sum of their net amounts.' }) net!: Money;
  @Field(() => Money, { description: 'Sum of their tax.' }) tax!: Money;
}

@ObjectType({ description: 'What the tax office has sent about a company.' })
export class TaxAccount {
  @Field(() => TaxStanding, { description: 'By the newest file that tells it.' }) standing!: TaxStanding;
  @Field(() => Provenance, { description: 'Where this comes from.' }) provenance!: ShownProvenance;
  uscc!: string;
  /** Ids of the installations that know the company. */
  installations!: readonly string[];
}

export const TaxFilingEdge = edgeType('TaxFilingEdge', 'A return and its place.', () => TaxFiling);
export const TaxFilingConnection = connectionType(
  'TaxFilingConnection',
  'A page of returns.',
  () => TaxFiling,
  TaxFilingEdge,
  { provenance: false },
);
export const InvoiceEdge = edgeType('InvoiceEdge', 'An invoice and its place.', () => Invoice);
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
  @Field(() => DateRange, { nullable: true, description: 'Only those of these days.' }) issued?: DateRange | null;
  @Field(() => DecimalFilter, { nullable: true, description: 'Only those of this gross amount.' })
  gross?: DecimalFilter | null;
}

/** Both of one kind: months, quarters or years. */
@ArgsType()
export class TotalsArgs {
  @Field(() => Period, { description: 'First period.' }) from!: string;
  @Field(() => Period, { description: 'Last period, of the same kind.' }) to!: string;
}

@InputType({ description: 'Clearance for which company, up to which period.' })
export class RequestTaxClearanceInput {
  @Field(() => ID, { description: 'The same id again gives the same answer.' }) clientMutationId!: string;
  @Field(() => ID, { description: 'Of which tax office.' }) installation!: string;
  @Field(() => USCC, { description: 'The company.' }) uscc!: string;
  @Field(() => Period, { description: 'Up to the end of this period.' }) until!: string;
}

@ObjectType({ description: "What the tax office's system confirmed." })
export class RequestTaxClearancePayload {
  @Field(() => ID, { description: "The client's own id." }) clientMutationId!: string;
  @Field(() => String, { nullable: true, description: "The office's number; null until it has answered." })
  receipt!: string | null;
  @Field(() => Case, { nullable: true, description: 'Follow it in the hub.' }) case!: Case | null;
  @Field(() => Provenance, { description: 'Where this comes from.' }) provenance!: ShownProvenance;
}
