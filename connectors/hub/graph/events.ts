/** The event types: one per kind, in the hub, since a subgraph can only return types that it defines. Keys only. */
import {
  createUnionType,
  Directive,
  Field,
  ID,
  InputType,
  Int,
  InterfaceType,
  ObjectType,
  registerEnumType,
} from 'type-graphql';
import { INACCESSIBLE, requiresScopes } from '../../../schema/graph/directives.ts';
import { Cursor, DateTime, Decimal } from '../../../schema/graph/scalars.ts';
import {
  connectionType,
  DoorState,
  edgeType,
  IDFilter,
  Provenance,
  Quantity,
  TimeRange,
  USCCFilter,
} from '../../../schema/graph/shared.ts';
import { Badge, Door, Meter, ParkingLot, Vehicle } from './stubs.ts';
import { Building, Case, CaseState, Company, Park, Source, SourceState } from './types.ts';

export enum EventKind {
  ACCESS_GRANTED = 'ACCESS_GRANTED',
  ACCESS_DENIED = 'ACCESS_DENIED',
  DOOR_STATE_CHANGED = 'DOOR_STATE_CHANGED',
  VEHICLE_ENTERED = 'VEHICLE_ENTERED',
  VEHICLE_EXITED = 'VEHICLE_EXITED',
  OCCUPANCY_CHANGED = 'OCCUPANCY_CHANGED',
  METER_READING_TAKEN = 'METER_READING_TAKEN',
  METER_ALARM = 'METER_ALARM',
  REGISTRATION_CHANGED = 'REGISTRATION_CHANGED',
  TAX_FILE_RECEIVED = 'TAX_FILE_RECEIVED',
  SOURCE_STATE_CHANGED = 'SOURCE_STATE_CHANGED',
  CASE_CHANGED = 'CASE_CHANGED',
  RECORD_CHANGED = 'RECORD_CHANGED',
}
registerEnumType(EventKind, {
  name: 'EventKind',
  description: 'Kinds of events, one per type below.',
  valuesConfig: {
    ACCESS_GRANTED: { description: 'AccessGranted' },
    ACCESS_DENIED: { description: 'AccessDenied' },
    DOOR_STATE_CHANGED: { description: 'DoorStateChanged' },
    VEHICLE_ENTERED: { description: 'VehicleEntered' },
    VEHICLE_EXITED: { description: 'VehicleExited' },
    OCCUPANCY_CHANGED: { description: 'OccupancyChanged' },
    METER_READING_TAKEN: { description: 'MeterReadingTaken' },
    METER_ALARM: { description: 'MeterAlarm' },
    REGISTRATION_CHANGED: { description: 'RegistrationChanged' },
    TAX_FILE_RECEIVED: { description: 'TaxFileReceived' },
    SOURCE_STATE_CHANGED: { description: 'SourceStateChanged' },
    CASE_CHANGED: { description: 'CaseChanged' },
    RECORD_CHANGED: { description: 'RecordChanged' },
  },
});

export enum RecordChange {
  NEW = 'NEW',
  CHANGED = 'CHANGED',
  GONE = 'GONE',
}
registerEnumType(RecordChange, {
  name: 'RecordChange',
  description: 'What happened to a row of a list that is followed.',
  valuesConfig: {
    NEW: { description: 'It was not in the list before.' },
    CHANGED: { description: 'One of its declared fields has another value.' },
    GONE: { description: 'It is no longer in the list.' },
  },
});

export enum GapReason {
  RETENTION = 'RETENTION',
  RESTORE = 'RESTORE',
}
registerEnumType(GapReason, {
  name: 'GapReason',
  description: 'Why events are missing.',
  valuesConfig: {
    RETENTION: { description: 'They are older than the log is kept.' },
    RESTORE: { description: 'The database was restored from an older copy.' },
  },
});

@InterfaceType({
  description:
    'One line of the event log. What it concerns are entities: the selection may walk on through the whole graph.',
  resolveType: (value: { typename: string }) => value.typename,
})
export abstract class ParkEvent {
  @Field(() => ID, { description: 'UUIDv7.' }) id!: string;
  @Field(() => Cursor, { description: 'Place in the log, under the filter of this request: resume behind it.' })
  cursor!: string;
  @Field(() => DateTime, { description: 'When it happened.' }) time!: Date;
  @Field(() => DateTime, { description: 'When the log got it.' }) recordedAt!: Date;
  @Field(() => EventKind, { description: 'Tells the type.' }) kind!: EventKind;
  @Field(() => Park, { nullable: true, description: 'Where it happened.' }) park?: Park | null;
  @Field(() => Company, {
    nullable: true,
    description:
      'Whom it concerns, where the source tells; of passages and drives for who may see persons or movements.',
  })
  company?: Company | null;
  @Field(() => Provenance, { description: 'Which source said so.' }) provenance!: Provenance;
}

