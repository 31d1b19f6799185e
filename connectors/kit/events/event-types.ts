/**
 * Declares every event kind: its GraphQL type, the entities that it references and its data. The GraphQL types, the enum `EventKind` and
 * the check of every event are derived from this declaration.
 */
import { GraphQLID, GraphQLInt, type GraphQLScalarType, GraphQLString } from 'graphql';
import { CaseKind, CaseState, DoorState, RecordChange, SourceState } from '../../../schema/graph/enums.ts';
import { Decimal } from '../../../schema/graph/scalars.ts';

/** Columns of the event log that contain keys of entities. */
export const KEY_COLUMNS = ['company', 'vehicle', 'door', 'badge', 'lot', 'meter', 'case'] as const;
export type KeyColumn = (typeof KEY_COLUMNS)[number];

/** An enum of the graph. */
export interface EnumType {
  readonly name: string;
  readonly values: Readonly<Record<string, string>>;
}

/** The key of an entity: its id, or an object with the member `id`. */
export interface KeyType {
  readonly name: string;
  readonly key: true;
}

export type ValueType = GraphQLScalarType | EnumType | KeyType;

/** One value in the `data` of an event. */
export interface DataField {
  readonly type: ValueType;
  readonly list: boolean;
  readonly nullable: boolean;
}

/** A field of the GraphQL type, in addition to those of the interface `ParkEvent`. */
export type EventField = { readonly description: string } & (
  | {
      /** An entity whose key is in the column of the same name. Always nullable. */
      readonly from: 'column';
      readonly entity: string;
      readonly scopes: readonly string[];
    }
  | {
      /** The value of `data` with the same name. */
      readonly from: 'data';
      readonly data: DataField;
    }
  | {
      /** An object of several values of `data`. */
      readonly from: 'parts';
      readonly object: string;
      readonly parts: Readonly<Record<string, DataField>>;
    }
  | {
      /** An entity that is resolved on request, by the id in `data` under the same name, or by the row if `data` is null. Always nullable. */
      readonly from: 'lookup';
      readonly entity: string;
      readonly data: DataField | null;
    }
);

export interface EventType {
  /** Name of the GraphQL type. */
  readonly type: string;
  readonly description: string;
  readonly fields: Readonly<Record<string, EventField>>;
  /** Values of `data` that are not fields of the GraphQL type. */
  readonly hidden: Readonly<Record<string, DataField>>;
}

const required = <const T extends ValueType>(type: T) => ({ type, list: false, nullable: false }) as const;
const optional = <const T extends ValueType>(type: T) => ({ type, list: false, nullable: true }) as const;
const list = <const T extends ValueType>(type: T) => ({ type, list: true, nullable: false }) as const;

const entity = (name: string, description: string, ...scopes: string[]) =>
  ({ from: 'column', entity: name, description, scopes }) as const;
const data = <const D extends DataField>(field: D, description: string) =>
  ({ from: 'data', data: field, description }) as const;
const parts = <const P extends Readonly<Record<string, DataField>>>(object: string, fields: P, description: string) =>
  ({ from: 'parts', object, parts: fields, description }) as const;
const lookup = <const D extends DataField | null = null>(name: string, description: string, field: D = null as D) =>
  ({ from: 'lookup', entity: name, data: field, description }) as const;
const event = <const F extends Readonly<Record<string, EventField>>>(type: string, description: string, fields: F) =>
  ({ type, description, fields, hidden: {} }) as const;

const DOOR_STATE = { name: 'DoorState', values: DoorState };
const SOURCE_STATE = { name: 'SourceState', values: SourceState };
const CASE_STATE = { name: 'CaseState', values: CaseState };
const CASE_KIND = { name: 'CaseKind', values: CaseKind };
const RECORD_CHANGE = { name: 'RecordChange', values: RecordChange };

const drive = {
  vehicle: entity('Vehicle', 'Null when no plate was read.', 'parking:movements'),
  lot: entity('ParkingLot', 'The car park.'),
};
const passage = {
  door: entity('Door', 'The door.'),
  badge: entity('Badge', 'The badge that was read.', 'access:persons'),
};
const meter = entity('Meter', 'The meter.');

