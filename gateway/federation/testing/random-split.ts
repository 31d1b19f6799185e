/** The random graph composed from four subgraphs, with its movable fields distributed at random, and as one schema. */
import { fakeSubgraph, plainSchema, type References, type Resolvers } from './fake-subgraph.ts';
import { badge, medium, type Thing, thing } from './random-graph.ts';

/** How the movable fields are distributed, and which fields are non-null though their value is sometimes null. */
export interface Split {
  /** Subgraph by `Type.field`; default: the first of its subgraphs. */
  readonly places: Readonly<Record<string, string>>;
  /** `Type.field` of the non-null fields. */
  readonly nonNull: ReadonlySet<string>;
}
export const DEFAULT_SPLIT: Split = { places: {}, nonNull: new Set() };

/**
 * Fields and the subgraphs that may have them. Keys and required, provided or overridden fields are not movable. The planner finds no plan from a
 * user in `c` to the fields that users in `c` require of other subgraphs, so `best` and `owner` are never in `c`.
 */
const MOVABLE_FIELDS: Readonly<Record<string, { readonly text: string; readonly places: string }>> = {
  'User.nick': { text: 'nick(upper: Boolean = false): String', places: 'abcd' },
  'User.kind': { text: 'kind: Kind', places: 'abcd' },
  'User.friends': { text: 'friends(first: Int = 2): [User!]!', places: 'abd' },
  'User.best': { text: 'best: User', places: 'abd' },
  'User.posts': { text: 'posts(kind: Kind): [Post!]', places: 'ab' },
  'User.score': { text: 'score: Int', places: 'bad' },
  'User.level': { text: 'level(of: Int): Int!', places: 'bad' },
  'User.badge': { text: 'badge: Badge', places: 'bc' },
  'Post.title': { text: 'title: String', places: 'ab' },
  'Post.author': { text: 'author: User', places: 'ab' },
  'Post.tags': { text: 'tags: [[String!]]', places: 'ab' },
  'Post.related': { text: 'related: [[Found!]!]', places: 'ba' },
  'Badge.label': { text: 'label: String', places: 'bc' },
  'Badge.owner': { text: 'owner: User!', places: 'b' },
  'Badge.color': { text: 'color: String', places: 'cb' },
  'Dog.barks': { text: 'barks: Boolean', places: 'ab' },
  'Dog.vet': { text: 'vet: User!', places: 'ba' },
  'Cat.lives': { text: 'lives: Int!', places: 'ab' },
  'Cat.vet': { text: 'vet: User', places: 'ba' },
};
/** Nullable fields whose value is sometimes null. */
const SOMETIMES_NULL = ['User.nick', 'User.best', 'User.badge', 'Badge.color', 'Cat.vet', 'Post.title'];

/** A random split. */
export function randomSplit(next: () => number): Split {
  const at = Object.entries(MOVABLE_FIELDS).map(([name, { places }]) => [
    name,
    places[Math.floor(next() * places.length)],
  ]);
  return { places: Object.fromEntries(at), nonNull: new Set(SOMETIMES_NULL.filter(() => next() < 0.35)) };
}

const SHARED = `
  enum Kind { GOOD BAD ODD }
  type Shelf @shareable { code: String! size: Size }
  type Size @shareable { x: Int! y: Int }
`;
const USER = 'id: ID!';

