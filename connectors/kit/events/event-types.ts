/**
 * THE KINDS OF EVENTS: each with its type in the graph, the entities that it names and the data that it carries. The graph's types, the
 * enum `EventKind` and the check of every event before it is appended are made from this one declaration.
 */
import { GraphQLID, GraphQLInt, type GraphQLScalarType, GraphQLString } from 'graphql';
import { CaseKind, CaseState, DoorState, RecordChange, SourceState } from '../../../schema/graph/enums.ts';
import { Decimal } from '../../../schema/graph/scalars.ts';

/** Columns of the log that hold keys of entities. */
export const KEY_COLUMNS = ['company', 'vehicle', 'door', 'badge', 'lot', 'meter', 'case'] as const;
export type KeyColumn = (typeof KEY_COLUMNS)[number];

/** An enum of the graph. */
export interface EnumType {
  readonly name: string;
  readonly values: Readonly<Record<string, string>>;
}

/** The key of an entity: its id, alone or as an object with it. */
export interface KeyType {
  readonly name: string;
  readonly key: true;
}

export type ValueType = GraphQLScalarType | EnumType | KeyType;

/** One value in an event's `data`. */
export interface DataField {
  readonly type: ValueType;
  readonly list: boolean;
  readonly nullable: boolean;
}

/** A field of the graph type beside those of `ParkEvent`. */
export type EventField = { readonly description: string } & (
  | {
      /** An entity whose key the log holds in the column of that name; always nullable. */
      readonly from: 'column';
      readonly entity: string;
      readonly scopes: readonly string[];
    }
  | {
      /** A value of `data`, of the same name. */
      readonly from: 'data';
      readonly data: DataField;
    }
  | {
      /** An object made of several values of `data`. */
      readonly from: 'parts';
      readonly object: string;
      readonly parts: Readonly<Record<string, DataField>>;
    }
  | {
      /** An entity that is looked up when it is asked for; `data` holds its id under the same name, or the log's row tells it. Always nullable. */
      readonly from: 'lookup';
      readonly entity: string;
      readonly data: DataField | null;
    }
);

export interface EventType {
  /** Name of the concrete type in the graph. */
  readonly type: string;
  readonly description: string;
  readonly fields: Readonly<Record<string, EventField>>;
  /** Values of `data` that the graph type does not show. */
  readonly hidden: Readonly<Record<string, DataField>>;
}

const one = (type: ValueType): DataField => ({ type, list: false, nullable: false });
const maybe = (type: ValueType): DataField => ({ type, list: false, nullable: true });
const many = (type: ValueType): DataField => ({ type, list: true, nullable: false });

const entity = (name: string, description: string, ...scopes: string[]): EventField => ({
  ...{ from: 'column', entity: name, description, scopes },
});
const data = (field: DataField, description: string): EventField => ({ from: 'data', data: field, description });
const lookup = (name: string, description: string, field: DataField | null = null): EventField => ({
  ...{ from: 'lookup', entity: name, data: field, description },
});
const event = (
  type: string,
  description: string,
  fields: Readonly<Record<string, EventField>>,
  hidden: Readonly<Record<string, DataField>> = {},
): EventType => ({ type, description, fields, hidden });

const DOOR_STATE = { name: 'DoorState', values: DoorState };
const SOURCE_STATE = { name: 'SourceState', values: SourceState };
const CASE_STATE = { name: 'CaseState', values: CaseState };
const CASE_KIND = { name: 'CaseKind', values: CaseKind };
const RECORD_CHANGE = { name: 'RecordChange', values: RecordChange };

const drive = {
  vehicle: entity('Vehicle', 'Null when no plate was read.', 'parking:movements'),
  lot: entity('ParkingLot', 'Where.'),
};
const passage = { door: entity('Door', 'Which one.'), badge: entity('Badge', 'Whose.', 'access:persons') };
const meter = entity('Meter', 'Which one.');

