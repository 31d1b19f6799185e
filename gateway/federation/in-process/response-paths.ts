/** The places of the answer: what values are put into, and where `info.path` says that they stand. */
import type { Tree } from '../response-data.ts';
import type { Link, Position } from './typed-operation.ts';

/** An object or list of the answer. */
export type Box = Tree | unknown[];

/** The place of a value, for those who ask below it; undefined where nobody does. */
export function linkOf(position: Position, box: Box, key: string | number, at: Link | undefined): Link | undefined {
  if (!position.field.informs) return undefined;
  return { prev: at, key, typename: Array.isArray(box) ? undefined : position.field.parent.name };
}

/** `info` tells the place of the field, from the place of the object that has it. */
export function parentOf(box: Box, at: Link | undefined): Link | undefined {
  let link = at;
  // In lists, `at` is the place of the innermost list: of the field itself or of an item in it.
  if (Array.isArray(box)) {
    while (link && typeof link.key === 'number') link = link.prev;
    link = link?.prev;
  }
  return link;
}
