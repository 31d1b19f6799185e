import { expect, test } from 'vitest';
import { hubCall } from '../../../connectors/kit/host/services.ts';
import { federationOptions } from '../../../tests/test-federation.ts';
import { createFederation, type FederatedResponse, type FieldAccess, type ProtectedFields } from '../index.ts';
import { fakeSubgraph } from '../testing/fake-subgraph.ts';

const hub = () =>
  fakeSubgraph(
    'hub',
    `scalar USCC
     type Query { company(code: USCC!): Company companies: [Company!] events: [Event!] }
     type Mutation { file(input: FileInput!): FilePayload close(file: ID!): FilePayload }
     input FileInput { code: USCC! note: String }
     type FilePayload { receipt: String file: File }
     type File { id: ID! company: Company }
     interface Event { id: ID! company: Company }
     type Entered implements Event { id: ID! company: Company car: Car }
     type Counted implements Event { id: ID! company: Company places: Int }
     type Company @key(fields: "code") { code: USCC! name: String }
     type Car @key(fields: "id", resolvable: false) { id: ID! }`,
    {
      Query: {
        company: (_, { code }) => ({ code, name: `Company ${code}` }),
        companies: () => [
          { code: 'A', name: 'Alpha' },
          { code: 'B', name: 'Beta' },
        ],
        events: () => [
          { __typename: 'Entered', id: 'e1', company: { code: 'B' }, car: { id: 'c1' } },
          { __typename: 'Counted', id: 'e2', company: null, places: 3 },
        ],
      },
      Mutation: {
        file: () => ({ receipt: 'r1', file: { id: 'f1', company: { code: 'A' } } }),
        close: () => ({ receipt: null, file: { id: 'f1', company: { code: 'B' } } }),
      },
    },
    { Company: ({ code }) => ({ code, name: `Company ${code}` }) },
  );
const sources = () =>
  fakeSubgraph(
    'sources',
    `scalar USCC
     type Query { car(id: ID!): Car }
     type Company @key(fields: "code") { code: USCC! tax: Tax cars: [Car!] }
     type Tax { standing: String }
     type Car @key(fields: "id") { id: ID! plate: String plateMasked: String colour: String session: String company: Company }`,
    { Query: { car: (_, { id }) => car(id) } },
    {
      Company: ({ code }) => ({ code, tax: code === 'B' ? null : { standing: 'GOOD' }, cars: [car('c1'), car('c2')] }),
      Car: ({ id }) => car(id),
    },
  );
const car = (id: string) => ({
  id,
  plate: id === 'c1' ? null : '京A12345',
  plateMasked: '京A·**345',
  colour: 'BLUE',
  company: { code: 'A' },
});

const protectedCoordinates = [
  'Company.tax',
  'Company.cars',
  'Mutation.file',
  'Mutation.close',
  'Query.events',
  'Query.car',
];
const protectedFields: ProtectedFields = {
  isProtected: ({ type, field, returns }) =>
    protectedCoordinates.includes(`${type}.${field}`) || type === 'Car' || returns === 'Car',
  subjects: new Map([
    ['Company', 'code'],
    ['Car', 'id'],
  ]),
  owner: { type: 'Company', scalar: 'USCC' },
};

async function accessedFields(query: string, denied: readonly string[] = [], variables: Record<string, unknown> = {}) {
  const subgraphs = [hub(), sources()];
  const parts = federationOptions(subgraphs);
  const answers = [];
  const counts = [];
  for (const federation of [createFederation(parts), createFederation({ ...parts, protectedFields })]) {
    const before = subgraphs.reduce((sum, subgraph) => sum + subgraph.requests.length, 0);
    const compiled = federation.compile(
      { query },
      {
        checkAccess: ({ type, field }) =>
          denied.includes(`${type}.${field}`) ? { code: 'FORBIDDEN', message: 'no' } : null,
      },
    );
    if ('errors' in compiled) throw new Error(compiled.errors[0]?.message);
    const call = hubCall(2_000, new AbortController().signal);
    answers.push((await federation.execute(compiled, { variables, call })) as FederatedResponse);
    counts.push(subgraphs.reduce((sum, subgraph) => sum + subgraph.requests.length, 0) - before);
  }
  const [plain, watching] = answers;
  // The client sees no difference.
  expect(watching?.json()).toBe(plain?.json());
  const plainObject = (access: FieldAccess | null | undefined) =>
    access && {
      fields: [...access.fields].sort(),
      subjects: Object.fromEntries([...access.subjects].map(([type, ids]) => [type, [...ids].sort()])),
    };
  const { accessedFields: found } = watching ?? {};
  return {
    visible: plainObject(found?.visible),
    masked: plainObject(found?.masked),
    denied: plainObject(found?.denied),
    counts,
  };
}