/** The subgraphs' SDL, and the public schema of the whole graph. */
function sdlOf({ places: at, nonNull: firm }: Split): Record<'a' | 'b' | 'c' | 'd' | 'whole', string> {
  const text = (name: string): string => `${MOVABLE_FIELDS[name]?.text}${firm.has(name) ? '!' : ''}`;
  const all = (type: string, place?: string): string =>
    Object.entries(MOVABLE_FIELDS)
      .filter(([name, { places }]) => name.startsWith(`${type}.`) && (!place || (at[name] ?? places[0]) === place))
      .map(([name]) => text(name))
      .join(' ');
  return {
    a: `${SHARED}
  type Query { user(id: ID!): User users(first: Int): [User!]! search(text: String!): [Found] node(id: ID!): Node shelf: Shelf @shareable }
  type Mutation { tickA(by: Int = 2): String touch(id: ID!): User }
  interface Node { id: ID! }
  union Found = User | Post | Book | Film
  type User implements Node @key(fields: "id") { ${USER} name: String! pet: Animal pets: [Pet!] address: Address ${all('User', 'a')} }
  interface Pet { name: String age: Int }
  union Animal = Dog | Cat
  type Dog implements Pet @key(fields: "id") { id: ID! name: String age: Int ${all('Dog', 'a')} }
  type Cat implements Pet @key(fields: "id") { id: ID! name: String age: Int ${all('Cat', 'a')} }
  type Address { street: String city: String! shelf: Shelf }
  type Post implements Node @key(fields: "id") @key(fields: "slug") { id: ID! slug: String! likes: Int ${all('Post', 'a')} }
  type Book implements Node @key(fields: "id") { id: ID! }
  type Film implements Node @key(fields: "id") { id: ID! }
`,
    b: `${SHARED}
  type Query { badges: [Badge!] comments: [Comment!] shelf: Shelf @shareable }
  type Mutation { tickB(by: Int): String! poke(id: ID!): User }
  type User @key(fields: "id") { ${USER} name: String! @external ${all('User', 'b')} }
  type Post @key(fields: "slug") { slug: String! comments: [Comment!]! likes: Int @override(from: "a") ${all('Post', 'b')} }
  type Comment { text: String! author: User @provides(fields: "name") on: Found id: ID! }
  union Found = User | Post | Book | Film
  type Book @key(fields: "id") { id: ID! }
  type Film @key(fields: "id") { id: ID! }
  type Org { code: ID! @shareable }
  type Badge @key(fields: "org { code } no") { org: Org! no: Int! ${all('Badge', 'b')} }
  type Dog @key(fields: "id") { id: ID! ${all('Dog', 'b')} }
  type Cat @key(fields: "id") { id: ID! ${all('Cat', 'b')} }
`,
    c: `${SHARED}
  type Query { featured: Post shelf: Shelf @shareable stocked: [Media!] }
  type User @key(fields: "id") {
    ${USER} name: String! @external score: Int @external level(of: Int): Int! @external friends(first: Int = 2): [User!]! @external
    greeting(word: String): String @requires(fields: "name")
    risk: Float @requires(fields: "score level(of: 7)")
    reach: String @requires(fields: "friends(first: 3) { id }")
    pal: User
    ${all('User', 'c')}
  }
  type Post @key(fields: "id", resolvable: false) { id: ID! }
  type Org { code: ID! @shareable }
  type Badge @key(fields: "org { code } no") { org: Org! no: Int! ${all('Badge', 'c')} }
  type Media @key(fields: "id") @interfaceObject { id: ID! stock: Int! shelf: Shelf }
`,
    d: `${SHARED}
  type Query { media: [Media!]! shelf: Shelf @shareable }
  interface Media @key(fields: "id") { id: ID! title: String author: User pages: Int }
  type Book implements Media @key(fields: "id") { id: ID! title: String author: User pages: Int! }
  type Film implements Media @key(fields: "id") { id: ID! title: String author: User pages: Int }
  type User @key(fields: "id") { ${USER} shown: Media ${all('User', 'd')} }
`,
    whole: `${SHARED}
  type Query {
    user(id: ID!): User users(first: Int): [User!]! search(text: String!): [Found] node(id: ID!): Node shelf: Shelf
    badges: [Badge!] comments: [Comment!] featured: Post stocked: [Media!] media: [Media!]!
  }
  type Mutation { tickA(by: Int = 2): String touch(id: ID!): User tickB(by: Int): String! poke(id: ID!): User }
  interface Node { id: ID! }
  union Found = User | Post | Book | Film
  type User implements Node {
    ${USER} name: String! pet: Animal pets: [Pet!] address: Address greeting(word: String): String risk: Float reach: String shown: Media pal: User
    ${all('User')}
  }
  interface Pet { name: String age: Int }
  union Animal = Dog | Cat
  type Dog implements Pet { id: ID! name: String age: Int ${all('Dog')} }
  type Cat implements Pet { id: ID! name: String age: Int ${all('Cat')} }
  type Address { street: String city: String! shelf: Shelf }
  type Post implements Node { id: ID! slug: String! likes: Int comments: [Comment!]! ${all('Post')} }
  type Comment { text: String! author: User on: Found id: ID! }
  type Org { code: ID! }
  type Badge { org: Org! no: Int! ${all('Badge')} }
  interface Media { id: ID! title: String author: User stock: Int! shelf: Shelf pages: Int }
  type Book implements Node & Media { id: ID! title: String author: User stock: Int! shelf: Shelf pages: Int! }
  type Film implements Node & Media { id: ID! title: String author: User stock: Int! shelf: Shelf pages: Int }
`,
  };
}

/** SDL of the whole graph. */
export const wholeSdl = sdlOf(DEFAULT_SPLIT).whole;
export const wholeSchema = plainSchema(wholeSdl);
/** The whole graph of a split, with its non-null fields. */
export const wholeSchemaOf = (split: Split) => plainSchema(sdlOf(split).whole);

const same = (reference: Thing) => reference;
const post = (reference: { id?: string; slug?: string }) =>
  thing('Post', reference.id ?? (reference.slug ?? '').slice(2));
const ofBadge = (reference: { org: { code: string }; no: number }) => badge(reference.org.code, reference.no);

/** The four subgraphs with the same resolvers. */
export function subgraphsOf(resolvers: Resolvers, split: Split = DEFAULT_SPLIT) {
  const texts = sdlOf(split);
  const references = (...names: string[]): References => {
    const all: Record<string, References[string]> = { Post: post, Badge: ofBadge };
    return Object.fromEntries(names.map((name) => [name, all[name] ?? same]));
  };
  const stocked = resolvers['Query']?.['stocked'];
  // An interface object does not know its type.
  const withInterfaceObjects: Resolvers = {
    ...resolvers,
    Query: {
      ...resolvers['Query'],
      stocked: () => (stocked?.({}, {}) as Thing[] | undefined)?.map(({ id }) => ({ __typename: 'Media', id })),
    },
    Media: { ...resolvers['Book'] },
  };
  return [
    fakeSubgraph('a', texts.a, resolvers, references('User', 'Dog', 'Cat', 'Post', 'Book', 'Film')),
    fakeSubgraph('b', texts.b, resolvers, references('User', 'Post', 'Badge', 'Dog', 'Cat', 'Book', 'Film')),
    fakeSubgraph('c', texts.c, withInterfaceObjects, references('User', 'Badge', 'Media')),
    fakeSubgraph('d', texts.d, resolvers, {
      ...references('User', 'Book', 'Film'),
      Media: (reference: Thing) => medium(reference.id),
    }),
  ];
}
