/** Accounting asks for keys that the client did not: no operation needs a further fetch for it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getOperationAST, parse, print } from 'graphql';
import { expect, test } from 'vitest';
import { makePlanner, type PlanStep } from '../gateway/federation/plan/planner.ts';
import { forPlanner } from '../gateway/federation/plan/planner-document.ts';
import { asksWatched, hiddenPrefix } from '../gateway/federation/plan/protected-fields.ts';
import { readSupergraph } from '../gateway/federation/supergraph.ts';
import { readWatch } from '../gateway/trust/audit/protected-fields.ts';

const ROOT = join(import.meta.dirname, '..');
const text = readFileSync(join(ROOT, 'schema', 'supergraph.graphql'), 'utf8');
const supergraph = readSupergraph(text);
const planner = makePlanner(text);
const watch = readWatch(text);

function fetches(step: PlanStep | null): number {
  if (!step) return 0;
  if ('nodes' in step) return step.nodes.reduce((sum, one) => sum + fetches(one), 0);
  return step.kind === 'Flatten' ? fetches(step.node) : 1;
}

const counted = (query: string, watched: boolean): number => {
  const document = parse(query);
  const operation = getOperationAST(document);
  const root = operation && supergraph.inner.getRootType(operation.operation);
  if (!operation || !root) throw new Error('no operation');
  const { reserved, veiled, inner } = supergraph;
  const prepared = forPlanner(
    {
      schema: inner,
      reserved,
      refusals: () => null,
      veiled,
      proof: null,
      watch: watched ? { watch, prefix: hiddenPrefix(document) } : null,
    },
    document,
    operation,
    root,
  );
  return fetches(prepared.asked && planner.plan(print(prepared.asked), null));
};

const folder = join(ROOT, 'gateway', 'explorer', 'operations');
const queries = readdirSync(folder)
  .filter((file) => file.endsWith('.graphql'))
  .map((file) => [file, readFileSync(join(folder, file), 'utf8')] as const)
  // A subscription's deliveries are asked for as a query.
  .map(
    ([file, query]) =>
      [
        file,
        query
          .replace(/subscription (\w+)\((.*?)\)/s, 'query $1($token: String!)')
          .replace(/events\(after: \$after\)/, /^subscription/m.test(query) ? '_delivery(token: $token)' : '$&'),
      ] as const,
  );

test.each(queries)('%s', (_, query) => {
  expect(counted(query, true)).toBe(counted(query, false));
});

test('most of them read protected data', () => {
  const watched = queries.filter(([, query]) => asksWatched(supergraph.inner, parse(query), watch));
  expect(watched.length).toBeGreaterThan(queries.length / 2);
});
