/**
 * A graph over four subgraphs with every shape of Federation that matters, and the same graph as one schema. The planner
 * finds no way from an interface object to a field that only one type of the interface has, so `Media` has them all.
 */
import { fake, plainSchema, type References, type Resolvers } from './fake-subgraph.ts';

type Thing = Readonly<Record<string, unknown>> & { readonly __typename: string; readonly id: string };

/** A number that depends on nothing but the text. */
export function numberOf(text: string): number {
  let sum = 7;
  for (const letter of text) sum = (sum * 31 + letter.charCodeAt(0)) >>> 0;
  return sum % 1000;
}

const thing = (__typename: string, id: unknown): Thing => ({ __typename, id: String(id) });
const badge = (org: string, no: number) => ({ __typename: 'Badge', id: `${org}-${no}`, org: { code: org }, no });
const near = (id: string, step: number): string => String(((numberOf(id) + step) % 5) + 1);
const maybe = <T>(mark: string, value: T): T | null => (numberOf(mark) % 7 === 0 ? null : value);
const some = (id: string, count: number, of: (id: string) => unknown): unknown[] =>
  Array.from({ length: count }, (_, i) => of(near(id, i)));
const animal = (id: string): Thing => thing(numberOf(`animal${id}`) % 2 ? 'Dog' : 'Cat', id);
const medium = (id: string): Thing => thing(Number(id) % 2 ? 'Book' : 'Film', id);
const found = (id: string): Thing => [thing('User', id), thing('Post', id), medium(id)][Number(id) % 3] as Thing;

const media = {
  title: (it: Thing) => `${it.__typename} ${it.id}`,
  author: (it: Thing) => maybe(`author${it.id}`, thing('User', near(it.id, 2))),
  stock: (it: Thing) => numberOf(`stock${it.id}`),
  shelf: (it: Thing) => ({ code: `S${it.id}`, size: { x: Number(it.id), y: 2 } }),
};

/** Resolvers of everything, as one server would have them. `ticks` counts what mutations did. */
export function everything(ticks: { count: number }): Resolvers {
  const tick = (name: string) => (_: unknown, args: { by?: number }) => {
    ticks.count += args.by ?? 1;
    return `${name} ${ticks.count}`;
  };
  return {
    Query: {
      user: (_, { id }) => (Number(id) > 5 ? null : thing('User', id)),
      users: (_, { first }) => some('1', first ?? 3, (id) => thing('User', id)),
      search: (_, { text }) => some(text, 4, found),
      node: (_, { id }) => found(id),
      shelf: () => ({ code: 'root', size: { x: 1, y: 2 } }),
      media: () => some('3', 4, medium),
      badges: () => some('2', 3, (id) => badge(`o${Number(id) % 2}`, Number(id))),
      comments: () => some('5', 2, (id) => thing('Comment', id)),
      featured: () => thing('Post', 3),
      stocked: () => some('4', 2, medium),
    },
    Mutation: {
      tickA: tick('a'),
      tickB: tick('b'),
      touch: (_, { id }) => thing('User', id),
      poke: (_, { id }) => thing('User', id),
    },
    User: {
      name: (it) => `user ${it.id}`,
      nick: (it, { upper }) => maybe(`nick${it.id}`, upper ? `NICK ${it.id}` : `nick ${it.id}`),
      kind: (it) => ['GOOD', 'BAD', 'ODD'][Number(it.id) % 3],
      friends: (it, { first }) => some(it.id, first ?? 2, (id) => thing('User', id)),
      best: (it) => maybe(`best${it.id}`, thing('User', near(it.id, 3))),
      pet: (it) => maybe(`pet${it.id}`, animal(near(it.id, 1))),
      pets: (it) => some(it.id, 2, animal),
      address: (it) => ({ street: `street ${it.id}`, city: `city ${Number(it.id) % 2}`, shelf: media.shelf(it) }),
      posts: (it, { kind }) => some(`${it.id}${kind ?? ''}`, 2, (id) => thing('Post', id)),
      score: (it) => maybe(`score${it.id}`, numberOf(`score${it.id}`)),
      level: (it, { of }) => numberOf(`level${it.id}${of ?? ''}`),
      badge: (it) => maybe(`badge${it.id}`, badge(`o${Number(it.id) % 2}`, Number(it.id))),
      greeting: (it, { word }) => `${word ?? 'hi'} ${it.name ?? `user ${it.id}`}`,
      risk: (it) => {
        const score = 'score' in it ? it.score : maybe(`score${it.id}`, numberOf(`score${it.id}`));
        const level = it.level ?? numberOf(`level${it.id}7`);
        return (score ?? 0) / 2 + level;
      },
      reach: (it) => (it.friends ?? some(it.id, 3, (id) => thing('User', id))).map((one: Thing) => one.id).join('+'),
      shown: (it) => maybe(`shown${it.id}`, medium(it.id)),
      pal: (it) => maybe(`pal${it.id}`, thing('User', near(it.id, 2))),
    },
    Post: {
      slug: (it) => `p-${it.id}`,
      title: (it) => maybe(`title${it.id}`, `post ${it.id}`),
      author: (it) => thing('User', near(it.id, 4)),
      tags: (it) => [[`t${it.id}`, 'x'], [], maybe(`tags${it.id}`, ['y'])],
      comments: (it) => some(it.id, 2, (id) => thing('Comment', `${it.id}${id}`)),
      likes: (it) => numberOf(`likes${it.id}`),
      related: (it) => [some(it.id, 2, found), [], some(it.id, 1, found)],
    },
    Comment: {
      text: (it) => `comment ${it.id}`,
      author: (it) => thing('User', near(it.id, 1)),
      on: (it) => maybe(`on${it.id}`, found(near(it.id, 2))),
    },
    Badge: {
      label: (it) => `badge ${it.id}`,
      owner: (it) => thing('User', it.no),
      color: (it) => maybe(`color${it.id}`, `c${numberOf(it.id)}`),
    },
    Dog: {
      name: (it) => `dog ${it.id}`,
      age: (it) => Number(it.id),
      barks: (it) => Number(it.id) % 2 === 0,
      vet: (it) => thing('User', near(it.id, 1)),
    },
    Cat: {
      name: (it) => `cat ${it.id}`,
      age: (it) => maybe(`age${it.id}`, Number(it.id)),
      lives: () => 9,
      vet: (it) => maybe(`vet${it.id}`, thing('User', near(it.id, 2))),
    },
    Book: { ...media, pages: (it) => 100 + Number(it.id) },
    Film: { ...media, pages: (it) => maybe(`pages${it.id}`, Number(it.id)) },
  };
}

