/** The containers of a response, and the paths that resolvers see as `info.path`. */
import type { DataObject } from '../response-data.ts';
import type { ResponsePath, ValuePosition } from './typed-operation.ts';

/** An object or list of the response. */
export type Container = DataObject | unknown[];

/** Path of the value at `key` of the container at `at`; undefined if no resolver below needs it. */
export function pathTo(
  position: ValuePosition,
  container: Container,
  key: string | number,
  at: ResponsePath | undefined,
): ResponsePath | undefined {
  if (!position.field.needsInfo) return undefined;
  return { prev: at, key, typename: Array.isArray(container) ? undefined : position.field.parent.name };
}

/** Path of the object to which the field of a value in `container` belongs. */
export function parentPathOf(container: Container, at: ResponsePath | undefined): ResponsePath | undefined {
  let path = at;
  // For lists, `at` is the path of the innermost list: that of the field, or of an item of an outer list.
  if (Array.isArray(container)) {
    while (path && typeof path.key === 'number') path = path.prev;
    path = path?.prev;
  }
  return path;
}
