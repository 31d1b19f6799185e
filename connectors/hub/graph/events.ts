/** The event types: one per kind, as connectors/kit/events/event-types.ts declares them, in the hub, since a subgraph can only return types that it defines. */
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

/** By name, each the name of a kind. */
export const EventKind = Object.fromEntries(EVENT_KINDS.map((kind) => [kind, kind]));
registerEnumType(EventKind, {
  name: 'EventKind',
  description: 'Kinds of events, one per type below.',
  valuesConfig: Object.fromEntries(EVENT_KINDS.map((kind) => [kind, { description: EVENT_TYPES[kind].type }])),
});

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
  INVALID_EVENT = 'INVALID_EVENT',
}
registerEnumType(GapReason, {
  name: 'GapReason',
  description: 'Why events are missing.',
  valuesConfig: {
    RETENTION: { description: 'They are older than the log is kept.' },
    RESTORE: { description: 'The database was restored from an older copy.' },
    INVALID_EVENT: {
      description: 'They lie in the log, but do not fit their type and cannot be shown.',
    },
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
  @Field(() => EventKind, { description: 'Tells the type.' }) kind!: string;
  @Field(() => Park, { nullable: true, description: 'Where it happened.' }) park?: Park | null;
  @Field(() => Company, {
    nullable: true,
    description:
      'Whom it concerns, where the source tells; of passages and drives for who may see persons or movements.',
  })
  company?: Company | null;
  @Field(() => Provenance, { description: 'Which source said so.' }) provenance!: Provenance;
}

/** Classes of the entities and objects that the declaration of events names. */
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

/** The graph type of a kind, as it is declared. */
function eventClass({ type, description, fields }: EventType): new () => ParkEvent {
  const made = class extends ParkEvent {};
  Object.defineProperty(made, 'name', { value: type });
  for (const [name, field] of Object.entries(fields)) {
    const options = { description: field.description, ...(isNullable(field) ? { nullable: true } : {}) };
    Field(() => typeOf(field) as never, options)(made.prototype, name);
    if (field.from === 'column' && field.scopes.length > 0)
      Directive(requiresScopes(...field.scopes))(made.prototype, name);
  }
  ObjectType(type, { implements: ParkEvent, description, simpleResolvers: true })(made);
  return made;
}

export const EVENT_CLASSES = EVENT_KINDS.map((kind) => eventClass(EVENT_TYPES[kind]));

@ObjectType({ description: 'Events in log order. Resume with `cursor`.', simpleResolvers: true })
export class EventsBatch {
  @Field(() => [ParkEvent], { description: 'In log order.' }) events!: ParkEvent[];
  @Field(() => Cursor, { description: 'Behind the last of them.' }) cursor!: string;
}

@ObjectType({ description: 'Events in this span cannot be had.', simpleResolvers: true })
export class Gap {
  @Field(() => DateTime, { description: 'Begin of the span.' }) fromTime!: Date;
  @Field(() => DateTime, { description: 'End of the span.' }) toTime!: Date;
  @Field(() => GapReason, { description: 'Why.' }) reason!: string;
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

@Directive(INACCESSIBLE)
@ObjectType({ description: 'Internal: events in a row that do not fit their type.', simpleResolvers: true })
export class UnreadableEvents {
  @Field(() => String, { description: 'Position before the first of them.' }) before!: string;
  @Field(() => String, { description: 'Position of the last of them.' }) upTo!: string;
  @Field(() => DateTime, { description: 'When the log got the first of them.' }) fromTime!: Date;
  @Field(() => DateTime, { description: 'When it got the last of them.' }) toTime!: Date;
}

@InputType({ description: 'Tests on an event kind.' })
export class EventKindFilter {
  @Field(() => EventKind, { nullable: true, description: 'Equal to.' }) eq?: string | null;
  @Field(() => [EventKind], { nullable: true, description: 'One of.' }) in?: string[] | null;
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
const EventPage = connectionType('EventConnection', 'A page of the event log.', () => ParkEvent as never, EventEdge, {
  provenance: false,
});
@ObjectType('EventConnection', { description: 'A page of the event log.', simpleResolvers: true })
export class EventConnection extends EventPage {
  @Field(() => [Gap], {
    description:
      'Events of this page that lie in the log and do not fit their type: they are missing from `nodes`, and counted in its size. Empty when all can be shown.',
  })
  gaps!: Gap[];
}
