/**
 * The bench's operations and data: companies of a park in five subgraphs. Q1 is one company from one subgraph, Q2 one company from all five
 * in three hops, Q3 fifty companies with nested lists from all five.
 */
import type { GraphQLSchema } from 'graphql';
import { buildSubgraph, type FieldResolvers } from './bench-subgraphs.ts';

const COMPANIES = 200;
/** Vehicles, filings and meters of each company. */
const ITEMS = 5;
const BUILDINGS = 20;

const times = <T>(count: number, create: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => create(i));

const buildings = times(BUILDINGS, (b) => ({
  id: `b${b}`,
  name: `Building ${b}`,
  address: `${b + 1} Lakeside Avenue`,
  occupancy: 40 + 3 * b,
  gates: times(3, (g) => ({ id: `g${b}-${g}`, name: `Gate ${g + 1}`, state: g === 0 ? 'CLOSED' : 'OPEN' })),
}));
const persons = times(COMPANIES * (ITEMS + 1), (p) => ({
  id: `p${p}`,
  fullName: `Holder of badge ${p}`,
  phone: `+00 ${1_000_000 + p}`,
  lastEntry: `2026-03-${10 + (p % 18)}T07:30:00Z`,
  badge: { number: `N-${50_000 + p}`, level: p % 5, validUntil: '2028-06-30' },
}));
const companies = times(COMPANIES, (c) => ({
  id: `c${c}`,
  name: `Firm "${c}" Ltd`,
  taxCode: `T${900_000_000 + c}`,
  status: c % 8 === 7 ? 'SUSPENDED' : 'ACTIVE',
  registeredAt: '2019-11-04',
  capital: 2_500.25 * (c + 1),
  legalRep: { __typename: 'Person', id: `p${c * (ITEMS + 1)}` },
  building: { __typename: 'Building', id: `b${c % BUILDINGS}` },
  parkingSpots: 3 + (c % 4),
  taxStatus: c % 6 === 5 ? 'OVERDUE' : 'OK',
  taxDebt: (c % 6) * 17.75,
  energyCost: 41.5 * (c + 1),
  vehicles: times(ITEMS, (i) => ({
    id: `v${c}-${i}`,
    plate: `PK ${30_000 + c * ITEMS + i}`,
    model: ['Estate', 'Van', 'Coupe', 'Pickup', 'Saloon'][i],
    color: 'GREY',
    spot: `L${i}-${c}`,
    driver: { __typename: 'Person', id: `p${c * (ITEMS + 1) + 1 + i}` },
  })),
  filings: times(ITEMS, (i) => ({
    id: `f${c}-${i}`,
    period: `2025-${String(i + 1).padStart(2, '0')}`,
    amount: 310.5 * (i + 1) + c,
    status: i % 2 ? 'PAID' : 'FILED',
    dueDate: `2025-0${i + 1}-28`,
  })),
  meters: times(ITEMS, (i) => ({
    id: `m${c}-${i}`,
    serial: `S${700_000 + c * ITEMS + i}`,
    kind: ['ELECTRICITY', 'WATER', 'HEAT', 'GAS', 'COOLING'][i],
    unit: i === 1 ? 'm3' : 'kWh',
    lastReading: 812.75 + c * (i + 1),
    building: { __typename: 'Building', id: `b${(c + i) % BUILDINGS}` },
    readings: times(3, (r) => ({ at: `2026-0${r + 1}-15`, value: 90.5 * (r + 1) + c })),
  })),
}));

const byId = <T extends { id: string }>(all: readonly T[]) => {
  const found = new Map(all.map((record) => [record.id, record]));
  return (id: unknown): T | undefined => found.get(String(id));
};
export const companyOf = byId(companies);
export const personOf = byId(persons);
export const buildingOf = byId(buildings);
const vehicleOf = byId(companies.flatMap((company) => company.vehicles));
const meterOf = byId(companies.flatMap((company) => company.meters));
/** A page of the root list. */
export const companiesFrom = (offset: number, first: number) => companies.slice(offset, offset + first);

type Company = (typeof companies)[number];
type Meter = Company['meters'][number];

interface SubgraphParts {
  readonly name: string;
  readonly sdl: string;
  readonly resolvers: FieldResolvers;
  readonly references: Readonly<Record<string, (id: unknown) => unknown>>;
}

