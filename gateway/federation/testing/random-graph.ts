/**
 * Resolvers of a graph with all features of Federation, for `random-split.ts`. The planner finds no plan from an interface object to a field that
 * only one type of the interface has, so `Media` has all fields of its types.
 */
import type { Resolvers } from './fake-subgraph.ts';

export type Thing = Readonly<Record<string, unknown>> & { readonly __typename: string; readonly id: string };

/** A number from 0 to 999 that depends on the text only. */
export function hashOf(text: string): number {
  let sum = 7;
  for (const letter of text) sum = (sum * 31 + letter.charCodeAt(0)) >>> 0;
  return sum % 1000;
}

export const thing = (__typename: string, id: unknown): Thing => ({ __typename, id: String(id) });
export const badge = (org: string, no: number) => ({ __typename: 'Badge', id: `${org}-${no}`, org: { code: org }, no });
const near = (id: string, step: number): string => String(((hashOf(id) + step) % 5) + 1);
const maybe = <T>(mark: string, value: T): T | null => (hashOf(mark) % 7 === 0 ? null : value);
const some = (id: string, count: number, of: (id: string) => unknown): unknown[] =>
  Array.from({ length: count }, (_, i) => of(near(id, i)));
const animal = (id: string): Thing => thing(hashOf(`animal${id}`) % 2 ? 'Dog' : 'Cat', id);
export const medium = (id: string): Thing => thing(Number(id) % 2 ? 'Book' : 'Film', id);
const found = (id: string): Thing => [thing('User', id), thing('Post', id), medium(id)][Number(id) % 3] as Thing;

const media = {
  title: (source: Thing) => `${source.__typename} ${source.id}`,
  author: (source: Thing) => maybe(`author${source.id}`, thing('User', near(source.id, 2))),
  stock: (source: Thing) => hashOf(`stock${source.id}`),
  shelf: (source: Thing) => ({ code: `S${source.id}`, size: { x: Number(source.id), y: 2 } }),
};

/** Resolvers of all types, as a single server has them. Mutations count in `ticks`. */
export function allResolvers(ticks: { count: number }): Resolvers {
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
      name: (source) => `user ${source.id}`,
      nick: (source, { upper }) => maybe(`nick${source.id}`, upper ? `NICK ${source.id}` : `nick ${source.id}`),
      kind: (source) => ['GOOD', 'BAD', 'ODD'][Number(source.id) % 3],
      friends: (source, { first }) => some(source.id, first ?? 2, (id) => thing('User', id)),
      best: (source) => maybe(`best${source.id}`, thing('User', near(source.id, 3))),
      pet: (source) => maybe(`pet${source.id}`, animal(near(source.id, 1))),
      pets: (source) => some(source.id, 2, animal),
      address: (source) => ({
        street: `street ${source.id}`,
        city: `city ${Number(source.id) % 2}`,
        shelf: media.shelf(source),
      }),
      posts: (source, { kind }) => some(`${source.id}${kind ?? ''}`, 2, (id) => thing('Post', id)),
      score: (source) => maybe(`score${source.id}`, hashOf(`score${source.id}`)),
      level: (source, { of }) => hashOf(`level${source.id}${of ?? ''}`),
      badge: (source) => maybe(`badge${source.id}`, badge(`o${Number(source.id) % 2}`, Number(source.id))),
      greeting: (source, { word }) => `${word ?? 'hi'} ${source.name ?? `user ${source.id}`}`,
      risk: (source) => {
        const score = 'score' in source ? source.score : maybe(`score${source.id}`, hashOf(`score${source.id}`));
        const level = source.level ?? hashOf(`level${source.id}7`);
        return (score ?? 0) / 2 + level;
      },
      reach: (source) =>
        (source.friends ?? some(source.id, 3, (id) => thing('User', id))).map((friend: Thing) => friend.id).join('+'),
      shown: (source) => maybe(`shown${source.id}`, medium(source.id)),
      pal: (source) => maybe(`pal${source.id}`, thing('User', near(source.id, 2))),
    },
    Post: {
      slug: (source) => `p-${source.id}`,
      title: (source) => maybe(`title${source.id}`, `post ${source.id}`),
      author: (source) => thing('User', near(source.id, 4)),
      tags: (source) => [[`t${source.id}`, 'x'], [], maybe(`tags${source.id}`, ['y'])],
      comments: (source) => some(source.id, 2, (id) => thing('Comment', `${source.id}${id}`)),
      likes: (source) => hashOf(`likes${source.id}`),
      related: (source) => [some(source.id, 2, found), [], some(source.id, 1, found)],
    },
    Comment: {
      text: (source) => `comment ${source.id}`,
      author: (source) => thing('User', near(source.id, 1)),
      on: (source) => maybe(`on${source.id}`, found(near(source.id, 2))),
    },
    Badge: {
      label: (source) => `badge ${source.id}`,
      owner: (source) => thing('User', source.no),
      color: (source) => maybe(`color${source.id}`, `c${hashOf(source.id)}`),
    },
    Dog: {
      name: (source) => `dog ${source.id}`,
      age: (source) => Number(source.id),
      barks: (source) => Number(source.id) % 2 === 0,
      vet: (source) => thing('User', near(source.id, 1)),
    },
    Cat: {
      name: (source) => `cat ${source.id}`,
      age: (source) => maybe(`age${source.id}`, Number(source.id)),
      lives: () => 9,
      vet: (source) => maybe(`vet${source.id}`, thing('User', near(source.id, 2))),
    },
    Book: { ...media, pages: (source) => 100 + Number(source.id) },
    Film: { ...media, pages: (source) => maybe(`pages${source.id}`, Number(source.id)) },
  };
}

/** Aliases for random operations; many are fields that the planner needs. */
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
