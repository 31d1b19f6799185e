/** What every subgraph shares, the same text everywhere: change it everywhere at once. */
import { ArgsType, Directive, Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { SHAREABLE } from './directives.ts';
import { DoorState } from './enums.ts';
import { CalendarDate, Cursor, DateTime, Decimal, Duration, USCC } from './scalars.ts';

@Directive(SHAREABLE)
@ObjectType({ simpleResolvers: true, description: 'Where the reading stands in a connection.' })
export class PageInfo {
  @Field(() => Boolean, { description: 'More rows follow.' }) hasNextPage!: boolean;
  @Field(() => Boolean, { description: 'Rows precede.' }) hasPreviousPage!: boolean;
  @Field(() => Cursor, { nullable: true, description: 'Place of the first row; null when the page is empty.' })
  startCursor!: string | null;
  @Field(() => Cursor, { nullable: true, description: 'Place of the last row; null when the page is empty.' })
  endCursor!: string | null;
}

@Directive(SHAREABLE)
@ObjectType({ simpleResolvers: true, description: 'Which source said it, when it was true, how old it is.' })
export class Provenance {
  @Field(() => ID, { description: 'Id of the installation; with several parts, of the oldest one.' }) source!: string;
  @Field(() => String, {
    description:
      'What it speaks for: access-control, parking, registration, tax, energy, hub, or a system that isthmus.yaml names.',
  })
  system!: string;
  @Field(() => DateTime, { nullable: true, description: 'When the source recorded it; null if it does not say.' })
  recordedAt!: Date | null;
  @Field(() => DateTime, { description: 'When we read it, or it was pushed to us.' }) fetchedAt!: Date;
  @Field(() => Duration, { description: 'Time since fetchedAt, as of this answer.' }) age!: number;
  @Field(() => Boolean, {
    description: "Older than it should be: kept from an earlier reading, or the source's last reading failed.",
  })
  stale!: boolean;
  @Field(() => Boolean, { description: 'This source is the authority for the value.' }) authority!: boolean;
  @Field(() => [String], { description: 'Fields of this object that are masked for this caller.' })
  masked!: readonly string[];
  @Field(() => [Provenance], {
    nullable: true,
    description: 'Every contributing source when there is more than one, else null.',
  })
  parts!: readonly Provenance[] | null;
}

@Directive(SHAREABLE)
@ObjectType({ simpleResolvers: true, description: 'An amount of money.' })
export class Money {
  @Field(() => Decimal, { description: 'In the currency named beside it.' }) value!: string;
  @Field(() => String, { description: 'ISO 4217.' }) currency!: string;
}

@Directive(SHAREABLE)
@ObjectType({ simpleResolvers: true, description: 'A measured amount.' })
export class Quantity {
  @Field(() => Decimal, { description: 'In the unit named beside it.' }) value!: string;
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

export { DoorState };

registerEnumType(DoorState, {
  name: 'DoorState',
  description: 'Physical state of a door.',
  valuesConfig: {
    CLOSED: { description: 'Shut.' },
    OPEN: { description: 'Open in the ordinary way.' },
    FORCED: { description: 'Opened without a grant.' },
    HELD_OPEN: { description: 'Open for longer than allowed.' },
    LOCKED: { description: 'Shut and locked.' },
    FAULT: { description: 'The door reports a fault.' },
    UNKNOWN: { description: 'The door system does not tell.' },
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

@InputType({ description: 'Tests on a text; all given tests must hold. `contains` ignores case and width.' })
export class StringFilter {
  @Field(() => String, { nullable: true, description: 'Equal to.' }) eq?: string | null;
  @Field(() => [String], { nullable: true, description: 'One of.' }) in?: string[] | null;
  @Field(() => String, { nullable: true, description: 'Part of, ignoring case and width.' }) contains?: string | null;
}

@InputType({ description: 'Tests on an id.' })
export class IDFilter {
  @Field(() => ID, { nullable: true, description: 'Equal to.' }) eq?: string | null;
  @Field(() => [ID], { nullable: true, description: 'One of.' }) in?: string[] | null;
}

@InputType({ description: 'Tests on a credit code.' })
export class USCCFilter {
  @Field(() => USCC, { nullable: true, description: 'Equal to.' }) eq?: string | null;
  @Field(() => [USCC], { nullable: true, description: 'One of.' }) in?: string[] | null;
}

@InputType({ description: 'Tests on an exact number.' })
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
  @Field(() => Decimal, { description: 'In the currency named beside it.' }) value!: string;
  @Field(() => String, { description: 'ISO 4217.' }) currency!: string;
}

/** first/after or last/before, never both; neither means the first 20; at most 200. Checked by the kit's `paging`. */
@ArgsType()
export class PageArgs {
  @Field(() => Int, {
    nullable: true,
    description: 'How many from the front; 20 when neither first nor last is given.',
  })
  first?: number | null;
  @Field(() => Cursor, { nullable: true, description: 'Only what follows this place.' }) after?: string | null;
  @Field(() => Int, { nullable: true, description: 'How many from the end.' }) last?: number | null;
  @Field(() => Cursor, { nullable: true, description: 'Only what precedes this place.' }) before?: string | null;
}

type NodeClass = new (...args: never[]) => object;

/** A Relay edge over `Node`. Assign the result to a class of the same name in the connector's graph.ts. */
export function edgeType(name: string, description: string, node: () => NodeClass) {
  @ObjectType(name, { description, simpleResolvers: true })
  class Edge {
    @Field(() => Cursor, { description: 'Place of this row.' }) cursor!: string;
    @Field(() => node(), { description: 'The row itself.' }) node!: object;
  }
  return Edge;
}

/** A Relay connection over `Node`; with `provenance` for lists that come from an island. */
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
    @Field(() => [edge], { description: 'The rows with their places.' }) edges!: readonly object[];
    @Field(() => PageInfo, { description: 'Where this page stands.' }) pageInfo!: PageInfo;
    @Field(() => Int, {
      nullable: true,
      // Simple: graphql-js calls the function, so that rows are counted only when asked for.
      simple: true,
      description: 'Rows in the whole list; null where the source cannot tell cheaply.',
    })
    totalCount?: number | null | (() => Promise<number | null>);
  }
  if (!options.provenance) return Connection;

  @ObjectType(name, { description, simpleResolvers: true })
  class SourcedConnection extends Connection {
    @Field(() => Provenance, { description: 'Where this list comes from, also when it is empty.' })
    provenance!: Provenance;
  }
  return SourcedConnection;
}