test('accessed fields: reports nothing for unprotected fields', async () => {
  expect(await accessedFields('{ companies { code name } }')).toMatchObject({ visible: undefined, counts: [1, 1] });
});

test('accessed fields: reports protected fields with their company, selected or not, without a further fetch', async () => {
  expect(await accessedFields('{ companies { name tax { standing } } }')).toEqual({
    visible: { fields: ['Company.tax', 'Tax.standing'], subjects: { Company: ['A'] } },
    masked: null,
    denied: null,
    counts: [2, 2],
  });
});

test('accessed fields: an alias cannot replace the value of a hidden key, and null values are not reported', async () => {
  const query = '{ companies { isthmusKey0_code: name tax { isthmusKey0_: standing isthmusKey1_x: standing } } }';
  expect((await accessedFields(query)).visible?.subjects).toEqual({ Company: ['A'] });
  expect((await accessedFields('{ company(code: "A") { cars { session } } }')).visible).toEqual({
    fields: ['Company.cars'],
    subjects: { Company: ['A'] },
  });
});

test('accessed fields: distinguishes masked and readable values, each with its subjects', async () => {
  expect(await accessedFields('{ company(code: "A") { cars { p: plate colour } } }')).toEqual({
    visible: { fields: ['Car.colour', 'Car.plate', 'Company.cars'], subjects: { Company: ['A'], Car: ['c1', 'c2'] } },
    masked: { fields: ['Car.plate'], subjects: { Company: ['A'], Car: ['c1'] } },
    denied: null,
    counts: [2, 2],
  });
});

test('accessed fields: finds the owner of an entity that is selected at the root', async () => {
  expect((await accessedFields('{ car(id: "c2") { plate } }')).visible).toEqual({
    fields: ['Car.plate'],
    subjects: { Car: ['c2'], Company: ['A'] },
  });
});

test('accessed fields: reports events of an interface with the company of each, and events without a company', async () => {
  const { visible } = await accessedFields(
    '{ events { id ... on Entered { car { colour } } ... on Counted { places } } }',
  );
  expect(visible).toEqual({
    fields: ['Car.colour', 'Counted.id', 'Counted.places', 'Entered.id'],
    subjects: { Company: ['B'], Car: ['c1'] },
  });
});

test('accessed fields: reports a denied field with its company, and a denied root field by its arguments', async () => {
  expect(await accessedFields('{ company(code: "A") { tax { standing } } }', ['Company.tax'])).toMatchObject({
    visible: null,
    denied: { fields: ['Company.tax'], subjects: { Company: ['A'] } },
    counts: [1, 1],
  });
  const query =
    'mutation ($code: USCC!) { ...M } fragment M on Mutation { f: file(input: { code: $code }) { receipt } }';
  expect(await accessedFields(query, ['Mutation.file'], { code: 'B' })).toMatchObject({
    visible: null,
    denied: { fields: ['Mutation.file'], subjects: { Company: ['B'] } },
    counts: [0, 0],
  });
});

test('accessed fields: reports a mutation by its arguments and by the company of its payload', async () => {
  expect((await accessedFields('mutation { file(input: { code: "A" }) { receipt } }')).visible).toEqual({
    fields: ['Mutation.file'],
    subjects: { Company: ['A'] },
  });
  expect((await accessedFields('mutation { close(file: "f1") { receipt } }')).visible).toEqual({
    fields: ['Mutation.close'],
    subjects: { Company: ['B'] },
  });
});
