/** Types of the energy part of the graph. */
import { ArgsType, Directive, Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { key, requiresScopes } from '../../../schema/graph/directives.ts';
import { DateTime, Decimal, Duration, USCC } from '../../../schema/graph/scalars.ts';
import {
  BucketSize,
  Coverage,
  connectionType,
  edgeType,
  IDFilter,
  Provenance,
  Quantity,
  ReadingQuality,
} from '../../../schema/graph/shared.ts';

export const READ_ENERGY = requiresScopes('energy:read');

export enum Medium {
  ELECTRICITY = 'ELECTRICITY',
  WATER = 'WATER',
  HEAT = 'HEAT',
  COOLING = 'COOLING',
  GAS = 'GAS',
}
registerEnumType(Medium, {
  name: 'Medium',
  description: 'What a meter measures.',
  valuesConfig: {
    ELECTRICITY: { description: 'Electrical energy, in kWh.' },
    WATER: { description: 'Water, in m3.' },
    HEAT: { description: 'Thermal energy for heating, in kWh.' },
    COOLING: { description: 'Thermal energy for cooling, in kWh.' },
    GAS: { description: 'Gas, in m3.' },
  },
});

@Directive(key('id'))
@ObjectType({ description: 'A park, as declared in isthmus.yaml.', simpleResolvers: true })
export class Park {
  @Field(() => ID, { description: 'Id in isthmus.yaml.' }) id!: string;
}

@Directive(key('id'))
@ObjectType({ description: 'A building of a park.', simpleResolvers: true })
export class Building {
  @Field(() => ID, { description: 'Id in isthmus.yaml.' }) id!: string;
}

@Directive(key('uscc'))
@ObjectType({
  description: 'A company, identified by its credit code (USCC). Each source adds its own fields.',
  simpleResolvers: true,
})
export class Company {
  @Field(() => USCC, { description: 'Credit code (USCC), the key that joins the sources.' }) uscc!: string;
}

@ObjectType({ description: 'One register value of a meter.', simpleResolvers: true })
export class MeterReading {
  @Field(() => DateTime, { description: "Time by the meter's clock, or time when it was read." }) time!: Date;
  @Field(() => Decimal, { description: 'Cumulative register value, not a difference.' }) value!: string;
  @Field(() => String, { description: 'UCUM unit.' }) unit!: string;
  @Field(() => ReadingQuality, { description: 'Quality of the reading.' }) quality!: string;
  @Field(() => DateTime, {
    nullable: true,
    description: 'When it replaced an earlier value; null if it was never corrected.',
  })
  corrected!: Date | null;
  @Field(() => Provenance, { description: 'Source and age of the reading.' }) provenance!: Provenance;
}

@ObjectType({ description: 'Consumption in one time bucket.', simpleResolvers: true })
export class EnergyBucket {
  @Field(() => DateTime, { description: "Start of the bucket; of days, months and years by the park's clock." })
  start!: Date;
  @Field(() => Decimal, { nullable: true, description: 'Null if nothing was measured; a gap is never 0.' })
  value!: string | null;
  @Field(() => ReadingQuality, { description: 'Worst quality of its readings.' }) quality!: string;
  @Field(() => Coverage, { description: 'Meters whose consumption in the bucket is known, of all that are added up.' })
  coverage!: Coverage;
  @Field(() => Duration, {
    description:
      'Time of the bucket for which no consumption is known; of several meters, the mean. A reading after a gap within the limits of `quality` covers the gap.',
  })
  missing!: number;
  @Field(() => DateTime, {
    nullable: true,
    description: 'When one of its readings was last corrected; null if none was.',
  })
  corrected!: Date | null;
}

@ObjectType({ description: 'Consumption over time.', simpleResolvers: true })
export class EnergySeries {
  @Field(() => Quantity, {
    nullable: true,
    description:
      'Sum of the buckets; null if nothing was measured, or readings of the range were deleted (`droppedBefore`).',
  })
  total!: Quantity | null;
  @Field(() => [EnergyBucket], {
    description: 'All buckets from `from` to `to`, oldest first; the first and last contain only what is in the range.',
  })
  buckets!: readonly EnergyBucket[];
  @Field(() => DateTime, {
    nullable: true,
    description:
      'Readings before this time were deleted by retention, so earlier buckets are null. Null if the whole range is available.',
  })
  droppedBefore!: Date | null;
  @Field(() => Provenance, { description: 'Source and age of the readings.' }) provenance!: Provenance;
}

@Directive(READ_ENERGY)
@Directive(key('id'))
@ObjectType({ description: 'A meter.', simpleResolvers: true })
export class Meter {
  @Field(() => ID, { description: 'Global id.' }) id!: string;
  @Field(() => Medium, { nullable: true, description: 'What it measures; null until the meter has reported it.' })
  medium?: string | null;
  @Field(() => Building, { nullable: true, description: 'Building in which it is installed.' })
  building?: Building | null;
  @Field(() => Company, {
    nullable: true,
    description: 'Company whose consumption it measures; null if it measures the building.',
  })
  company?: Company | null;
  @Field(() => String, { nullable: true, description: 'UCUM unit of the register.' }) unit?: string | null;
}

@InputType({ description: 'Condition on a medium.' })
export class MediumFilter {
  @Field(() => Medium, { nullable: true, description: 'Equal to.' }) eq?: Medium | null;
  @Field(() => [Medium], { nullable: true, description: 'One of.' }) in?: Medium[] | null;
}

@InputType({ description: 'Condition on meters.' })
export class MeterFilter {
  @Field(() => IDFilter, { nullable: true, description: 'By id.' }) id?: IDFilter | null;
  @Field(() => MediumFilter, { nullable: true, description: 'By medium.' }) medium?: MediumFilter | null;
}

/** Time range and bucket size. */
@ArgsType()
export class SeriesArgs {
  @Field(() => DateTime, { description: 'Inclusive.' }) from!: Date;
  @Field(() => DateTime, { description: 'Exclusive.' }) to!: Date;
  @Field(() => BucketSize, { defaultValue: BucketSize.HOUR, description: 'Size of a bucket.' }) bucket!: BucketSize;
}

/** Time range, bucket size and medium. */
@ArgsType()
export class EnergyArgs extends SeriesArgs {
  @Field(() => Medium, {
    defaultValue: Medium.ELECTRICITY,
    description: 'Only meters of this medium; different media cannot be added.',
  })
  medium!: Medium;
}

export const MeterEdge = edgeType('MeterEdge', 'A meter and its cursor.', () => Meter);
export const MeterConnection = connectionType('MeterConnection', 'A page of meters.', () => Meter, MeterEdge, {
  provenance: true,
});
