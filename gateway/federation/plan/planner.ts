/**
 * The query planner behind an interface, so that it can be replaced. Uses Hive's Rust planner through its Node addon. It receives only
 * documents from `planner-document.ts`: an error inside it can end the process.
 */
import { QueryPlanner } from '@graphql-hive/router-query-planner';
import { getOperationAST, parse } from 'graphql';
import { addEntityRootFields, type EntityRootFields } from './entity-root-fields.ts';
import type { PlanStep } from './plan-types.ts';
import { splitPlan } from './split-plan.ts';

export interface Planner {
  /** The plan of one operation of the document; null if there is nothing to fetch. Throws if there is no plan. */
  plan(document: string, operationName: string | null): PlanStep | null;
}

/** A planner that plans an operation in parts if it fails on the whole. Throws if the text is not a supergraph. */
export function createPlanner(supergraph: string): Planner {
  const planWith = (planner: QueryPlanner, document: string, operationName: string | null): PlanStep | null =>
    (planner.plan(document, operationName, NO_OVERRIDES, 0).node as PlanStep | undefined) ?? null;
  const planner = new QueryPlanner(supergraph);
  /** For plans in parts; created when the first plan fails. */
  let split: { planner: QueryPlanner; roots: EntityRootFields } | null = null;
  return {
    plan: (document, operationName) => {
      try {
        return planWith(planner, document, operationName);
      } catch (error) {
        const operation = getOperationAST(parse(document, { noLocation: true }), operationName);
        if (!operation) throw error;
        if (!split) {
          const roots = addEntityRootFields(supergraph);
          split = { planner: new QueryPlanner(roots.supergraph), roots };
        }
        const { planner: entityPlanner, roots } = split;
        return splitPlan({ ...roots, plan: (text) => planWith(entityPlanner, text, operationName) }, operation, error);
      }
    },
  };
}

const NO_OVERRIDES: Set<string> = new Set();
