/** Builds the response of an in-process operation with failed fields: propagates nulls and adds paths to errors. */
import { type GraphQLError, locatedError } from 'graphql';
import type { SubgraphError, SubgraphResponse } from '../../../connectors/kit/call.ts';
import type { DataObject } from '../response-data.ts';
import type { FieldFailure } from './execution-frame.ts';
import type { Container } from './response-paths.ts';
import type { ObjectPlan, TypedOperation, ValuePosition } from './typed-operation.ts';

/** An error of a field, with its path. */
export type FieldError = GraphQLError;

/** The position of an object or list of the response: the value at `key` of `container`. */
interface Parent {
  readonly container: Container;
  readonly key: string | number;
  readonly nonNull: boolean;
}

/**
 * Handles the failures in the order of their occurrence. The null of a non-null field propagates to the nearest nullable parent. A failure below
 * a position that is null already is not reported, as in graphql-js.
 */
export function buildFailedResponse(
  operation: TypedOperation,
  root: ObjectPlan,
  data: DataObject,
  failures: readonly FieldFailure[],
  toSubgraphError: (error: FieldError) => SubgraphError,
): SubgraphResponse {
  const parents = findParents(operation, root, data);
  const removed = new Set<Container>();
  const errors: SubgraphError[] = [];
  let result: DataObject | null = data;
  const isRemoved = (container: Container): boolean => {
    for (let at: Container | undefined = container; at; at = parents.get(at)?.container)
      if (removed.has(at)) return true;
    return false;
  };
  for (const { error, position, container, key } of failures) {
    if (isRemoved(container)) continue;
    errors.push(
      toSubgraphError(locatedError(error, position.field.nodes, pathOf(parents, container, key)) as GraphQLError),
    );
    if (!position.nonNull) continue;
    for (let at: Container = container; ; ) {
      removed.add(at);
      const parent = parents.get(at);
      if (!parent) {
        result = null;
        break;
      }
      if (!parent.nonNull) {
        (parent.container as Record<string | number, unknown>)[parent.key] = null;
        break;
      }
      at = parent.container;
    }
  }
  return { data: result, errors };
}

function pathOf(
  parents: ReadonlyMap<Container, Parent>,
  container: Container,
  key: string | number,
): (string | number)[] {
  const path = [key];
  for (let parent = parents.get(container); parent; parent = parents.get(parent.container)) path.push(parent.key);
  return path.reverse();
}

/** The parents of all objects and lists except the root. Each was built for this response, so it has one position. */
function findParents(operation: TypedOperation, root: ObjectPlan, data: DataObject): Map<Container, Parent> {
  const parents = new Map<Container, Parent>();
  const visit = (value: unknown, position: ValuePosition, container: Container, key: string | number): void => {
    if (position.kind === 'leaf' || typeof value !== 'object' || value === null) return;
    parents.set(value as Container, { container, key, nonNull: position.nonNull });
    if (position.kind === 'list') {
      const list = value as unknown[];
      for (let i = 0; i < list.length; i++) visit(list[i], position.of, list, i);
      return;
    }
    const plan = operation.planByPrototype.get(Object.getPrototypeOf(value) as object);
    if (plan) visitFields(value as DataObject, plan);
  };
  const visitFields = (object: DataObject, plan: ObjectPlan): void => {
    for (const field of plan.fields) if (field.definition) visit(object[field.key], field.position, object, field.key);
  };
  visitFields(data, root);
  return parents;
}
