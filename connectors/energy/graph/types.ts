/** Energy's types in the graph. */
import { ArgsType, Directive, Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { key, requiresScopes } from '../../../schema/graph/directives.ts';
import { DateTime, Decimal, USCC } from '../../../schema/graph/scalars.ts';
import { BucketSize, connectionType, edgeType, IDFilter, Provenance, Quantity } from '../../../schema/graph/shared.ts';

export const ENERGY = requiresScopes('energy:read');

export enum Medium {
  ELECTRICITY = 'ELECTRICITY',
  WATER = 'WATER',
  HEAT = 'HEAT',
  COOLING = 'COOLING',
  GAS = 'GAS',
}
registerEnumType(Medium, {
  name: 'Medium',
  description: 'What a meter counts.',
  valuesConfig: {
    ELECTRICITY: { description: 'Electrical energy, in kWh.' },
    WATER: { description: 'Water, in m3.' },
    HEAT: { description: 'Thermal energy for heating, in kWh.' },
    COOLING: { description: 'Thermal energy for cooling, in kWh.' },
    GAS: { description: 'Gas, in m3.' },
  },
});

export enum ReadingQuality {
  GOOD = 'GOOD',
  ESTIMATED = 'ESTIMATED',
  SUSPECT = 'SUSPECT',
}
registerEnumType(ReadingQuality, {
  name: 'ReadingQuality',
  description: 'Whether a reading may be counted.',
  valuesConfig: {
    GOOD: { description: 'Measured.' },
    ESTIMATED: { description: 'Estimated by the meter, or counted over a gap in the measurements.' },
    SUSPECT: { description: 'The register fell or jumped: what it counted meanwhile is not known, or not sure.' },
  },
});

@Directive(key('id'))
@ObjectType({ description: 'A park, as set up in isthmus.yaml.', simpleResolvers: true })
export class Park {
  @Field(() => ID, { description: 'As in isthmus.yaml.' }) id!: string;
}

@Directive(key('id'))
@ObjectType({ description: 'A building of a park.', simpleResolvers: true })
export class Building {
  @Field(() => ID, { description: 'As in isthmus.yaml.' }) id!: string;
}

@Directive(key('uscc'))
@ObjectType({
  description: 'A company, known by its credit code; each island adds what it knows.',
  simpleResolvers: true,
})
export class Company {
  @Field(() => USCC, { description: 'The key that joins the islands.' }) uscc!: string;
}

@ObjectType({ description: 'One register value.', simpleResolvers: true })
export class MeterReading {
  @Field(() => DateTime, { description: "By the meter's clock, or when it was read." }) time!: Date;
  @Field(() => Decimal, { description: 'The register, not a difference.' }) value!: string;
  @Field(() => String, { description: 'UCUM.' }) unit!: string;
  @Field(() => ReadingQuality, { description: 'Whether it may be counted.' }) quality!: string;
  @Field(() => DateTime, {
    nullable: true,
    description: 'When it took the place of an earlier value; null: it is the first.',
  })
  corrected!: Date | null;
  @Field(() => Provenance, { description: 'Of this reading.' }) provenance!: Provenance;
}

@ObjectType({ description: 'One bucket, labelled by its start.', simpleResolvers: true })
export class EnergyBucket {
  @Field(() => DateTime, { description: 'Begin of the bucket.' }) start!: Date;
  @Field(() => Decimal, { nullable: true, description: 'Null where nothing was measured; never 0 for a gap.' })
  value!: string | null;
  @Field(() => ReadingQuality, { description: 'The worst of what it is made of.' }) quality!: string;
  @Field(() => DateTime, {
    nullable: true,
    description: 'When a reading that it is made of was last corrected; null: none was.',
  })
  corrected!: Date | null;
}

@ObjectType({ description: 'Consumption over time.', simpleResolvers: true })
export class EnergySeries {
  @Field(() => Quantity, {
    nullable: true,
    description: 'Sum of the buckets; null when nothing was measured, or a part of it was dropped (`droppedBefore`).',
  })
  total!: Quantity | null;
  @Field(() => [EnergyBucket], {
    description: 'Every bucket from `from` to `to`, oldest first; at the ends only what lies within.',
  })
  buckets!: readonly EnergyBucket[];
  @Field(() => DateTime, {
    nullable: true,
    description:
      'The range begins before this time, before which readings are past retention and gone: earlier buckets are null. Null: nothing of the range is gone.',
  })
  droppedBefore!: Date | null;
  @Field(() => Provenance, { description: 'Of the registers behind it.' }) provenance!: Provenance;
}

@Directive(ENERGY)
@Directive(key('id'))
@ObjectType({ description: 'A meter.', simpleResolvers: true })
export class Meter {
  @Field(() => ID, { description: 'Global id.' }) id!: string;
  @Field(() => Medium, { nullable: true, description: 'What it counts; null until the meter has told.' })
  medium?: string | null;
  @Field(() => Building, { nullable: true, description: 'Where it stands.' }) building?: Building | null;
  @Field(() => Company, {
    nullable: true,
    description: 'Whose consumption it counts; null when it counts the building.',
  })
  company?: Company | null;
  @Field(() => String, { nullable: true, description: 'UCUM unit of the register.' }) unit?: string | null;
}

@InputType({ description: 'Tests on a medium.' })
export class MediumFilter {
  @Field(() => Medium, { nullable: true, description: 'Equal to.' }) eq?: Medium | null;
  @Field(() => [Medium], { nullable: true, description: 'One of.' }) in?: Medium[] | null;
}

@InputType({ description: 'Which meters.' })
export class MeterFilter {
  @Field(() => IDFilter, { nullable: true, description: 'By id.' }) id?: IDFilter | null;
  @Field(() => MediumFilter, { nullable: true, description: 'By what they count.' }) medium?: MediumFilter | null;
}

/** Which time, how fine. */
@ArgsType()
export class SeriesArgs {
  @Field(() => DateTime, { description: 'Inclusive.' }) from!: Date;
  @Field(() => DateTime, { description: 'Exclusive.' }) to!: Date;
  @Field(() => BucketSize, { defaultValue: BucketSize.HOUR, description: 'Width of a bucket.' }) bucket!: BucketSize;
}

/** Which time, how fine, and what. */
@ArgsType()
export class EnergyArgs extends SeriesArgs {
  @Field(() => Medium, { defaultValue: Medium.ELECTRICITY, description: 'Media do not add up.' }) medium!: Medium;
}

export const MeterEdge = edgeType('MeterEdge', 'A meter and its place.', () => Meter);
export const MeterConnection = connectionType('MeterConnection', 'A page of meters.', () => Meter, MeterEdge, {
  provenance: true,
});
