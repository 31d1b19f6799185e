/** Puts what a subgraph said of an object to what others have said of it, by code that knows the keys. */

import type { Rewrite } from '../plan/planner.ts';
import { type Fits, merge, rewrite, type Tree } from '../response-data.ts';

/** `from` was made for this answer and may be kept. */
export type Assign = (into: Tree, from: Tree) => void;

/** `keys`: what the subgraph was asked for, for objects of any type. */
export function compileAssign(keys: readonly string[], rewrites: readonly Rewrite[] | undefined, fits: Fits): Assign {
  if (rewrites && rewrites.length > 0) {
    return (into, from) => {
      rewrite(from, rewrites, fits);
      merge(into, from, fits.concrete);
    };
  }
  /** Both have said something. */
  const both = (into: Tree, key: string, there: unknown, here: unknown): void => {
    if (there !== here) merge(into, { [key]: here }, fits.concrete);
  };
  const lines = [...new Set(keys)].map((key) => {
    const name = JSON.stringify(key);
    return `{const h=from[${name}];if(h!==undefined){const t=into[${name}];if(t===undefined||t===null)into[${name}]=h;else both(into,${name},t,h);}}`;
  });
  return new Function('both', `'use strict';return function(into,from){${lines.join('')}}`)(both) as Assign;
}
