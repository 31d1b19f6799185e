/** Types that all subgraphs share. Their definitions must be equal in all subgraphs (see compose.ts). */
import { ArgsType, Directive, Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { SHAREABLE } from './directives.ts';
import { DoorState, ReadingQuality } from './enums.ts';
import { CalendarDate, Cursor, DateTime, Decimal, Duration, USCC } from './scalars.ts';

@Directive(SHAREABLE)
@ObjectType({ simpleResolvers: true, description: 'Position of a page in its list.' })
export class PageInfo {
  @Field(() => Boolean, { description: 'Whether more rows follow.' }) hasNextPage!: boolean;
  @Field(() => Boolean, { description: 'Whether rows precede.' }) hasPreviousPage!: boolean;
  @Field(() => Cursor, { nullable: true, description: 'Cursor of the first row; null if the page is empty.' })
  startCursor!: string | null;
  @Field(() => Cursor, { nullable: true, description: 'Cursor of the last row; null if the page is empty.' })
  endCursor!: string | null;
}

@Directive(SHAREABLE)
@ObjectType({ simpleResolvers: true, description: 'Source, recording time and age of a value.' })
export class Provenance {
  @Field(() => ID, { description: 'Id of the installation; with several parts, of the oldest part.' }) source!: string;
  @Field(() => String, {
    description:
      'Kind of system: access-control, parking, registration, tax, energy, hub, or a system that isthmus.yaml names.',
  })
  system!: string;
  @Field(() => DateTime, {
    nullable: true,
    description: 'When the source recorded it; null if the source does not provide it.',
  })
  recordedAt!: Date | null;
  @Field(() => DateTime, { description: 'When the hub read or received it.' }) fetchedAt!: Date;
  @Field(() => Duration, { description: 'Time since fetchedAt, at the time of this response.' }) age!: number;
  @Field(() => Boolean, {
    description:
      'Whether the value is outdated: the source did not respond, or the value is older than its maximum age.',
  })
  stale!: boolean;
  @Field(() => Boolean, { description: 'Whether this source is the authority for the value.' }) authority!: boolean;
  @Field(() => [String], { description: 'Fields of this object that are masked for this caller.' })
  masked!: readonly string[];
  @Field(() => [Provenance], {
    nullable: true,
    description: 'All contributing sources if there are several, else null.',
  })
  parts!: readonly Provenance[] | null;
}

@Directive(SHAREABLE)
@ObjectType({ simpleResolvers: true, description: 'An amount of money.' })
export class Money {
  @Field(() => Decimal, { description: 'Amount in `currency`.' }) value!: string;
  @Field(() => String, { description: 'ISO 4217.' }) currency!: string;
}

@Directive(SHAREABLE)
@ObjectType({ simpleResolvers: true, description: 'A measured amount.' })
export class Quantity {
  @Field(() => Decimal, { description: 'Amount in `unit`.' }) value!: string;
  @Field(() => String, { description: 'UCUM, such as kWh or m3.' }) unit!: string;
}

export enum BucketSize {
  QUARTER_HOUR = 'QUARTER_HOUR',
  HOUR = 'HOUR',
  DAY = 'DAY',
  MONTH = 'MONTH',
  YEAR = 'YEAR',
}
registerEnumType(BucketSize, {
  name: 'BucketSize',
  description: 'Width of a time bucket.',
  valuesConfig: {
    QUARTER_HOUR: { description: '15 minutes.' },
    HOUR: { description: 'One hour.' },
    DAY: { description: "One day of the park's clock." },
    MONTH: { description: "One month of the park's calendar." },
    YEAR: { description: "One year of the park's calendar." },
  },
});

@Directive(SHAREABLE)
@ObjectType({ simpleResolvers: true, description: 'How much of what should be there is there.' })
export class Coverage {
  @Field(() => Int, { description: 'Meters that contribute.' }) reported!: number;
  @Field(() => Int, { description: 'Meters that should contribute: all of this medium that the hub knows of.' })
  known!: number;
}

export { DoorState, ReadingQuality };

registerEnumType(ReadingQuality, {
  name: 'ReadingQuality',
  description: 'Quality of a reading or bucket.',
  valuesConfig: {
    GOOD: { description: 'Measured.' },
    ESTIMATED: { description: 'Estimated by the meter, or measured over a gap between readings.' },
    SUSPECT: {
      description:
        'The register decreased or jumped, so the consumption is unknown or uncertain; or retention has deleted measurements of the bucket; or all of them are impossible.',
    },
    MISSING: { description: 'Nothing was measured in the bucket: its values are null, not 0.' },
  },
});

registerEnumType(DoorState, {
  name: 'DoorState',
  description: 'Physical state of a door.',
  valuesConfig: {
    CLOSED: { description: 'Shut.' },
    OPEN: { description: 'Open after a grant.' },
    FORCED: { description: 'Opened without a grant.' },
    HELD_OPEN: { description: 'Open for longer than allowed.' },
    LOCKED: { description: 'Shut and locked.' },
    FAULT: { description: 'The door reports a fault.' },
    UNKNOWN: { description: 'Not provided by the door system.' },
  },
});

@InputType({ description: 'From, inclusive, to `to`, exclusive.' })
export class TimeRange {
  @Field(() => DateTime, { nullable: true, description: 'Inclusive; open when absent.' }) from?: Date | null;
  @Field(() => DateTime, { nullable: true, description: 'Exclusive; open when absent.' }) to?: Date | null;
}

@InputType({ description: 'From, inclusive, to `to`, exclusive.' })
export class DateRange {
  @Field(() => CalendarDate, { nullable: true, description: 'Inclusive; open when absent.' }) from?: string | null;
  @Field(() => CalendarDate, { nullable: true, description: 'Exclusive; open when absent.' }) to?: string | null;
}

@InputType({ description: 'Conditions on a string; all given conditions must hold.' })
export class StringFilter {
  @Field(() => String, { nullable: true, description: 'Equal to.' }) eq?: string | null;
  @Field(() => [String], { nullable: true, description: 'One of.' }) in?: string[] | null;
  @Field(() => String, { nullable: true, description: 'Contains this string, ignoring case and width.' }) contains?:
    | string
    | null;
}

@InputType({ description: 'Conditions on an id; all given conditions must hold.' })
export class IDFilter {
  @Field(() => ID, { nullable: true, description: 'Equal to.' }) eq?: string | null;
  @Field(() => [ID], { nullable: true, description: 'One of.' }) in?: string[] | null;
}

@InputType({ description: 'Conditions on a USCC; all given conditions must hold.' })
export class USCCFilter {
  @Field(() => USCC, { nullable: true, description: 'Equal to.' }) eq?: string | null;
  @Field(() => [USCC], { nullable: true, description: 'One of.' }) in?: string[] | null;
}

@InputType({ description: 'Conditions on a decimal number; all given conditions must hold.' })
export class DecimalFilter {
  @Field(() => Decimal, { nullable: true, description: 'Equal to.' }) eq?: string | null;
  @Field(() => [Decimal], { nullable: true, description: 'One of.' }) in?: string[] | null;
  @Field(() => Decimal, { nullable: true, description: 'Less than.' }) lt?: string | null;
  @Field(() => Decimal, { nullable: true, description: 'Less than or equal to.' }) lte?: string | null;
  @Field(() => Decimal, { nullable: true, description: 'Greater than.' }) gt?: string | null;
  @Field(() => Decimal, { nullable: true, description: 'Greater than or equal to.' }) gte?: string | null;
}

@InputType({ description: 'An amount of money.' })
export class MoneyInput {
  @Field(() => Decimal, { description: 'Amount in `currency`.' }) value!: string;
  @Field(() => String, { description: 'ISO 4217.' }) currency!: string;
}

/** first/after or last/before, not both; the first 20 rows by default, at most 200. Checked by `parsePageArguments` of the kit. */
@ArgsType()
export class PageArgs {
  @Field(() => Int, {
    nullable: true,
    description: 'Number of rows from the start; 20 if neither first nor last is given.',
  })
  first?: number | null;
  @Field(() => Cursor, { nullable: true, description: 'Only rows after this cursor.' }) after?: string | null;
  @Field(() => Int, { nullable: true, description: 'Number of rows from the end.' }) last?: number | null;
  @Field(() => Cursor, { nullable: true, description: 'Only rows before this cursor.' }) before?: string | null;
}

type NodeClass = new (...args: never[]) => object;

/** Creates the class of a Relay edge. Assign it to a class of the same name in the connector's graph. */
export function edgeType(name: string, description: string, node: () => NodeClass) {
  @ObjectType(name, { description, simpleResolvers: true })
  class Edge {
    @Field(() => Cursor, { description: 'Cursor of the row.' }) cursor!: string;
    @Field(() => node(), { description: 'The row.' }) node!: object;
  }
  return Edge;
}

/** Creates the class of a Relay connection; with a field `provenance` for lists of a source. */
export function connectionType(
  name: string,
  description: string,
  node: () => NodeClass,
  edge: NodeClass,
  options: { provenance: boolean },
) {
  @ObjectType(name, { description, simpleResolvers: true })
  class Connection {
    @Field(() => [node()], { description: 'The rows of this page.' }) nodes!: readonly object[];
    @Field(() => [edge], { description: 'The rows of this page with their cursors.' }) edges!: readonly object[];
    @Field(() => PageInfo, { description: 'Position of this page in the list.' }) pageInfo!: PageInfo;
    @Field(() => Int, {
      nullable: true,
      // graphql-js calls the function, so rows are counted only if the field is selected.
      simple: true,
      description: 'Number of rows in the whole list; null if the source cannot count them efficiently.',
    })
    totalCount?: number | null | (() => Promise<number | null>);
  }
  if (!options.provenance) return Connection;

  @ObjectType(name, { description, simpleResolvers: true })
  class SourcedConnection extends Connection {
    @Field(() => Provenance, { description: 'Provenance of this list, also if it is empty.' })
    provenance!: Provenance;
  }
  return SourcedConnection;
}
