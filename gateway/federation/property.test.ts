import { describe, expect, test } from 'vitest';
import { hubCall } from '../../connectors/kit/host/services.ts';
import { silentLog } from '../../connectors/kit/log.ts';
import { compose } from '../../schema/compose.ts';
import { createFederation, type Federation } from './index.ts';
import { type Resolvers, whole } from './testing.ts';
import { random, randomOperation } from './testing-operations.ts';
import { ALIASES, everything, subgraphsOf, wholeSchema } from './testing-world.ts';

/** ISTHMUS_SEED repeats a run; ISTHMUS_CASES makes it longer. */
const SEED = Number(process.env['ISTHMUS_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const CASES = Number(process.env['ISTHMUS_CASES'] ?? 500);

const supergraph = compose(
  subgraphsOf(everything({ count: 0 })).map(({ name, sdl }) => ({ name, sdl, url: `http://${name}.test` })),
).supergraph;

const federate = (resolvers: Resolvers): Federation =>
  createFederation({
    supergraph,
    subgraphs: new Map(subgraphsOf(resolvers).map((one) => [one.name, one])),
    log: silentLog,
  });

async function answer(federation: Federation, query: string, variables: Record<string, unknown>) {
  const compiled = federation.compile({ query });
  if ('errors' in compiled) throw new Error(JSON.stringify(compiled.errors));
  const call = hubCall(5_000, new AbortController().signal);
  return JSON.parse(JSON.stringify(await federation.execute(compiled, { variables, call }))) as Awaited<
    ReturnType<Federation['execute']>
  >;
}

describe(`random operations, ISTHMUS_SEED=${SEED}`, () => {
  test(`${CASES} are answered as one server would`, async () => {
    const ticks = { one: { count: 0 }, many: { count: 0 } };
    const one = everything(ticks.one);
    const federation = federate(everything(ticks.many));
    for (let i = 0; i < CASES; i++) {
      const { query, variables } = randomOperation(wholeSchema, random(SEED + i), ALIASES);
      const expected = await whole(wholeSchema, one, query, variables);
      const got = await answer(federation, query, variables);
      expect(got.errors, `ISTHMUS_SEED=${SEED + i}\n${query}\n${JSON.stringify(variables)}`).toEqual(expected.errors);
      expect(JSON.stringify(got.data), `ISTHMUS_SEED=${SEED + i}\n${query}\n${JSON.stringify(variables)}`).toEqual(
        JSON.stringify(expected.data),
      );
    }
  }, 120_000);
});
