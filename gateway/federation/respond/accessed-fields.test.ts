import { expect, test } from 'vitest';
import { hubCall } from '../../../connectors/kit/host/services.ts';
import { partsOf } from '../../../tests/federate.ts';
import { type Answer, createFederation, type Touch, type Watch } from '../index.ts';
import { fake } from '../testing/fake-subgraph.ts';

const hub = () =>
  fake(
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
const islands = () =>
  fake(
    'islands',
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

const guarded = ['Company.tax', 'Company.cars', 'Mutation.file', 'Mutation.close', 'Query.events', 'Query.car'];
const watch: Watch = {
  watched: ({ type, field, returns }) => guarded.includes(`${type}.${field}`) || type === 'Car' || returns === 'Car',
  subjects: new Map([
    ['Company', 'code'],
    ['Car', 'id'],
  ]),
  owner: { type: 'Company', scalar: 'USCC' },
};

async function touched(query: string, refuse: readonly string[] = [], variables: Record<string, unknown> = {}) {
  const subgraphs = [hub(), islands()];
  const parts = partsOf(subgraphs);
  const answers = [];
  const counts = [];
  for (const federation of [createFederation(parts), createFederation({ ...parts, watch })]) {
    const before = subgraphs.reduce((sum, one) => sum + one.requests.length, 0);
    const compiled = federation.compile(
      { query },
      {
        refused: ({ type, field }) =>
          refuse.includes(`${type}.${field}`) ? { code: 'FORBIDDEN', message: 'no' } : null,
      },
    );
    if ('errors' in compiled) throw new Error(compiled.errors[0]?.message);
    const call = hubCall(2_000, new AbortController().signal);
    answers.push((await federation.execute(compiled, { variables, call })) as Answer);
    counts.push(subgraphs.reduce((sum, one) => sum + one.requests.length, 0) - before);
  }
  const [plain, watching] = answers;
  // The client sees no difference.
  expect(watching?.text()).toBe(plain?.text());
  const shown = (touch: Touch | null | undefined) =>
    touch && {
      fields: [...touch.fields].sort(),
      subjects: Object.fromEntries([...touch.subjects].map(([type, ids]) => [type, [...ids].sort()])),
    };
  const { touched: found } = watching ?? {};
  return { shown: shown(found?.shown), masked: shown(found?.masked), refused: shown(found?.refused), counts };
}

test('what is not protected is not accounted for', async () => {
  expect(await touched('{ companies { code name } }')).toMatchObject({ shown: undefined, counts: [1, 1] });
});

test('protected fields are told with the company that they are of, selected or not, at no further fetch', async () => {
  expect(await touched('{ companies { name tax { standing } } }')).toEqual({
    shown: { fields: ['Company.tax', 'Tax.standing'], subjects: { Company: ['A'] } },
    masked: null,
    refused: null,
    counts: [2, 2],
  });
});

test('an alias cannot put another value in the place of a key, and what is null was not shown', async () => {
  const query = '{ companies { isthmusKey0_code: name tax { isthmusKey0_: standing isthmusKey1_x: standing } } }';
  expect((await touched(query)).shown?.subjects).toEqual({ Company: ['A'] });
  expect((await touched('{ company(code: "A") { cars { session } } }')).shown).toEqual({
    fields: ['Company.cars'],
    subjects: { Company: ['A'] },
  });
});

test('masked and readable values are told apart, each with its subjects', async () => {
  expect(await touched('{ company(code: "A") { cars { p: plate colour } } }')).toEqual({
    shown: { fields: ['Car.colour', 'Car.plate', 'Company.cars'], subjects: { Company: ['A'], Car: ['c1', 'c2'] } },
    masked: { fields: ['Car.plate'], subjects: { Company: ['A'], Car: ['c1'] } },
    refused: null,
    counts: [2, 2],
  });
});

test('an entity that is reached by itself tells for whom it stands', async () => {
  expect((await touched('{ car(id: "c2") { plate } }')).shown).toEqual({
    fields: ['Car.plate'],
    subjects: { Car: ['c2'], Company: ['A'] },
  });
});

test('events of an interface: the company of each, and events of nobody', async () => {
  const { shown } = await touched('{ events { id ... on Entered { car { colour } } ... on Counted { places } } }');
  expect(shown).toEqual({
    fields: ['Car.colour', 'Counted.id', 'Counted.places', 'Entered.id'],
    subjects: { Company: ['B'], Car: ['c1'] },
  });
});

test('a refused field is told with the company, and a refused root field by its arguments', async () => {
  expect(await touched('{ company(code: "A") { tax { standing } } }', ['Company.tax'])).toMatchObject({
    shown: null,
    refused: { fields: ['Company.tax'], subjects: { Company: ['A'] } },
    counts: [1, 1],
  });
  const query =
    'mutation ($code: USCC!) { ...M } fragment M on Mutation { f: file(input: { code: $code }) { receipt } }';
  expect(await touched(query, ['Mutation.file'], { code: 'B' })).toMatchObject({
    shown: null,
    refused: { fields: ['Mutation.file'], subjects: { Company: ['B'] } },
    counts: [0, 0],
  });
});

test('a mutation is told by its arguments, and by the company of what it answers', async () => {
  expect((await touched('mutation { file(input: { code: "A" }) { receipt } }')).shown).toEqual({
    fields: ['Mutation.file'],
    subjects: { Company: ['A'] },
  });
  expect((await touched('mutation { close(file: "f1") { receipt } }')).shown).toEqual({
    fields: ['Mutation.close'],
    subjects: { Company: ['B'] },
  });
});
