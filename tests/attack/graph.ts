/** The graph for hostile documents: two subgraphs that share a type, so that operations need planning. */
import type { Resolvers } from '../../gateway/federation/testing/fake-subgraph.ts';
import { compose } from '../../schema/compose.ts';

const LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])\n';
/** Field names similar to the unknown fields, to make suggestions expensive. */
const NAMES = Array.from({ length: 200 }, (_, i) => `fieldOfAlpha${String(i).padStart(3, '0')}: Int`).join('\n');

export const NEAR = `
  type Query {
    a: String
    b(x: Int): Int
    l(x: [Int!], s: String, o: In, d: Any, ids: [ID!]): Int
    t: T
    n: N
    u: U
    ${NAMES}
  }
  interface N { i: ID! n: N }
  type T implements N @key(fields: "i") { i: ID! s: String t: T r: T b(x: Int): Int n: N }
  type V implements N { i: ID! v: Int n: N }
  scalar Any
  union U = T | V
  input In { o: In s: String m: [In!] }
  type Mutation { m(x: Int, s: String): String }
`;
export const FAR = 'type T @key(fields: "i") { i: ID! far: Int }';

/** Every object is the same, so responses stay small. */
export const RESOLVERS: Resolvers = {
  Query: { a: () => 'a', b: () => 1, l: () => 2, t: () => THING, n: () => THING, u: () => THING },
  T: { t: () => THING, r: () => THING, n: () => THING, b: () => 3 },
  Mutation: { m: () => 'm' },
};
const THING = { __typename: 'T', i: '1', s: 's' };

export const supergraph = (near: string, far: string): string =>
  compose([
    { name: 'near', sdl: LINK + NEAR, url: near },
    { name: 'far', sdl: LINK + FAR, url: far },
  ]).supergraph;
