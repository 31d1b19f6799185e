import { describe, expect, test } from 'vitest';
import type { Subgraph } from '../../connectors/kit/connector.ts';
import { hubCall } from '../../connectors/kit/host/services.ts';
import { silentLog } from '../../connectors/kit/log.ts';
import { compose } from '../../schema/compose.ts';
import { type Answer, createFederation, type Federation, type FieldCoordinate } from './index.ts';
import { type Fake, type Resolver, type Resolvers, whole } from './testing/fake-subgraph.ts';
import { FEATURES, type Feature, featuresOf } from './testing/operation-features.ts';
import {
  ALIASES,
  everything,
  numberOf,
  PLAIN,
  randomSplit,
  type Split,
  subgraphsOf,
  wholeOf,
  wholeSchema,
} from './testing/random-graph.ts';
import { random, randomOperation } from './testing/random-operations.ts';

/** ISTHMUS_SEED repeats a run; ISTHMUS_CASES makes it longer. */
const SEED = Number(process.env['ISTHMUS_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const CASES = Number(process.env['ISTHMUS_CASES'] ?? 800);
const TIME = 20_000 + 50 * CASES;

const composed = (split: Split): string =>
  compose(
    subgraphsOf(everything({ count: 0 }), split).map(({ name, sdl }) => ({ name, sdl, url: `http://${name}.test` })),
  ).supergraph;
const plain = composed(PLAIN);

/** Subgraphs that are asked, and subgraphs whose resolvers are called. */
const WAYS: readonly [string, (one: Fake) => Subgraph][] = [
  ['asked', (one) => one],
  ['fused', (one) => ({ ...one, ...one.inside })],
];

/** As many operations are asked of one random split. */
const OF_ONE_SPLIT = 40;
const worldOf = (seed: number) => {
  const split = randomSplit(random(seed));
  const supergraph = composed(split);
  const resolvers = { current: everything({ count: 0 }) };
  const federations = WAYS.map(([, change]) =>
    federate(subgraphsOf(changing(resolvers), split).map(change), supergraph),
  );
  return { schema: wholeOf(split), resolvers, federations };
};

/** Resolvers that may be others for the next operation. */
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
  createFederation({ supergraph, subgraphs: new Map(subgraphs.map((one) => [one.name, one])), log: silentLog });

type Options = Parameters<Federation['compile']>[1];

async function answer(
  federation: Federation,
  query: string,
  variables: Record<string, unknown>,
  options: Options = {},
): Promise<Answer> {
  const compiled = federation.compile({ query }, options);
  if ('errors' in compiled) throw new Error(JSON.stringify(compiled.errors));
  const call = hubCall(5_000, new AbortController().signal);
  return JSON.parse(JSON.stringify(await federation.execute(compiled, { variables, call }))) as Answer;
}

type Path = readonly (string | number)[];

/** Where the null stands that an error is about; null when there is a value. */
function placeOfNull(data: unknown, path: Path): string | null {
  let at = data;
  for (let i = 0; i <= path.length; i++) {
    if (at === null) return JSON.stringify(path.slice(0, i));
    if (i < path.length) at = (at as Record<string | number, unknown> | undefined)?.[path[i] as string];
  }
  return null;
}

const places = (one: { data: unknown; errors?: readonly { path?: Path | undefined }[] }): string[] =>
  [...new Set((one.errors ?? []).map((error) => placeOfNull(one.data, error.path ?? []) ?? 'no null'))].sort();

/** Nulls of `got` that `sound` does not have. Throws where the two differ otherwise. */
function lost(sound: unknown, got: unknown, path: Path = []): Path[] {
  if (got === null && sound !== null) return [path];
  if (typeof sound !== 'object' || sound === null) {
    expect(got, JSON.stringify(path)).toEqual(sound);
    return [];
  }
  expect(Object.keys(got as object), JSON.stringify(path)).toEqual(Object.keys(sound));
  return Object.keys(sound).flatMap((key) =>
    lost((sound as Record<string, unknown>)[key], (got as Record<string, unknown>)[key], [
      ...path,
      Array.isArray(sound) ? Number(key) : key,
    ]),
  );
}

/** The same resolvers, some of which throw for some objects. Keys and what others require stay sound. */
function failing(seed: number, ticks: { count: number }): Resolvers {
  const sound = everything(ticks);
  const needed = new Set(['name', 'score', 'level', 'slug', 'friends', 'author', 'risk', 'greeting', 'reach']);
  const wrap = (type: string, field: string, resolve: Resolver): Resolver =>
    needed.has(field) || type === 'Mutation' || numberOf(`${seed}${field}`) % 4 !== 0
      ? resolve
      : (source, args) => {
          const id = source?.id ?? '';
          if (numberOf(`${seed}${field}${id}`) % 2 === 0) throw new Error('refused by the source');
          return resolve(source, args);
        };
  return Object.fromEntries(
    Object.entries(sound).map(([type, fields]) => [
      type,
      Object.fromEntries(Object.entries(fields).map(([field, resolve]) => [field, wrap(type, field, resolve)])),
    ]),
  );
}

describe(`random operations, ISTHMUS_SEED=${SEED}`, () => {
  const cases = (count: number) =>
    Array.from({ length: count }, (_, i) => {
      const { query, variables } = randomOperation(wholeSchema, random(SEED + i), ALIASES);
      return {
        query,
        variables,
        mark: `ISTHMUS_SEED=${SEED + i}\n${query}\n${JSON.stringify(variables)}`,
        seed: SEED + i,
      };
    });

  test(
    `${CASES} over random splits are answered as one server would: the same data, errors at the same nulls`,
    async () => {
      const counted = new Map<Feature, number>(FEATURES.map((one) => [one, 0]));
      let world = worldOf(SEED);
      for (let i = 0; i < CASES; i++) {
        const seed = SEED + i;
        if (i % OF_ONE_SPLIT === 0) world = worldOf(seed);
        const { query, variables } = randomOperation(world.schema, random(seed), ALIASES);
        const fails = i % 3 === 2;
        const [way] = WAYS[i % 2] as (typeof WAYS)[number];
        const mark = `ISTHMUS_SEED=${seed - (i % OF_ONE_SPLIT)} and ${i % OF_ONE_SPLIT} on, ${way}\n${query}\n${JSON.stringify(variables)}`;
        const one = () => (fails ? failing(seed, { count: 0 }) : everything({ count: 0 }));
        const expected = await whole(world.schema, one(), query, variables);
        world.resolvers.current = one();
        const got = await answer(world.federations[i % 2] as Federation, query, variables);
        expect(JSON.stringify(got.data), mark).toEqual(JSON.stringify(expected.data));
        expect(places(got), mark).toEqual(places(expected));
        for (const feature of featuresOf(world.schema, query, expected.errors))
          counted.set(feature, (counted.get(feature) ?? 0) + 1);
      }
      console.log(`ISTHMUS_SEED=${SEED}: ${[...counted].map(([name, count]) => `${name} ${count}`).join(', ')}`);
      for (const [name, count] of counted)
        expect(count, name).toBeGreaterThanOrEqual(Math.floor((CASES * 200) / 10_000));
    },
    TIME,
  );

  test(
    'refused fields are null as if they failed, with the reason',
    async () => {
      let refusals = 0;
      for (const { query, variables, mark, seed } of cases(CASES / 8)) {
        const refuses = (type: string, field: string) => numberOf(`${seed}${type}${field}`) % 6 === 0;
        const one = everything({ count: 0 });
        const throwing = Object.fromEntries(
          wholeTypes().map(({ type, fields }) => [
            type,
            {
              ...one[type],
              ...Object.fromEntries(
                fields
                  .filter((field) => refuses(type, field) || faces(type, field).some((face) => refuses(face, field)))
                  .map((field) => [
                    field,
                    () => {
                      throw new Error('refused');
                    },
                  ]),
              ),
            },
          ]),
        );
        const expected = await whole(wholeSchema, throwing, query, variables);
        const refused = ({ type, field }: FieldCoordinate) =>
          refuses(type, field) ? { code: 'FORBIDDEN', message: 'no' } : null;
        const got = await answer(federate(subgraphsOf(everything({ count: 0 }))), query, variables, {
          refused,
          refusedKey: String(seed),
        });
        expect(JSON.stringify(got.data), mark).toEqual(JSON.stringify(expected.data));
        expect(places(got), mark).toEqual(places(expected));
        for (const error of got.errors ?? []) expect(error, mark).toMatchObject({ extensions: { code: 'FORBIDDEN' } });
        if (got.errors) refusals++;
      }
      expect(refusals).toBeGreaterThan(CASES / 100);
    },
    TIME,
  );

  test(
    'without one subgraph, what is there is right, and every null that should not be is told',
    async () => {
      let degraded = 0;
      for (const { query, variables, mark, seed } of cases(CASES / 8)) {
        const expected = await whole(wholeSchema, everything({ count: 0 }), query, variables);
        if (query.startsWith('mutation')) continue;
        const away = ['a', 'b', 'c', 'd'][seed % 4] as string;
        const subgraphs = subgraphsOf(everything({ count: 0 })).map((one) =>
          one.name === away ? { ...one, execute: () => Promise.reject(new Error('connection refused')) } : one,
        );
        const got = await answer(federate(subgraphs), query, variables);
        const told = new Set(places(got));
        const gone = got.data === null ? [[]] : lost(expected.data, got.data);
        for (const path of gone) expect(told.has(JSON.stringify(path)), `${mark}\nwithout ${away}: ${path}`).toBe(true);
        for (const error of got.errors ?? [])
          expect(error.extensions, mark).toMatchObject({ code: 'SOURCE_UNAVAILABLE', source: away, retryable: true });
        expect(told.has('no null'), mark).toBe(false);
        if (gone.length > 0) degraded++;
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

/** Interfaces from which the type has that field. */
function faces(name: string, field: string): string[] {
  const type = wholeSchema.getType(name);
  if (!type || !('getInterfaces' in type)) return [];
  return type.getInterfaces().flatMap((one) => (one.getFields()[field] ? [one.name] : []));
}