export const EVENT_TYPES = {
  ACCESS_GRANTED: event('AccessGranted', 'A door granted access.', passage),
  ACCESS_DENIED: event('AccessDenied', 'A door denied access.', {
    ...passage,
    reason: data(optional(GraphQLString), 'Reason given by the source; null if it gives none.'),
  }),
  DOOR_STATE_CHANGED: event('DoorStateChanged', 'The state of a door changed.', {
    door: entity('Door', 'The door.'),
    state: data(required(DOOR_STATE), 'The new state.'),
  }),
  VEHICLE_ENTERED: event('VehicleEntered', 'A vehicle entered a car park.', drive),
  VEHICLE_EXITED: event('VehicleExited', 'A vehicle left a car park.', drive),
  OCCUPANCY_CHANGED: event('OccupancyChanged', "A car park's measured occupancy changed.", {
    lot: entity('ParkingLot', 'The car park.'),
    occupied: data(required(GraphQLInt), 'Occupied spaces as measured, not entries minus exits.'),
  }),
  METER_READING_TAKEN: event('MeterReadingTaken', 'A meter register was read.', {
    meter,
    reading: parts(
      'Quantity',
      { value: required(Decimal), unit: required(GraphQLString) },
      'The register value, not a difference.',
    ),
    corrects: data(
      optional(Decimal),
      'The earlier value for the same time that this one corrects; null: this is the first.',
    ),
  }),
  METER_ALARM: event('MeterAlarm', 'A meter raised an alarm.', {
    meter,
    alarm: data(required(GraphQLString), 'The alarm, in the words of the hub.'),
  }),
  REGISTRATION_CHANGED: event('RegistrationChanged', 'An entry of the company register changed.', {
    fields: data(list(GraphQLString), 'Names of the changed fields of Registration.'),
  }),
  TAX_FILE_RECEIVED: event('TaxFileReceived', 'A file of the tax office was imported.', {
    name: data(required(GraphQLString), 'File name.'),
    rows: data(required(GraphQLInt), 'Imported rows.'),
    refused: data(required(GraphQLInt), 'Rejected rows; the report names line and reason.'),
  }),
  SOURCE_STATE_CHANGED: {
    ...event('SourceStateChanged', 'The state of a source changed.', {
      source: lookup('Source', 'The source in its current state.'),
      from: data(required(SOURCE_STATE), 'The previous state.'),
      to: data(required(SOURCE_STATE), 'The new state.'),
    }),
    hidden: { reason: optional(GraphQLString) },
  },
  CASE_CHANGED: {
    ...event('CaseChanged', 'The state of a case changed.', {
      case: lookup('Case', 'The case in its current state.'),
      state: data(required(CASE_STATE), 'The new state.'),
    }),
    hidden: { kind: required(CASE_KIND), receipt: optional(GraphQLString), reason: optional(GraphQLString) },
  },
  RECORD_CHANGED: event(
    'RecordChanged',
    'A record of a system that is connected by configuration was added, changed or removed.',
    {
      change: data(required(RECORD_CHANGE), 'The kind of change.'),
      type: data(required(GraphQLString), 'GraphQL type of the record, such as WorkOrder.'),
      record: data(required(GraphQLID), 'Global id of the record, for the root field of its type.'),
      building: lookup('Building', 'Building that the record names.', optional({ name: 'Building', key: true })),
    },
  ),
} as const satisfies Readonly<Record<string, EventType>>;

export type EventKind = keyof typeof EVENT_TYPES;

/** The TypeScript type of a value. Enum values are given as text. */
type ValueOf<T extends ValueType> = T extends { readonly key: true }
  ? string | { readonly id: string }
  : T extends { readonly values: Readonly<Record<string, infer V extends string>> }
    ? `${V}`
    : T extends GraphQLScalarType<infer V>
      ? unknown extends V
        ? string
        : V
      : never;
type FieldValue<D extends DataField> = D['list'] extends true ? readonly ValueOf<D['type']>[] : ValueOf<D['type']>;
type RequiredKeys<F> = { [N in keyof F]: F[N] extends { readonly nullable: false } ? N : never }[keyof F];
type ValuesOf<F> = { readonly [N in RequiredKeys<F>]: F[N] extends DataField ? FieldValue<F[N]> : never } & {
  readonly [N in Exclude<keyof F, RequiredKeys<F>>]?: F[N] extends DataField ? FieldValue<F[N]> | null : never;
};
/** The declarations in `data` of the fields of a type, by name. */
type DataFieldsOf<F> = {
  [N in keyof F as F[N] extends { readonly data: DataField } ? N : never]: F[N] extends {
    readonly data: infer D extends DataField;
  }
    ? D
    : never;
} & (PartsOf<F[keyof F]> extends never ? unknown : PartsOf<F[keyof F]>);
type PartsOf<F> = F extends { readonly parts: infer P } ? P : never;

/** The `data` of an event of that kind. Values without a declaration are stored, but neither checked nor returned. */
export type EventData<K extends EventKind> = ValuesOf<
  DataFieldsOf<(typeof EVENT_TYPES)[K]['fields']> & (typeof EVENT_TYPES)[K]['hidden']
> & { readonly [undeclared: string]: unknown };

export const EVENT_KINDS = Object.keys(EVENT_TYPES) as readonly EventKind[];

/** The declaration of a kind; undefined for a kind that this version does not know. */
export const eventType = (kind: string): EventType | undefined =>
  Object.hasOwn(EVENT_TYPES, kind) ? EVENT_TYPES[kind as EventKind] : undefined;

/** The id in a `KeyType` value; null if there is none. */
export function entityId(value: unknown): string | null {
  const id = typeof value === 'object' && value !== null ? (value as { id?: unknown }).id : value;
  return typeof id === 'string' ? id : null;
}

/** All values of `data` that the type declares, by name. */
export function dataFields(type: EventType): Readonly<Record<string, DataField>> {
  const visible = Object.entries(type.fields).flatMap(([name, field]): [string, DataField][] => {
    if (field.from === 'parts') return Object.entries(field.parts);
    return field.from !== 'column' && field.data !== null ? [[name, field.data]] : [];
  });
  return { ...Object.fromEntries(visible), ...type.hidden };
}
