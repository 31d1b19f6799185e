/** Parking's types in the graph. */
import { Directive, Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { key, requiresScopes } from '../../../schema/graph/directives.ts';
import { DateTime, Decimal, Duration, Plate, USCC } from '../../../schema/graph/scalars.ts';
import { connectionType, edgeType, Money, Provenance, ReadingQuality } from '../../../schema/graph/shared.ts';

/** Scopes for everything that shows when a single vehicle came and went, on every path to it. */
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
  description: 'Colour of a number plate. Yellow, blue and green plates may carry the same text.',
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
  description: 'State of a permit.',
  valuesConfig: {
    ACTIVE: { description: 'In force, or will be from `validFrom` on.' },
    EXPIRED: { description: '`validTo` has passed.' },
    REVOKED: { description: 'Revoked.' },
  },
});

@Directive(key('id'))
@ObjectType({ description: 'A park, as declared in isthmus.yaml.', simpleResolvers: true })
export class Park {
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

@Directive(requiresScopes('parking:read'))
@Directive(key('id'))
@ObjectType({
  description:
    'A vehicle, identified by plate and colour. The type itself requires a scope, because events return vehicles too.',
  simpleResolvers: true,
})
export class Vehicle {
  @Field(() => ID, { description: 'Opaque id: a keyed hash of plate and colour.' }) id!: string;
  @Field(() => Plate, { nullable: true, description: 'Null if masked.' }) plate?: string | null;
  @Field(() => String, { nullable: true, description: 'Masked plate, such as 京A·**345.' }) plateMasked?: string | null;
  @Field(() => PlateColour, { nullable: true, description: 'Plate colour; with the plate, it identifies the vehicle.' })
  colour?: string | null;
  @Field(() => Company, { nullable: true, description: 'Holder of its newest parking permit; null if none is known.' })
  company?: Company | null;
  @Field(() => Provenance, { nullable: true, description: "parking: of the vehicle's own fields." })
  provenance?: Provenance | null;
}

@Directive(key('id'))
@ObjectType({ description: 'A car park.', simpleResolvers: true })
export class ParkingLot {
  @Field(() => ID, { description: 'Global id.' }) id!: string;
  @Field(() => String, { nullable: true, description: 'Name given by the vendor.' }) name?: string | null;
  @Field(() => Int, { nullable: true, description: 'Number of places.' }) capacity?: number | null;
  @Field(() => Int, { nullable: true, description: 'Measured occupancy, not entries minus exits.' }) occupied?:
    | number
    | null;
  @Field(() => Int, { nullable: true, description: 'capacity - occupied, never below 0.' }) free?: number | null;
  @Field(() => Provenance, { nullable: true, description: 'parking: of this reading.' }) provenance?: Provenance | null;
}

@ObjectType({
  description: 'Occupancy in one time bucket. Values are null if nothing was measured.',
  simpleResolvers: true,
})
export class OccupancyBucket {
  @Field(() => DateTime, { description: "Start of the bucket; of days, months and years by the park's clock." })
  start!: Date;
  @Field(() => Decimal, { nullable: true, description: 'Mean of the measurements.' }) mean!: string | null;
  @Field(() => Int, { nullable: true, description: 'Smallest measurement.' }) min!: number | null;
  @Field(() => Int, { nullable: true, description: 'Largest measurement.' }) max!: number | null;
  @Field(() => Int, { description: 'Number of impossible measurements, which are left out.' }) flagged!: number;
  @Field(() => ReadingQuality, {
    description: 'GOOD; SUSPECT if all measurements are impossible or some were deleted; MISSING if there is none.',
  })
  quality!: string;
  @Field(() => Duration, {
    description: 'Time of the bucket without a measurement, in whole hours (a quarter hour of QUARTER_HOUR).',
  })
  missing!: number;
}

@ObjectType({ description: 'Occupancy over time.', simpleResolvers: true })
export class OccupancySeries {
  @Field(() => [OccupancyBucket], { description: 'Every bucket from `from` to `to`, oldest first.' })
  buckets!: readonly OccupancyBucket[];
  @Field(() => DateTime, {
    nullable: true,
    description:
      'Observations before this time were deleted by retention, so earlier buckets are null. Null if the whole range is available.',
  })
  droppedBefore!: Date | null;
  @Field(() => Provenance, { description: 'Provenance of the mirrored observations.' }) provenance!: Provenance;
}

@Directive(MOVEMENTS)
@ObjectType({ description: 'A stay from entry to exit (APDS session).', simpleResolvers: true })
export class ParkingSession {
  @Field(() => ID, { description: 'Global id.' }) id!: string;
  @Field(() => Vehicle, { nullable: true, description: 'Null if no plate was read.' }) vehicle?: Vehicle | null;
  @Field(() => DateTime, { description: 'Time of entry.' }) enteredAt!: Date;
  @Field(() => DateTime, { nullable: true, description: 'Time of exit; null while the vehicle is parked.' })
  exitedAt!: Date | null;
  @Field(() => Money, { nullable: true, description: 'Amount paid; null if nothing was paid.' }) fee!: Money | null;
  @Field(() => Provenance, { description: 'Source and age of this record.' }) provenance!: Provenance;
}

@ObjectType({ description: 'A parking permit (APDS assigned right).', simpleResolvers: true })
export class ParkingPermit {
  @Field(() => ID, { description: 'Global id.' }) id!: string;
  @Field(() => Vehicle, { nullable: true, description: 'Null if it names no single vehicle.' })
  vehicle?: Vehicle | null;
  @Field(() => Company, { nullable: true, description: 'Holder of the permit.' }) company?: Company | null;
  @Field(() => DateTime, { description: 'Start of validity, inclusive.' }) validFrom!: Date;
  @Field(() => DateTime, { nullable: true, description: 'End of validity, exclusive; null for no end.' })
  validTo!: Date | null;
  @Field(() => PermitState, { description: 'Current state.' }) state!: string;
  @Field(() => Provenance, { description: 'Source and age of this record.' }) provenance!: Provenance;
}

@InputType({ description: 'The permit to create.' })
export class GrantParkingPermitInput {
  @Field(() => ID, { description: 'Repeating a request with the same id returns the first result.' })
  clientMutationId!: string;
  @Field(() => ID, { description: 'Global id of the car park.' }) lot!: string;
  @Field(() => Plate, { description: 'Plate of the vehicle.' }) plate!: string;
  @Field(() => PlateColour, { description: 'Plate colour of the vehicle.' }) colour!: PlateColour;
  @Field(() => USCC, { nullable: true, description: 'Holder of the permit.' }) uscc?: string | null;
  @Field(() => DateTime, { description: 'Start of validity, inclusive.' }) validFrom!: Date;
  @Field(() => DateTime, { nullable: true, description: 'End of validity, exclusive; null for no end.' })
  validTo?: Date | null;
}

@InputType({ description: 'The permit to revoke.' })
export class RevokeParkingPermitInput {
  @Field(() => ID, { description: 'Repeating a request with the same id returns the first result.' })
  clientMutationId!: string;
  @Field(() => ID, { description: 'Global id of the permit.' }) permit!: string;
  @Field(() => String, { nullable: true, description: 'Reason; it is passed to the vendor.' }) reason?: string | null;
}

@ObjectType({ description: 'The permit as confirmed by the parking system.', simpleResolvers: true })
export class GrantParkingPermitPayload {
  @Field(() => ID, { description: 'The id from the input.' }) clientMutationId!: string;
  @Field(() => ParkingPermit, { description: 'The confirmed permit.' }) permit!: ParkingPermit;
  @Field(() => Provenance, { description: 'Source and time of the confirmation.' }) provenance!: Provenance;
}

@ObjectType({ description: 'The permit as confirmed by the parking system.', simpleResolvers: true })
export class RevokeParkingPermitPayload {
  @Field(() => ID, { description: 'The id from the input.' }) clientMutationId!: string;
  @Field(() => ParkingPermit, { description: 'The confirmed permit.' }) permit!: ParkingPermit;
  @Field(() => Provenance, { description: 'Source and time of the confirmation.' }) provenance!: Provenance;
}

export const VehicleEdge = edgeType('VehicleEdge', 'A vehicle with its cursor.', () => Vehicle);
export const VehicleConnection = connectionType(
  'VehicleConnection',
  'A page of vehicles.',
  () => Vehicle,
  VehicleEdge,
  {
    provenance: true,
  },
);
export const ParkingSessionEdge = edgeType('ParkingSessionEdge', 'A session with its cursor.', () => ParkingSession);
export const ParkingSessionConnection = connectionType(
  'ParkingSessionConnection',
  'A page of sessions.',
  () => ParkingSession,
  ParkingSessionEdge,
  { provenance: true },
);
