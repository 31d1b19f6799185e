/** Auditing adds key fields to operations; no reference operation needs an additional fetch for them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getOperationAST, parse, print } from 'graphql';
import { expect, test } from 'vitest';
import type { PlanStep } from '../gateway/federation/plan/plan-types.ts';
import { createPlanner } from '../gateway/federation/plan/planner.ts';
import { toPlannerDocument } from '../gateway/federation/plan/planner-document.ts';
import { hiddenKeyPrefix, selectsProtectedField } from '../gateway/federation/plan/protected-fields.ts';
import { readSupergraph } from '../gateway/federation/supergraph.ts';
import { readProtectedFields } from '../gateway/trust/audit/protected-fields.ts';

const ROOT = join(import.meta.dirname, '..');
const text = readFileSync(join(ROOT, 'schema', 'supergraph.graphql'), 'utf8');
const supergraph = readSupergraph(text);
const planner = createPlanner(text);
const watch = readProtectedFields(text);

function fetches(step: PlanStep | null): number {
  if (!step) return 0;
  if ('nodes' in step) return step.nodes.reduce((sum, one) => sum + fetches(one), 0);
  return step.kind === 'Flatten' ? fetches(step.node) : 1;
}

const counted = (query: string, watched: boolean): number => {
  const document = parse(query);
  const operation = getOperationAST(document);
  const root = operation && supergraph.internalSchema.getRootType(operation.operation);
  if (!operation || !root) throw new Error('no operation');
  const { reservedNames: reserved, partlyHiddenTypes: veiled, internalSchema: inner } = supergraph;
  const prepared = toPlannerDocument(
    {
      schema: inner,
      reservedNames: reserved,
      accessError: () => null,
      partlyHiddenTypes: veiled,
      provenance: null,
      hiddenFields: watched ? { protectedFields: watch, prefix: hiddenKeyPrefix(document) } : null,
    },
    document,
    operation,
    root,
  );
  return fetches(prepared.operation && planner.plan(print(prepared.operation), null));
};

const folder = join(ROOT, 'gateway', 'explorer', 'operations');
const queries = readdirSync(folder)
  .filter((file) => file.endsWith('.graphql'))
  .map((file) => [file, readFileSync(join(folder, file), 'utf8')] as const)
  // Subscriptions read their deliveries with a query.
  .map(
    ([file, query]) =>
      [
        file,
        query
          .replace(/subscription (\w+)\((.*?)\)/s, 'query $1($token: String!)')
          .replace(/events\(after: \$after\)/, /^subscription/m.test(query) ? '_delivery(token: $token)' : '$&'),
      ] as const,
  );

test.each(queries)('%s needs no additional fetch for auditing', (_, query) => {
  expect(counted(query, true)).toBe(counted(query, false));
});

test('most reference operations read protected data', () => {
  const watched = queries.filter(([, query]) => selectsProtectedField(supergraph.internalSchema, parse(query), watch));
  expect(watched.length).toBeGreaterThan(queries.length / 2);
});
