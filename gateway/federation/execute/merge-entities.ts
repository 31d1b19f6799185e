/** Merges an entity of a response into the object in the data, with code generated for the selected keys. */
import type { Rewrite } from '../plan/plan-types.ts';
import { type DataObject, merge, type TypeMatcher } from '../response-data.ts';
import { applyRewrites } from './rewrites.ts';

/** Merges `from` into `into`. Values may be shared with `from`, which belongs to the response. */
export type MergeEntity = (into: DataObject, from: DataObject) => void;

/** `keys`: the keys that the fetch selects of objects of any type. */
export function compileMergeEntity(
  keys: readonly string[],
  rewrites: readonly Rewrite[] | undefined,
  matchesType: TypeMatcher,
): MergeEntity {
  if (rewrites && rewrites.length > 0) {
    return (into, from) => {
      applyRewrites(from, rewrites, matchesType);
      merge(into, from, matchesType.isObjectTypeName);
    };
  }
  /** Both objects have a value. */
  const mergeValue = (into: DataObject, key: string, existing: unknown, added: unknown): void => {
    if (existing !== added) merge(into, { [key]: added }, matchesType.isObjectTypeName);
  };
  const lines = [...new Set(keys)].map((key) => {
    const name = JSON.stringify(key);
    return `{const h=from[${name}];if(h!==undefined){const t=into[${name}];if(t===undefined||t===null)into[${name}]=h;else mergeValue(into,${name},t,h);}}`;
  });
  return new Function('mergeValue', `'use strict';return function(into,from){${lines.join('')}}`)(
    mergeValue,
  ) as MergeEntity;
}