@ObjectType({ implements: ParkEvent, description: 'A door let someone in.', simpleResolvers: true })
export class AccessGranted extends ParkEvent {
  @Field(() => Door, { nullable: true, description: 'Which one.' }) door?: Door | null;
  @Directive(requiresScopes('access:persons'))
  @Field(() => Badge, { nullable: true, description: 'Whose.' })
  badge?: Badge | null;
}

@ObjectType({ implements: ParkEvent, description: 'A door did not.', simpleResolvers: true })
export class AccessDenied extends ParkEvent {
  @Field(() => Door, { nullable: true, description: 'Which one.' }) door?: Door | null;
  @Directive(requiresScopes('access:persons'))
  @Field(() => Badge, { nullable: true, description: 'Whose.' })
  badge?: Badge | null;
  @Field(() => String, { nullable: true, description: 'Why, where the source tells.' }) reason?: string | null;
}

@ObjectType({ implements: ParkEvent, description: 'A door opened, closed, was forced.', simpleResolvers: true })
export class DoorStateChanged extends ParkEvent {
  @Field(() => Door, { nullable: true, description: 'Which one.' }) door?: Door | null;
  @Field(() => DoorState, { description: 'Its state from then on.' }) state!: string;
}

@ObjectType({ implements: ParkEvent, description: 'A vehicle drove in.', simpleResolvers: true })
export class VehicleEntered extends ParkEvent {
  @Directive(requiresScopes('parking:movements'))
  @Field(() => Vehicle, { nullable: true, description: 'Null when no plate was read.' })
  vehicle?: Vehicle | null;
  @Field(() => ParkingLot, { nullable: true, description: 'Where.' }) lot?: ParkingLot | null;
}

@ObjectType({ implements: ParkEvent, description: 'A vehicle drove out.', simpleResolvers: true })
export class VehicleExited extends ParkEvent {
  @Directive(requiresScopes('parking:movements'))
  @Field(() => Vehicle, { nullable: true, description: 'Null when no plate was read.' })
  vehicle?: Vehicle | null;
  @Field(() => ParkingLot, { nullable: true, description: 'Where.' }) lot?: ParkingLot | null;
}

@ObjectType({ implements: ParkEvent, description: "A car park's measured occupation moved.", simpleResolvers: true })
export class OccupancyChanged extends ParkEvent {
  @Field(() => ParkingLot, { nullable: true, description: 'Which one.' }) lot?: ParkingLot | null;
  @Field(() => Int, { description: 'Measured, not entries minus exits.' }) occupied!: number;
}

@ObjectType({ implements: ParkEvent, description: 'A register value came in.', simpleResolvers: true })
export class MeterReadingTaken extends ParkEvent {
  @Field(() => Meter, { nullable: true, description: 'Which one.' }) meter?: Meter | null;
  @Field(() => Quantity, { description: 'The register, not a difference.' }) reading!: Quantity;
  @Field(() => Decimal, {
    nullable: true,
    description: 'The earlier value of the same time, where this one corrects it; null: it is the first.',
  })
  corrects?: string | null;
}

@ObjectType({ implements: ParkEvent, description: 'A meter complained.', simpleResolvers: true })
export class MeterAlarm extends ParkEvent {
  @Field(() => Meter, { nullable: true, description: 'Which one.' }) meter?: Meter | null;
  @Field(() => String, { description: 'What it complains of, in our words.' }) alarm!: string;
}

@ObjectType({ implements: ParkEvent, description: 'The register changed an entry.', simpleResolvers: true })
export class RegistrationChanged extends ParkEvent {
  @Field(() => [String], { description: 'Names of the fields of Registration.' }) fields!: string[];
}

@ObjectType({ implements: ParkEvent, description: 'A file from the tax office was taken in.', simpleResolvers: true })
export class TaxFileReceived extends ParkEvent {
  @Field(() => String, { description: 'Name of the file.' }) name!: string;
  @Field(() => Int, { description: 'Rows taken in.' }) rows!: number;
  @Field(() => Int, { description: 'Rows refused, reported with line and reason.' }) refused!: number;
}

@ObjectType({ implements: ParkEvent, description: 'A source went up or down.', simpleResolvers: true })
export class SourceStateChanged extends ParkEvent {
  @Field(() => Source, { nullable: true, description: 'As it is now.' }) source?: Source | null;
  @Field(() => SourceState, { description: 'State before.' }) from!: string;
  @Field(() => SourceState, { description: 'State from then on.' }) to!: string;
}

@ObjectType({ implements: ParkEvent, description: 'A case moved on.', simpleResolvers: true })
export class CaseChanged extends ParkEvent {
  @Field(() => Case, { nullable: true, description: 'As it is now.' }) case?: Case | null;
  @Field(() => CaseState, { description: 'State from then on.' }) state!: string;
}

