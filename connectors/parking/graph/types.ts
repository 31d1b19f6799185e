/** Parking's types in the graph. */
import { Directive, Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { key, requiresScopes } from '../../../schema/graph/directives.ts';
import { DateTime, Decimal, Plate, USCC } from '../../../schema/graph/scalars.ts';
import { connectionType, edgeType, Money, Provenance } from '../../../schema/graph/shared.ts';

/** Whatever says when a single vehicle came and went, by whichever way it is reached. */
export const MOVEMENTS = requiresScopes('parking:read', 'parking:movements');

export enum PlateColour {
  BLUE = 'BLUE',
  YELLOW = 'YELLOW',
  GREEN = 'GREEN',
  YELLOW_GREEN = 'YELLOW_GREEN',
  WHITE = 'WHITE',
  BLACK = 'BLACK',
}
registerEnumType(PlateColour, {
  name: 'PlateColour',
  description: 'Yellow, blue and green plates may carry the same text.',
  valuesConfig: {
    BLUE: { description: 'Small vehicles.' },
    YELLOW: { description: 'Large vehicles.' },
    GREEN: { description: 'Small new-energy vehicles; eight characters.' },
    YELLOW_GREEN: { description: 'Large new-energy vehicles; eight characters.' },
    WHITE: { description: 'Police and military.' },
    BLACK: { description: 'Foreign missions and others.' },
  },
});

export enum PermitState {
  ACTIVE = 'ACTIVE',
  EXPIRED = 'EXPIRED',
  REVOKED = 'REVOKED',
}
registerEnumType(PermitState, {
  name: 'PermitState',
  description: 'Whether a permit holds now.',
  valuesConfig: {
    ACTIVE: { description: 'It holds, or will from `validFrom` on.' },
    EXPIRED: { description: 'Its time is over.' },
    REVOKED: { description: 'It was taken back.' },
  },
});

@Directive(key('id'))
@ObjectType({ description: 'A park, as set up in isthmus.yaml.', simpleResolvers: true })
export class Park {
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

@Directive(requiresScopes('parking:read'))
@Directive(key('id'))
@ObjectType({
  description: 'A vehicle: plate and colour. The right stands on the type, since events hand vehicles out too.',
  simpleResolvers: true,
})
export class Vehicle {
  @Field(() => ID, { description: 'Keyed hash of plate and colour; opaque.' }) id!: string;
  @Field(() => Plate, { nullable: true, description: 'Null when masked.' }) plate?: string | null;
  @Field(() => String, { nullable: true, description: 'Such as 京A·**345.' }) plateMasked?: string | null;
  @Field(() => PlateColour, { nullable: true, description: 'Part of what it is known by.' }) colour?: string | null;
  @Field(() => Company, { nullable: true, description: 'Holder of its newest right to park; null when none is known.' })
  company?: Company | null;
  @Field(() => Provenance, { nullable: true, description: "parking: of the vehicle's own fields." })
  provenance?: Provenance | null;
}

@Directive(key('id'))
@ObjectType({ description: 'A car park.', simpleResolvers: true })
export class ParkingLot {
  @Field(() => ID, { description: 'Global id.' }) id!: string;
  @Field(() => String, { nullable: true, description: "The vendor's name for it." }) name?: string | null;
  @Field(() => Int, { nullable: true, description: 'Places.' }) capacity?: number | null;
  @Field(() => Int, { nullable: true, description: 'Measured, not entries minus exits.' }) occupied?: number | null;
  @Field(() => Int, { nullable: true, description: 'capacity - occupied, never below 0.' }) free?: number | null;
  @Field(() => Provenance, { nullable: true, description: 'parking: of this reading.' }) provenance?: Provenance | null;
}

@ObjectType({ description: 'One bucket; null where nothing was measured.', simpleResolvers: true })
export class OccupancyBucket {
  @Field(() => DateTime, { description: 'Begin of the bucket.' }) start!: Date;
  @Field(() => Decimal, { nullable: true, description: 'Mean of the measurements.' }) mean!: string | null;
  @Field(() => Int, { nullable: true, description: 'Smallest measurement.' }) min!: number | null;
  @Field(() => Int, { nullable: true, description: 'Largest measurement.' }) max!: number | null;
  @Field(() => Int, { description: 'Measurements left out as impossible.' }) flagged!: number;
}

@ObjectType({ description: 'Occupation over time.', simpleResolvers: true })
export class OccupancySeries {
  @Field(() => [OccupancyBucket], { description: 'Every bucket from `from` to `to`, oldest first.' })
  buckets!: readonly OccupancyBucket[];
  @Field(() => DateTime, {
    nullable: true,
    description:
      'The range begins before this time, before which observations are past retention and gone: earlier buckets are null. Null: nothing of the range is gone.',
  })
  droppedBefore!: Date | null;
  @Field(() => Provenance, { description: 'Of the mirrored observations.' }) provenance!: Provenance;
}

@Directive(MOVEMENTS)
@ObjectType({ description: 'From entry to exit (APDS session).', simpleResolvers: true })
export class ParkingSession {
  @Field(() => ID, { description: 'Global id.' }) id!: string;
  @Field(() => Vehicle, { nullable: true, description: 'Null when no plate was read.' }) vehicle?: Vehicle | null;
  @Field(() => DateTime, { description: 'When it drove in.' }) enteredAt!: Date;
  @Field(() => DateTime, { nullable: true, description: 'When it drove out; null while it is parked.' })
  exitedAt!: Date | null;
  @Field(() => Money, { nullable: true, description: 'What was paid; null when nothing was.' }) fee!: Money | null;
  @Field(() => Provenance, { description: 'Of this reading.' }) provenance!: Provenance;
}

@ObjectType({ description: 'The right to park (APDS assigned right).', simpleResolvers: true })
export class ParkingPermit {
  @Field(() => ID, { description: 'Global id.' }) id!: string;
  @Field(() => Vehicle, { nullable: true, description: 'Null when it is for no certain vehicle.' })
  vehicle?: Vehicle | null;
  @Field(() => Company, { nullable: true, description: 'Its holder.' }) company?: Company | null;
  @Field(() => DateTime, { description: 'Holds from here, inclusive.' }) validFrom!: Date;
  @Field(() => DateTime, { nullable: true, description: 'Holds until here, exclusive; null: for ever.' })
  validTo!: Date | null;
  @Field(() => PermitState, { description: 'Whether it holds now.' }) state!: string;
  @Field(() => Provenance, { description: 'Of this reading.' }) provenance!: Provenance;
}

@InputType({ description: 'Who may park where and how long.' })
export class GrantParkingPermitInput {
  @Field(() => ID, { description: 'The same id again gets the same answer.' }) clientMutationId!: string;
  @Field(() => ID, { description: 'Which car park.' }) lot!: string;
  @Field(() => Plate, { description: 'Which vehicle.' }) plate!: string;
  @Field(() => PlateColour, { description: 'Which vehicle.' }) colour!: PlateColour;
  @Field(() => USCC, { nullable: true, description: 'Holder of the right.' }) uscc?: string | null;
  @Field(() => DateTime, { description: 'From here, inclusive.' }) validFrom!: Date;
  @Field(() => DateTime, { nullable: true, description: 'Until here, exclusive; null: for ever.' })
  validTo?: Date | null;
}

@InputType({ description: 'Which permit to end.' })
export class RevokeParkingPermitInput {
  @Field(() => ID, { description: 'The same id again gets the same answer.' }) clientMutationId!: string;
  @Field(() => ID, { description: 'Which permit.' }) permit!: string;
  @Field(() => String, { nullable: true, description: 'Why; the vendor keeps it.' }) reason?: string | null;
}

@ObjectType({ description: 'The permit as the parking system now shows it.', simpleResolvers: true })
export class GrantParkingPermitPayload {
  @Field(() => ID, { description: 'As given.' }) clientMutationId!: string;
  @Field(() => ParkingPermit, { description: 'As confirmed.' }) permit!: ParkingPermit;
  @Field(() => Provenance, { description: 'Of the confirmation.' }) provenance!: Provenance;
}

@ObjectType({ description: 'The permit as the parking system now shows it.', simpleResolvers: true })
export class RevokeParkingPermitPayload {
  @Field(() => ID, { description: 'As given.' }) clientMutationId!: string;
  @Field(() => ParkingPermit, { description: 'As confirmed.' }) permit!: ParkingPermit;
  @Field(() => Provenance, { description: 'Of the confirmation.' }) provenance!: Provenance;
}

export const VehicleEdge = edgeType('VehicleEdge', 'A vehicle and its place.', () => Vehicle);
export const VehicleConnection = connectionType(
  'VehicleConnection',
  'A page of vehicles.',
  () => Vehicle,
  VehicleEdge,
  {
    provenance: true,
  },
);
export const ParkingSessionEdge = edgeType('ParkingSessionEdge', 'A session and its place.', () => ParkingSession);
export const ParkingSessionConnection = connectionType(
  'ParkingSessionConnection',
  'A page of sessions.',
  () => ParkingSession,
  ParkingSessionEdge,
  { provenance: true },
);
