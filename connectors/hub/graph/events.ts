/**
 * GraphQL types of events, one per kind declared in connectors/kit/events/event-types.ts, and of the event log and its
 * subscription.
 */
import { isScalarType } from 'graphql';
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
import { RecordChange } from '../../../schema/graph/enums.ts';
import { Cursor, DateTime } from '../../../schema/graph/scalars.ts';
import {
  connectionType,
  edgeType,
  IDFilter,
  Provenance,
  Quantity,
  TimeRange,
  USCCFilter,
} from '../../../schema/graph/shared.ts';
import { EVENT_KINDS, EVENT_TYPES, type EventField, type EventType } from '../../kit/events/event-types.ts';
import { Badge, Door, Meter, ParkingLot, Vehicle } from './stub-entities.ts';
import { Building, Case, Company, Park, Source } from './types.ts';

/** Enum object: each kind under its own name. */
export const EventKind = Object.fromEntries(EVENT_KINDS.map((kind) => [kind, kind]));
registerEnumType(EventKind, {
  name: 'EventKind',
  description: 'Kinds of events. Each has its own type.',
  valuesConfig: Object.fromEntries(EVENT_KINDS.map((kind) => [kind, { description: EVENT_TYPES[kind].type }])),
});

registerEnumType(RecordChange, {
  name: 'RecordChange',
  description: 'How a row of a followed list changed.',
  valuesConfig: {
    NEW: { description: 'The row is new in the list.' },
    CHANGED: { description: 'A declared field has a new value.' },
    GONE: { description: 'The row is no longer in the list.' },
  },
});

export enum GapReason {
  RETENTION = 'RETENTION',
  RESTORE = 'RESTORE',
  INVALID_EVENT = 'INVALID_EVENT',
}
registerEnumType(GapReason, {
  name: 'GapReason',
  description: 'Why events are missing.',
  valuesConfig: {
    RETENTION: { description: 'They are older than the retention period.' },
    RESTORE: { description: 'The database was restored from an older copy.' },
    INVALID_EVENT: {
      description: 'They do not match their type and cannot be returned.',
    },
  },
});

@InterfaceType({
  description:
    'An event of the log. The things it concerns are entities, so a selection can continue into the whole graph.',
  resolveType: (value: { typename: string }) => value.typename,
})
export abstract class ParkEvent {
  @Field(() => ID, { description: 'Id of the event (UUIDv7).' }) id!: string;
  @Field(() => Cursor, { description: 'Position in the log, valid for the filter of this request. Resume after it.' })
  cursor!: string;
  @Field(() => DateTime, { description: 'Time of the event.' }) time!: Date;
  @Field(() => DateTime, { description: 'Time at which the event was written to the log.' }) recordedAt!: Date;
  @Field(() => EventKind, { description: 'Kind; it determines the type.' }) kind!: string;
  @Field(() => Park, { nullable: true, description: 'Park of the event.' }) park?: Park | null;
  @Field(() => Company, {
    nullable: true,
    description:
      'Company of the event, if the source reports it. For passages and drives it requires access:persons or parking:movements.',
  })
  company?: Company | null;
  @Field(() => Provenance, { description: 'Source and time of the report.' }) provenance!: Provenance;
}

/** Classes of the entities and objects that event declarations name. */
const CLASSES: Readonly<Record<string, new () => object>> = {
  ...{ Badge, Door, Meter, ParkingLot, Vehicle, Building, Case, Source, Quantity },
};

function typeOf(field: EventField): unknown {
  if (field.from === 'parts') return CLASSES[field.object];
  if (field.from !== 'data') return CLASSES[field.entity];
  const { type, list } = field.data;
  const named = isScalarType(type) ? type : 'key' in type ? CLASSES[type.name] : type.values;
  return list ? [named] : named;
}

const isNullable = (field: EventField): boolean =>
  field.from === 'data' ? field.data.nullable : field.from !== 'parts';

/** Builds the GraphQL type of a declared event kind. */
function eventClass({ type, description, fields }: EventType): new () => ParkEvent {
  const eventType = class extends ParkEvent {};
  Object.defineProperty(eventType, 'name', { value: type });
  for (const [name, field] of Object.entries(fields)) {
    const options = { description: field.description, ...(isNullable(field) ? { nullable: true } : {}) };
    Field(() => typeOf(field) as never, options)(eventType.prototype, name);
    if (field.from === 'column' && field.scopes.length > 0)
      Directive(requiresScopes(...field.scopes))(eventType.prototype, name);
  }
  ObjectType(type, { implements: ParkEvent, description, simpleResolvers: true })(eventType);
  return eventType;
}

export const EVENT_CLASSES = EVENT_KINDS.map((kind) => eventClass(EVENT_TYPES[kind]));

