/** Arguments, keys and inputs for the records of a sample, and the queries for events. */
import type { GraphQLSchema } from 'graphql';
import type { Samples } from '../generated-queries.ts';
import type { Sample } from './two-parks.ts';

/** Root fields that take the key of a row. */
export const keyedRoots = (schema: GraphQLSchema): string[] =>
  Object.values(schema.getQueryType()?.getFields() ?? {})
    .filter(({ args }) => args.some(({ name }) => /^(id|uscc)$/.test(name)))
    .map(({ name }) => name);
/** Rows that belong to a park but to no company: a caller limited only to a company may see them. */
export const PARK_ONLY_FIELDS = new Set(['park', 'building', 'source', 'door', 'parkingLot']);

/** Arguments of the fields of the graph that lead to the records of the sample. */
export const argumentsOf = (of: Sample): Samples => ({
  'Query.park': `id: "${of.park}"`,
  'Query.building': `id: "${of.building}"`,
  'Query.company': `uscc: "${of.uscc}"`,
  'Query.registeredCompany': `uscc: "${of.uscc}"`,
  'Query.source': `id: "${of.source}"`,
  'Query.case': `id: "${of.case}"`,
  'Query.door': `id: "${of.door}"`,
  'Query.badge': `id: "${of.badge}"`,
  'Query.vehicle': `id: "${of.vehicle}"`,
  'Query.meter': `id: "${of.meter}"`,
  'Query.parkingLot': `id: "${of.lot}"`,
  'Query.workOrder': `id: "${of.workOrder}"`,
  'Query.events': 'last: 60',
  'from: DateTime': '"2026-11-29T00:00:00Z"',
  'to: DateTime': '"2026-11-29T06:00:00Z"',
  'from: Period': '"2026-01"',
  'to: Period': '"2026-02"',
});

/** An event as a caller receives it. */
export interface ReceivedEvent {
  readonly id: string;
  readonly kind: string;
  readonly cursor: string;
  readonly of: { readonly park: string | null; readonly company: string | null };
}

export const HISTORY =
  'query ($from: DateTime!) { events(first: 200, filter: { time: { from: $from } }) { nodes { id kind cursor park { id } company { uscc } } } }';
export const LIVE = `subscription ($after: Cursor, $from: DateTime!) { events(after: $after, filter: { time: { from: $from } }) { ... on EventsBatch { cursor events {
  __typename id kind park { id name } company { uscc name }
  ... on AccessGranted { door { id } badge { id } } ... on VehicleEntered { vehicle { id plateMasked company { uscc } } lot { id name } }
  ... on MeterAlarm { meter { id company { uscc } } } ... on CaseChanged { case { id company { uscc } } } ... on SourceStateChanged { source { id } }
  ... on RecordChanged { record building { id } } } } } }`;

/** The permission that each kind of event requires. Repeated here so that the test does not depend on the hub's own list. */
export const EVENT_RIGHTS: Readonly<Record<string, string>> = {
  ACCESS_GRANTED: 'access:read',
  ACCESS_DENIED: 'access:read',
  DOOR_STATE_CHANGED: 'access:read',
  VEHICLE_ENTERED: 'parking:read',
  VEHICLE_EXITED: 'parking:read',
  METER_READING_TAKEN: 'energy:read',
  METER_ALARM: 'energy:read',
  REGISTRATION_CHANGED: 'registration:read',
  TAX_FILE_RECEIVED: 'tax:read',
};

/** The key of that type's row in the sample. */
export function keyOf(type: string, of: Sample): Record<string, string> {
  const keys: Readonly<Record<string, string>> = {
    Park: of.park,
    Building: of.building,
    Door: of.door,
    Badge: of.badge,
    Vehicle: of.vehicle,
    ParkingLot: of.lot,
    Meter: of.meter,
    Source: of.source,
    Case: of.case,
    WorkOrder: of.workOrder,
  };
  if (type === 'Company') return { uscc: of.uscc };
  const id = keys[type];
  if (id === undefined) throw new Error(`The sample holds no ${type}.`);
  return { id };
}

export const mutationType = (name: string): string => `${name.charAt(0).toUpperCase()}${name.slice(1)}Payload`;

/** Each mutation's input, for a place (its installation, or a record there that is a company's) and a company. */
export const MUTATIONS: Readonly<
  Record<
    string,
    {
      readonly uses: readonly ('place' | 'record' | 'company')[];
      readonly input: (place: Sample, company: Sample, id: string, plate: string) => string;
    }
  >
> = {
  grantConsent: {
    uses: ['company'],
    input: (_, { uscc }, id) =>
      `{ clientMutationId: "${id}", uscc: "${uscc}", client: "another-portal", purpose: "tax" }`,
  },
  revokeConsent: {
    uses: ['company'],
    input: (_, { consent }, id) => `{ clientMutationId: "${id}", consent: "${consent}" }`,
  },
  grantParkingPermit: {
    uses: ['place', 'company'],
    input: ({ lot }, { uscc }, id, plate) =>
      `{ clientMutationId: "${id}", lot: "${lot}", plate: "${plate}", colour: BLUE, uscc: "${uscc}", validFrom: "2026-01-01T00:00:00Z" }`,
  },
  revokeParkingPermit: {
    uses: ['place', 'record'],
    input: ({ permit }, _, id) => `{ clientMutationId: "${id}", permit: "${permit}" }`,
  },
  submitRegistration: {
    uses: ['place', 'company'],
    input: ({ park }, { uscc }, id) =>
      `{ clientMutationId: "${id}", installation: "${park}-register", uscc: "${uscc}", legalName: "某某公司", legalRepresentative: "某某", capital: { value: "1", currency: "CNY" }, scope: "软件", address: "某地" }`,
  },
  withdrawRegistration: {
    uses: ['place', 'record'],
    input: (place, _, id) => `{ clientMutationId: "${id}", case: "${place.case}" }`,
  },
  requestTaxClearance: {
    uses: ['place', 'company'],
    input: ({ park }, { uscc }, id) =>
      `{ clientMutationId: "${id}", installation: "${park}-tax", uscc: "${uscc}", until: "2026-12" }`,
  },
};