const parts: readonly SubgraphParts[] = [
  {
    name: 'registry',
    sdl: `
type Query { company(id: ID!): Company companies(first: Int!, offset: Int = 0): [Company!]! }
type Company @key(fields: "id") { id: ID! name: String! taxCode: String! status: String! registeredAt: String! capital: Float! legalRep: Person! building: Building! }
type Person @key(fields: "id", resolvable: false) { id: ID! }
type Building @key(fields: "id", resolvable: false) { id: ID! }`,
    resolvers: {
      Query: {
        company: (_, { id }) => companyOf(id),
        companies: (_, { first, offset }) => companiesFrom(offset as number, first as number),
      },
    },
    references: { Company: companyOf },
  },
  {
    name: 'access',
    sdl: `
type Query { person(id: ID!): Person building(id: ID!): Building }
type Person @key(fields: "id") { id: ID! fullName: String! phone: String lastEntry: String badge: Badge! }
type Badge { number: String! level: Int! validUntil: String! }
type Building @key(fields: "id") { id: ID! name: String! address: String! occupancy: Int! gates: [Gate!]! }
type Gate { id: ID! name: String! state: String! }`,
    resolvers: { Query: { person: (_, { id }) => personOf(id), building: (_, { id }) => buildingOf(id) } },
    references: { Person: personOf, Building: buildingOf },
  },
  {
    name: 'parking',
    sdl: `
type Query { vehicle(id: ID!): Vehicle }
type Company @key(fields: "id") { id: ID! vehicles: [Vehicle!]! parkingSpots: Int! }
type Vehicle @key(fields: "id") { id: ID! plate: String! model: String! color: String! spot: String driver: Person! }
type Person @key(fields: "id", resolvable: false) { id: ID! }`,
    resolvers: { Query: { vehicle: (_, { id }) => vehicleOf(id) } },
    references: { Company: companyOf, Vehicle: vehicleOf },
  },
  {
    name: 'tax',
    sdl: `
type Query { taxCompany(id: ID!): Company }
type Company @key(fields: "id") { id: ID! taxStatus: String! taxDebt: Float! filings(last: Int! = 5): [Filing!]! }
type Filing { id: ID! period: String! amount: Float! status: String! dueDate: String! }`,
    resolvers: {
      Query: { taxCompany: (_, { id }) => companyOf(id) },
      Company: { filings: (company, { last }) => (company as Company).filings.slice(0, last as number) },
    },
    references: { Company: companyOf },
  },
  {
    name: 'energy',
    sdl: `
type Query { meter(id: ID!): Meter }
type Company @key(fields: "id") { id: ID! meters: [Meter!]! energyCost: Float! }
type Building @key(fields: "id", resolvable: false) { id: ID! }
type Meter @key(fields: "id") { id: ID! serial: String! kind: String! unit: String! lastReading: Float! readings(last: Int! = 3): [Reading!]! building: Building! }
type Reading { at: String! value: Float! }`,
    resolvers: {
      Query: { meter: (_, { id }) => meterOf(id) },
      Meter: { readings: (meter, { last }) => (meter as Meter).readings.slice(0, last as number) },
    },
    references: { Company: companyOf, Meter: meterOf },
  },
];

const LINK =
  'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable", "@external", "@requires", "@provides"])\n';

export interface BenchSubgraph {
  readonly name: string;
  readonly sdl: string;
  readonly schema: GraphQLSchema;
}

/** Builds the five subgraphs. */
export const benchSubgraphs = (): BenchSubgraph[] =>
  parts.map(({ name, sdl, resolvers, references }) => ({
    name,
    sdl: LINK + sdl,
    schema: buildSubgraph(sdl, resolvers, references),
  }));

export const QUERIES = {
  Q1: 'query Q1($id: ID!) { company(id: $id) { id name taxCode status } }',
  Q2: `query Q2($id: ID!) {
  company(id: $id) {
    id name taxCode status capital
    legalRep { id fullName badge { number level } }
    building { id name occupancy gates { name state } }
    vehicles { id plate model spot driver { id fullName } }
    taxStatus taxDebt filings(last: 4) { period amount status }
    energyCost meters { id serial kind lastReading readings(last: 2) { at value } building { id name } }
  }
}`,
  Q3: `query Q3($first: Int!, $offset: Int) {
  companies(first: $first, offset: $offset) {
    id name taxCode
    building { id name }
    vehicles { id plate model driver { id fullName } }
    taxStatus filings(last: 2) { period amount }
    meters { id serial kind lastReading readings(last: 2) { at value } building { id name } }
  }
}`,
} as const;
export type QueryName = keyof typeof QUERIES;
export const QUERY_NAMES = Object.keys(QUERIES) as QueryName[];

/** Request bodies, many for each operation, so that no cache of whole responses is measured. */
export const BODIES: Readonly<Record<QueryName, readonly string[]>> = {
  Q1: times(100, (i) => JSON.stringify({ query: QUERIES.Q1, variables: { id: `c${i}` } })),
  Q2: times(100, (i) => JSON.stringify({ query: QUERIES.Q2, variables: { id: `c${i}` } })),
  Q3: times(20, (i) => JSON.stringify({ query: QUERIES.Q3, variables: { first: 50, offset: i * 5 } })),
};