@ObjectType({ description: 'Events in log order. Resume with `cursor`.', simpleResolvers: true })
export class EventsBatch {
  @Field(() => [ParkEvent], { description: 'The events, in log order.' }) events!: ParkEvent[];
  @Field(() => Cursor, { description: 'Position after the last event.' }) cursor!: string;
}

@ObjectType({ description: 'Events in this time range are not available.', simpleResolvers: true })
export class Gap {
  @Field(() => DateTime, { description: 'Start of the range.' }) fromTime!: Date;
  @Field(() => DateTime, { description: 'End of the range.' }) toTime!: Date;
  @Field(() => GapReason, { description: 'Reason.' }) reason!: string;
  @Field(() => Cursor, { description: 'Position after the range.' }) cursor!: string;
}

@ObjectType({ description: 'The client is slower than the log. No events are lost.', simpleResolvers: true })
export class Lagged {
  @Field(() => Int, { description: 'Number of events not sent yet.' }) behind!: number;
  @Field(() => Cursor, { description: 'Position after the last event sent.' }) cursor!: string;
}

export const EventDelivery = createUnionType({
  name: 'EventDelivery',
  description: 'One delivery: events, or a report of missing or delayed events.',
  types: () => [EventsBatch, Gap, Lagged] as const,
  resolveType: (value: object) => ('events' in value ? 'EventsBatch' : 'behind' in value ? 'Lagged' : 'Gap'),
});

@Directive(INACCESSIBLE)
@ObjectType({ description: 'Internal: the position at which a subscription starts.', simpleResolvers: true })
export class EventStart {
  @Field(() => String, { description: 'The first event is the one after this position.' }) position!: string;
  @Field(() => DateTime, {
    nullable: true,
    description: 'Start of the missing time range; null if no events are missing.',
  })
  gapFrom!: Date | null;
  @Field(() => DateTime, { nullable: true, description: 'End of the missing time range.' }) gapTo!: Date | null;
  @Field(() => GapReason, { nullable: true, description: 'Reason for the gap.' }) gapReason!: GapReason | null;
}

@Directive(INACCESSIBLE)
@ObjectType({ description: 'Internal: consecutive events that do not match their type.', simpleResolvers: true })
export class UnreadableEvents {
  @Field(() => String, { description: 'Position before the first of them.' }) before!: string;
  @Field(() => String, { description: 'Position of the last of them.' }) upTo!: string;
  @Field(() => DateTime, { description: 'Time at which the first of them was logged.' }) fromTime!: Date;
  @Field(() => DateTime, { description: 'Time at which the last of them was logged.' }) toTime!: Date;
}

@InputType({ description: 'Filter on an event kind.' })
export class EventKindFilter {
  @Field(() => EventKind, { nullable: true, description: 'Equal to.' }) eq?: string | null;
  @Field(() => [EventKind], { nullable: true, description: 'One of.' }) in?: string[] | null;
}

@InputType({ description: 'Selects events. All given conditions must match.' })
export class EventFilter {
  @Field(() => EventKindFilter, { nullable: true, description: 'Of this kind.' }) kind?: EventKindFilter | null;
  @Field(() => IDFilter, { nullable: true, description: 'In this park.' }) park?: IDFilter | null;
  @Field(() => USCCFilter, { nullable: true, description: 'Concerning this company.' }) company?: USCCFilter | null;
  @Field(() => IDFilter, { nullable: true, description: 'Concerning this vehicle, by its opaque id.' })
  vehicle?: IDFilter | null;
  @Field(() => IDFilter, { nullable: true, description: 'At this door.' }) door?: IDFilter | null;
  @Field(() => IDFilter, { nullable: true, description: 'At this car park.' }) lot?: IDFilter | null;
  @Field(() => IDFilter, { nullable: true, description: 'Of this meter.' }) meter?: IDFilter | null;
  @Field(() => IDFilter, { nullable: true, description: 'Reported by this installation.' }) source?: IDFilter | null;
  @Field(() => TimeRange, { nullable: true, description: 'Time of the event.' }) time?: TimeRange | null;
}

export const EventEdge = edgeType('EventEdge', 'An event with its cursor.', () => ParkEvent as never);
const EventPage = connectionType('EventConnection', 'A page of the event log.', () => ParkEvent as never, EventEdge, {
  provenance: false,
});
@ObjectType('EventConnection', { description: 'A page of the event log.', simpleResolvers: true })
export class EventConnection extends EventPage {
  @Field(() => [Gap], {
    description:
      'Ranges of events that do not match their type. They are missing from `nodes` but count towards the page size. Empty if there are none.',
  })
  gaps!: Gap[];
}