export const EVENT_TYPES = {
  ACCESS_GRANTED: event('AccessGranted', 'A door let someone in.', passage),
  ACCESS_DENIED: event('AccessDenied', 'A door did not.', {
    ...passage,
    reason: data(maybe(GraphQLString), 'Why, where the source tells.'),
  }),
  DOOR_STATE_CHANGED: event('DoorStateChanged', 'A door opened, closed, was forced.', {
    door: entity('Door', 'Which one.'),
    state: data(one(DOOR_STATE), 'Its state from then on.'),
  }),
  VEHICLE_ENTERED: event('VehicleEntered', 'A vehicle drove in.', drive),
  VEHICLE_EXITED: event('VehicleExited', 'A vehicle drove out.', drive),
  OCCUPANCY_CHANGED: event('OccupancyChanged', "A car park's measured occupation moved.", {
    lot: entity('ParkingLot', 'Which one.'),
    occupied: data(one(GraphQLInt), 'Measured, not entries minus exits.'),
  }),
  METER_READING_TAKEN: event('MeterReadingTaken', 'A register value came in.', {
    meter,
    reading: {
      ...{ from: 'parts', object: 'Quantity', parts: { value: one(Decimal), unit: one(GraphQLString) } },
      description: 'The register, not a difference.',
    },
    corrects: data(
      maybe(Decimal),
      'The earlier value of the same time, where this one corrects it; null: it is the first.',
    ),
  }),
  METER_ALARM: event('MeterAlarm', 'A meter complained.', {
    meter,
    alarm: data(one(GraphQLString), 'What it complains of, in our words.'),
  }),
  REGISTRATION_CHANGED: event('RegistrationChanged', 'The register changed an entry.', {
    fields: data(many(GraphQLString), 'Names of the fields of Registration.'),
  }),
  TAX_FILE_RECEIVED: event('TaxFileReceived', 'A file from the tax office was taken in.', {
    name: data(one(GraphQLString), 'Name of the file.'),
    rows: data(one(GraphQLInt), 'Rows taken in.'),
    refused: data(one(GraphQLInt), 'Rows refused, reported with line and reason.'),
  }),
  SOURCE_STATE_CHANGED: event(
    'SourceStateChanged',
    'A source went up or down.',
    {
      source: lookup('Source', 'As it is now.'),
      from: data(one(SOURCE_STATE), 'State before.'),
      to: data(one(SOURCE_STATE), 'State from then on.'),
    },
    { reason: maybe(GraphQLString) },
  ),
  CASE_CHANGED: event(
    'CaseChanged',
    'A case moved on.',
    { case: lookup('Case', 'As it is now.'), state: data(one(CASE_STATE), 'State from then on.') },
    { kind: one(CASE_KIND), receipt: maybe(GraphQLString), reason: maybe(GraphQLString) },
  ),
  RECORD_CHANGED: event(
    'RecordChanged',
    'A row of a system that is connected by configuration is new, changed or gone.',
    {
      change: data(one(RECORD_CHANGE), 'What happened.'),
      type: data(one(GraphQLString), 'Its type in this graph, such as WorkOrder.'),
      record: data(one(GraphQLID), 'Its global id, which the root field of its type takes.'),
      building: lookup('Building', 'Where it belongs, as the row says.', maybe({ name: 'Building', key: true })),
    },
  ),
} as const satisfies Readonly<Record<string, EventType>>;

export type EventKind = keyof typeof EVENT_TYPES;
export const EVENT_KINDS = Object.keys(EVENT_TYPES) as readonly EventKind[];

/** What is declared of a kind; undefined for a kind that this version does not know. */
export const eventType = (kind: string): EventType | undefined =>
  Object.hasOwn(EVENT_TYPES, kind) ? EVENT_TYPES[kind as EventKind] : undefined;

/** The id that a `KeyType` value holds; null when it holds none. */
export function keyIn(value: unknown): string | null {
  const id = typeof value === 'object' && value !== null ? (value as { id?: unknown }).id : value;
  return typeof id === 'string' ? id : null;
}

/** Every value that the `data` of the type may hold, by name. */
export function dataFields(type: EventType): Readonly<Record<string, DataField>> {
  const shown = Object.entries(type.fields).flatMap(([name, field]): [string, DataField][] => {
    if (field.from === 'parts') return Object.entries(field.parts);
    return field.from !== 'column' && field.data !== null ? [[name, field.data]] : [];
  });
  return { ...Object.fromEntries(shown), ...type.hidden };
}
