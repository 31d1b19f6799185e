import { describe, expect, test } from 'vitest';
import type { Subgraph } from '../../connectors/kit/call.ts';
import { hubCall } from '../../connectors/kit/host/services.ts';
import { silentLog } from '../../connectors/kit/log.ts';
import { compose } from '../../schema/compose.ts';
import { createFederation, type FederatedResponse, type Federation, type FieldCoordinate } from './index.ts';
import { executeWhole, type FakeSubgraph, type Resolver, type Resolvers } from './testing/fake-subgraph.ts';
import { FEATURES, type Feature, featuresOf } from './testing/operation-features.ts';
import { ALIASES, allResolvers, hashOf } from './testing/random-graph.ts';
import { randomNumbers } from './testing/random-numbers.ts';
import { randomOperation } from './testing/random-operations.ts';
import {
  DEFAULT_SPLIT,
  randomSplit,
  type Split,
  subgraphsOf,
  wholeSchema,
  wholeSchemaOf,
} from './testing/random-split.ts';

/** ISTHMUS_SEED repeats a run; ISTHMUS_CASES makes it longer. */
const SEED = Number(process.env['ISTHMUS_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const CASES = Number(process.env['ISTHMUS_CASES'] ?? 800);
const TIME = 60_000 + 250 * CASES;

const composed = (split: Split): string =>
  compose(
    subgraphsOf(allResolvers({ count: 0 }), split).map(({ name, sdl }) => ({ name, sdl, url: `http://${name}.test` })),
  ).supergraph;
const plain = composed(DEFAULT_SPLIT);

/** Subgraphs that receive requests, and subgraphs whose resolvers are called directly. */
const MODES: readonly [string, (subgraph: FakeSubgraph) => Subgraph][] = [
  ['by request', (subgraph) => subgraph],
  ['in process', (subgraph) => ({ ...subgraph, ...subgraph.asInProcess })],
];

/** Operations executed on one random split. */
const OPERATIONS_PER_SPLIT = 40;
const setUp = (seed: number) => {
  const split = randomSplit(randomNumbers(seed));
  const supergraph = composed(split);
  const resolvers = { current: allResolvers({ count: 0 }) };
  const federations = MODES.map(([, change]) =>
    federate(subgraphsOf(changing(resolvers), split).map(change), supergraph),
  );
  return { schema: wholeSchemaOf(split), resolvers, federations };
};

/** Resolvers that can be replaced for the next operation. */
const changing = (resolvers: { current: Resolvers }): Resolvers =>
  Object.fromEntries(
    Object.entries(resolvers.current).map(([type, fields]) => [
      type,
      Object.fromEntries(
        Object.keys(fields).map((field): [string, Resolver] => [
          field,
          (source, args) => resolvers.current[type]?.[field]?.(source, args),
        ]),
      ),
    ]),
  );

const federate = (subgraphs: readonly Subgraph[], supergraph = plain): Federation =>
  createFederation({
    supergraph,
    subgraphs: new Map(subgraphs.map((subgraph) => [subgraph.name, subgraph])),
    log: silentLog,
  });

type Options = Parameters<Federation['compile']>[1];

async function respond(
  federation: Federation,
  query: string,
  variables: Record<string, unknown>,
  options: Options = {},
): Promise<FederatedResponse> {
  const compiled = federation.compile({ query }, options);
  if ('errors' in compiled) throw new Error(JSON.stringify(compiled.errors));
  const call = hubCall(5_000, new AbortController().signal);
  return JSON.parse(JSON.stringify(await federation.execute(compiled, { variables, call }))) as FederatedResponse;
}

type Path = readonly (string | number)[];

/** Path of the null that an error explains; null if there is a value. */
function placeOfNull(data: unknown, path: Path): string | null {
  let at = data;
  for (let i = 0; i <= path.length; i++) {
    if (at === null) return JSON.stringify(path.slice(0, i));
    if (i < path.length) at = (at as Record<string | number, unknown> | undefined)?.[path[i] as string];
  }
  return null;
}

const places = (response: { data: unknown; errors?: readonly { path?: Path | undefined }[] }): string[] =>
  [
    ...new Set((response.errors ?? []).map((error) => placeOfNull(response.data, error.path ?? []) ?? 'no null')),
  ].sort();

/** Paths of nulls in `received` that `expected` does not have. Throws if they differ otherwise. */
function missingPaths(expected: unknown, received: unknown, path: Path = []): Path[] {
  if (received === null && expected !== null) return [path];
  if (typeof expected !== 'object' || expected === null) {
    expect(received, JSON.stringify(path)).toEqual(expected);
    return [];
  }
  expect(Object.keys(received as object), JSON.stringify(path)).toEqual(Object.keys(expected));
  return Object.keys(expected).flatMap((key) =>
    missingPaths((expected as Record<string, unknown>)[key], (received as Record<string, unknown>)[key], [
      ...path,
      Array.isArray(expected) ? Number(key) : key,
    ]),
  );
}

/** The same resolvers, some of which throw for some objects. Keys and required fields never throw. */
function failing(seed: number, ticks: { count: number }): Resolvers {
  const resolvers = allResolvers(ticks);
  const needed = new Set(['name', 'score', 'level', 'slug', 'friends', 'author', 'risk', 'greeting', 'reach']);
  const wrap = (type: string, field: string, resolve: Resolver): Resolver =>
    needed.has(field) || type === 'Mutation' || hashOf(`${seed}${field}`) % 4 !== 0
      ? resolve
      : (source, args) => {
          const id = source?.id ?? '';
          if (hashOf(`${seed}${field}${id}`) % 2 === 0) throw new Error('rejected by the source');
          return resolve(source, args);
        };
  return Object.fromEntries(
    Object.entries(resolvers).map(([type, fields]) => [
      type,
      Object.fromEntries(Object.entries(fields).map(([field, resolve]) => [field, wrap(type, field, resolve)])),
    ]),
  );
}

describe(`random operations, ISTHMUS_SEED=${SEED}`, () => {
  const cases = (count: number) =>
    Array.from({ length: count }, (_, i) => {
      const { query, variables } = randomOperation(wholeSchema, randomNumbers(SEED + i), ALIASES);
      return {
        query,
        variables,
        mark: `ISTHMUS_SEED=${SEED + i}\n${query}\n${JSON.stringify(variables)}`,
        seed: SEED + i,
      };
    });

  test(
    `${CASES} over random splits have the data of a single server, and errors at the same nulls`,
    async () => {
      const counted = new Map<Feature, number>(FEATURES.map((feature) => [feature, 0]));
      let setup = setUp(SEED);
      for (let i = 0; i < CASES; i++) {
        const seed = SEED + i;
        if (i % OPERATIONS_PER_SPLIT === 0) setup = setUp(seed);
        const { query, variables } = randomOperation(setup.schema, randomNumbers(seed), ALIASES);
        const fails = i % 3 === 2;
        const [mode] = MODES[i % 2] as (typeof MODES)[number];
        const mark = `ISTHMUS_SEED=${seed - (i % OPERATIONS_PER_SPLIT)} and ${i % OPERATIONS_PER_SPLIT} on, ${mode}\n${query}\n${JSON.stringify(variables)}`;
        const createResolvers = () => (fails ? failing(seed, { count: 0 }) : allResolvers({ count: 0 }));
        const expected = await executeWhole(setup.schema, createResolvers(), query, variables);
        setup.resolvers.current = createResolvers();
        const received = await respond(setup.federations[i % 2] as Federation, query, variables);
        expect(JSON.stringify(received.data), mark).toEqual(JSON.stringify(expected.data));
        expect(places(received), mark).toEqual(places(expected));
        for (const feature of featuresOf(setup.schema, query, expected.errors))
          counted.set(feature, (counted.get(feature) ?? 0) + 1);
      }
      console.log(`ISTHMUS_SEED=${SEED}: ${[...counted].map(([name, count]) => `${name} ${count}`).join(', ')}`);
      // Every seed must pass: half of what the rarest feature has on average.
      for (const [name, count] of counted) expect(count, name).toBeGreaterThanOrEqual(Math.floor(CASES / 100));
    },
    TIME,
  );

  test(
    'denied fields are null like failed fields, with the access error',
    async () => {
      let denials = 0;
      for (const { query, variables, mark, seed } of cases(CASES / 8)) {
        const isDenied = (type: string, field: string) => hashOf(`${seed}${type}${field}`) % 6 === 0;
        const resolvers = allResolvers({ count: 0 });
        const throwing = Object.fromEntries(
          wholeTypes().map(({ type, fields }) => [
            type,
            {
              ...resolvers[type],
              ...Object.fromEntries(
                fields
                  .filter(
                    (field) => isDenied(type, field) || interfacesOf(type, field).some((face) => isDenied(face, field)),
                  )
                  .map((field) => [
                    field,
                    () => {
                      throw new Error('denied');
                    },
                  ]),
              ),
            },
          ]),
        );
        const expected = await executeWhole(wholeSchema, throwing, query, variables);
        const checkAccess = ({ type, field }: FieldCoordinate) =>
          isDenied(type, field) ? { code: 'FORBIDDEN', message: 'no' } : null;
        const received = await respond(federate(subgraphsOf(allResolvers({ count: 0 }))), query, variables, {
          checkAccess,
          accessKey: String(seed),
        });
        expect(JSON.stringify(received.data), mark).toEqual(JSON.stringify(expected.data));
        expect(places(received), mark).toEqual(places(expected));
        for (const error of received.errors ?? [])
          expect(error, mark).toMatchObject({ extensions: { code: 'FORBIDDEN' } });
        if (received.errors) denials++;
      }
      expect(denials).toBeGreaterThan(CASES / 100);
    },
    TIME,
  );

  test(
    'without one subgraph the remaining data is correct, and each missing value has an error',
    async () => {
      let degraded = 0;
      for (const { query, variables, mark, seed } of cases(CASES / 8)) {
        const expected = await executeWhole(wholeSchema, allResolvers({ count: 0 }), query, variables);
        if (query.startsWith('mutation')) continue;
        const unreachable = ['a', 'b', 'c', 'd'][seed % 4] as string;
        const subgraphs = subgraphsOf(allResolvers({ count: 0 })).map((subgraph) =>
          subgraph.name === unreachable
            ? { ...subgraph, execute: () => Promise.reject(new Error('connection refused')) }
            : subgraph,
        );
        const received = await respond(federate(subgraphs), query, variables);
        const reported = new Set(places(received));
        const missing = received.data === null ? [[]] : missingPaths(expected.data, received.data);
        for (const path of missing)
          expect(reported.has(JSON.stringify(path)), `${mark}\nwithout ${unreachable}: ${path}`).toBe(true);
        for (const error of received.errors ?? [])
          expect(error.extensions, mark).toMatchObject({
            code: 'SOURCE_UNAVAILABLE',
            source: unreachable,
            retryable: true,
          });
        expect(reported.has('no null'), mark).toBe(false);
        if (missing.length > 0) degraded++;
      }
      expect(degraded).toBeGreaterThan(CASES / 100);
    },
    TIME,
  );
});

function wholeTypes(): { type: string; fields: string[] }[] {
  return Object.values(wholeSchema.getTypeMap()).flatMap((type) =>
    'getInterfaces' in type && 'isTypeOf' in type ? [{ type: type.name, fields: Object.keys(type.getFields()) }] : [],
  );
}

/** Interfaces of the type that declare the field. */
function interfacesOf(name: string, field: string): string[] {
  const type = wholeSchema.getType(name);
  if (!type || !('getInterfaces' in type)) return [];
  return type.getInterfaces().flatMap((implemented) => (implemented.getFields()[field] ? [implemented.name] : []));
}
