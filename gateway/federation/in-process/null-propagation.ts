/** What a fused operation answers when fields of it have failed: nulls that climb, and errors with their paths. */
import { type GraphQLError, locatedError } from 'graphql';
import type { SubgraphError, SubgraphResponse } from '../../../connectors/kit/connector.ts';
import type { Tree } from '../response-data.ts';
import type { Failure } from './execution-frame.ts';
import type { Box } from './response-paths.ts';
import type { Operation, Position, Unit } from './typed-operation.ts';

export type FailedField = GraphQLError;

/** Where an object or list of the answer stands. */
interface Stand {
  readonly up: Box;
  readonly key: string | number;
  readonly nonNull: boolean;
}

/**
 * Failures in the order in which they came. A null where there must be a value takes its parent with it; what failed
 * below a null that was there before is not told, as graphql-js would not have gone on there.
 */
export function settleFailures(
  operation: Operation,
  root: Unit,
  data: Tree,
  failures: readonly Failure[],
  shown: (error: FailedField) => SubgraphError,
): SubgraphResponse {
  const stands = standing(operation, root, data);
  const gone = new Set<Box>();
  const errors: SubgraphError[] = [];
  let whole: Tree | null = data;
  const isGone = (box: Box): boolean => {
    for (let at: Box | undefined = box; at; at = stands.get(at)?.up) if (gone.has(at)) return true;
    return false;
  };
  for (const { error, position, box, key } of failures) {
    if (isGone(box)) continue;
    errors.push(shown(locatedError(error, position.field.nodes, pathOf(stands, box, key)) as GraphQLError));
    if (!position.nonNull) continue;
    for (let at: Box = box; ; ) {
      gone.add(at);
      const stand = stands.get(at);
      if (!stand) {
        whole = null;
        break;
      }
      if (!stand.nonNull) {
        (stand.up as Record<string | number, unknown>)[stand.key] = null;
        break;
      }
      at = stand.up;
    }
  }
  return { data: whole, errors };
}

function pathOf(stands: ReadonlyMap<Box, Stand>, box: Box, key: string | number): (string | number)[] {
  const path = [key];
  for (let stand = stands.get(box); stand; stand = stands.get(stand.up)) path.push(stand.key);
  return path.reverse();
}

/** Every object and list of the answer, but the root. Each was made for this answer, so each stands in one place. */
function standing(operation: Operation, root: Unit, data: Tree): Map<Box, Stand> {
  const stands = new Map<Box, Stand>();
  const visit = (value: unknown, position: Position, up: Box, key: string | number): void => {
    if (position.kind === 'leaf' || typeof value !== 'object' || value === null) return;
    stands.set(value as Box, { up, key, nonNull: position.nonNull });
    if (position.kind === 'list') {
      const list = value as unknown[];
      for (let i = 0; i < list.length; i++) visit(list[i], position.of, list, i);
      return;
    }
    const unit = operation.made.get(Object.getPrototypeOf(value) as object);
    if (unit) fields(value as Tree, unit);
  };
  const fields = (object: Tree, unit: Unit): void => {
    for (const one of unit.fields) if (one.definition) visit(object[one.key], one.position, object, one.key);
  };
  fields(data, root);
  return stands;
}