@ObjectType({
  implements: ParkEvent,
  description: 'A row of a system that is connected by configuration is new, changed or gone.',
  simpleResolvers: true,
})
export class RecordChanged extends ParkEvent {
  @Field(() => RecordChange, { description: 'What happened.' }) change!: string;
  @Field(() => String, { description: 'Its type in this graph, such as WorkOrder.' }) type!: string;
  @Field(() => ID, { description: 'Its global id, which the root field of its type takes.' }) record!: string;
  @Field(() => Building, { nullable: true, description: 'Where it belongs, as the row says.' })
  building?: Building | null;
}

export const EVENT_CLASSES = [
  AccessGranted,
  AccessDenied,
  DoorStateChanged,
  VehicleEntered,
  VehicleExited,
  OccupancyChanged,
  MeterReadingTaken,
  MeterAlarm,
  RegistrationChanged,
  TaxFileReceived,
  SourceStateChanged,
  CaseChanged,
  RecordChanged,
];

@ObjectType({ description: 'Events in log order. Resume with `cursor`.', simpleResolvers: true })
export class EventsBatch {
  @Field(() => [ParkEvent], { description: 'In log order.' }) events!: ParkEvent[];
  @Field(() => Cursor, { description: 'Behind the last of them.' }) cursor!: string;
}

@ObjectType({ description: 'Events in this span are no longer in the log.', simpleResolvers: true })
export class Gap {
  @Field(() => DateTime, { description: 'Begin of the span.' }) fromTime!: Date;
  @Field(() => DateTime, { description: 'End of the span.' }) toTime!: Date;
  @Field(() => GapReason, { description: 'Why they are gone.' }) reason!: string;
  @Field(() => Cursor, { description: 'Behind the span.' }) cursor!: string;
}

@ObjectType({ description: 'This client is slower than the log; nothing is lost.', simpleResolvers: true })
export class Lagged {
  @Field(() => Int, { description: 'Events not yet sent.' }) behind!: number;
  @Field(() => Cursor, { description: 'Behind the last event that was sent.' }) cursor!: string;
}

export const EventDelivery = createUnionType({
  name: 'EventDelivery',
  description: 'One delivery: events, or word of what was lost or delayed.',
  types: () => [EventsBatch, Gap, Lagged] as const,
  resolveType: (value: object) => ('events' in value ? 'EventsBatch' : 'behind' in value ? 'Lagged' : 'Gap'),
});

@Directive(INACCESSIBLE)
@ObjectType({ description: 'Internal: where a subscription begins.', simpleResolvers: true })
export class EventStart {
  @Field(() => String, { description: 'Position behind which it begins.' }) position!: string;
  @Field(() => DateTime, { nullable: true, description: 'Begin of what is no longer held; null when nothing is lost.' })
  gapFrom!: Date | null;
  @Field(() => DateTime, { nullable: true, description: 'End of it.' }) gapTo!: Date | null;
  @Field(() => GapReason, { nullable: true, description: 'Why.' }) gapReason!: GapReason | null;
}

@InputType({ description: 'Tests on an event kind.' })
export class EventKindFilter {
  @Field(() => EventKind, { nullable: true, description: 'Equal to.' }) eq?: EventKind | null;
  @Field(() => [EventKind], { nullable: true, description: 'One of.' }) in?: EventKind[] | null;
}

@InputType({ description: 'Which events; all given tests must hold.' })
export class EventFilter {
  @Field(() => EventKindFilter, { nullable: true, description: 'Of this kind.' }) kind?: EventKindFilter | null;
  @Field(() => IDFilter, { nullable: true, description: 'In this park.' }) park?: IDFilter | null;
  @Field(() => USCCFilter, { nullable: true, description: 'Concerning this company.' }) company?: USCCFilter | null;
  @Field(() => IDFilter, { nullable: true, description: 'Concerning this vehicle, by its opaque id.' })
  vehicle?: IDFilter | null;
  @Field(() => IDFilter, { nullable: true, description: 'At this door.' }) door?: IDFilter | null;
  @Field(() => IDFilter, { nullable: true, description: 'At this car park.' }) lot?: IDFilter | null;
  @Field(() => IDFilter, { nullable: true, description: 'Of this meter.' }) meter?: IDFilter | null;
  @Field(() => IDFilter, { nullable: true, description: 'Told by this installation.' }) source?: IDFilter | null;
  @Field(() => TimeRange, { nullable: true, description: 'By when it happened.' }) time?: TimeRange | null;
}

export const EventEdge = edgeType('EventEdge', 'An event and its place.', () => ParkEvent as never);
export const EventConnection = connectionType(
  'EventConnection',
  'A page of the event log.',
  () => ParkEvent as never,
  EventEdge,
  { provenance: false },
);