/** Where each movable field of the graph stands, and which fields promise a value that is not always there. */
export interface Split {
  /** Subgraph by `Type.field`; the first of its places where absent. */
  readonly at: Readonly<Record<string, string>>;
  /** `Type.field` of fields that are non-null here. */
  readonly firm: ReadonlySet<string>;
}
export const PLAIN: Split = { at: {}, firm: new Set() };

/**
 * Fields that may stand in any of these subgraphs. Keys, and what is required, provided or overridden, stay where they are; the
 * planner finds no way from a user in `c` to what its users there require of others, so `best` and `owner` never are.
 */
const MOVABLE: Readonly<Record<string, { readonly text: string; readonly places: string }>> = {
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
const SOMETIMES = ['User.nick', 'User.best', 'User.badge', 'Badge.color', 'Cat.vet', 'Post.title'];

/** A random split. */
export function randomSplit(next: () => number): Split {
  const at = Object.entries(MOVABLE).map(([name, { places }]) => [name, places[Math.floor(next() * places.length)]]);
  return { at: Object.fromEntries(at), firm: new Set(SOMETIMES.filter(() => next() < 0.35)) };
}

const SHARED = `
  enum Kind { GOOD BAD ODD }
  type Shelf @shareable { code: String! size: Size }
  type Size @shareable { x: Int! y: Int }
`;
const USER = 'id: ID!';

/** The subgraphs' texts, and the whole graph as clients see it. */
function textsOf({ at, firm }: Split): Record<'a' | 'b' | 'c' | 'd' | 'whole', string> {
  const text = (name: string): string => `${MOVABLE[name]?.text}${firm.has(name) ? '!' : ''}`;
  const all = (type: string, place?: string): string =>
    Object.entries(MOVABLE)
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

/** The whole graph's text. */
export const wholeSdl = textsOf(PLAIN).whole;
export const wholeSchema = plainSchema(wholeSdl);
/** The whole graph of a split: what is non-null differs. */
export const wholeOf = (split: Split) => plainSchema(textsOf(split).whole);

/** Names to choose aliases from: many are fields that the planner needs itself. */
export const ALIASES = [
  'id',
  'name',
  'score',
  'level',
  'slug',
  'org',
  'no',
  'friends',
  'a',
  'b',
  'then',
  '__proto__',
  'constructor',
  '_e0',
];

const same = (one: Thing) => one;
const post = (one: { id?: string; slug?: string }) => thing('Post', one.id ?? (one.slug ?? '').slice(2));
const ofBadge = (one: { org: { code: string }; no: number }) => badge(one.org.code, one.no);

/** The four subgraphs over the same resolvers. */
export function subgraphsOf(resolvers: Resolvers, split: Split = PLAIN) {
  const texts = textsOf(split);
  const references = (...names: string[]): References => {
    const all: Record<string, References[string]> = { Post: post, Badge: ofBadge };
    return Object.fromEntries(names.map((name) => [name, all[name] ?? same]));
  };
  const stocked = resolvers['Query']?.['stocked'];
  // An interface object does not know what it is.
  const veiled: Resolvers = {
    ...resolvers,
    Query: {
      ...resolvers['Query'],
      stocked: () => (stocked?.({}, {}) as Thing[] | undefined)?.map(({ id }) => ({ __typename: 'Media', id })),
    },
    Media: { ...resolvers['Book'] },
  };
  return [
    fake('a', texts.a, resolvers, references('User', 'Dog', 'Cat', 'Post', 'Book', 'Film')),
    fake('b', texts.b, resolvers, references('User', 'Post', 'Badge', 'Dog', 'Cat', 'Book', 'Film')),
    fake('c', texts.c, veiled, references('User', 'Badge', 'Media')),
    fake('d', texts.d, resolvers, { ...references('User', 'Book', 'Film'), Media: (one: Thing) => medium(one.id) }),
  ];
}
