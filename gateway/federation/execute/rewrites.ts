/** Applies the planner's rewrites of keys and type names to representations and to the data of a fetch. */
import type { Rewrite, RewriteStep } from '../plan/plan-types.ts';
import { type DataObject, isDataObject, type TypeMatcher } from '../response-data.ts';

/** Changes `value`, an object or a list of objects, in place. */
export function applyRewrites(
  value: unknown,
  rewrites: readonly Rewrite[] | undefined,
  matchesType: TypeMatcher,
): void {
  for (const rewrite of rewrites ?? []) {
    if ('KeyRenamer' in rewrite) {
      applyAt(value, rewrite.KeyRenamer.path, matchesType, (object, key) => {
        if (!(key in object)) return;
        object[rewrite.KeyRenamer.renameKeyTo] = object[key];
        delete object[key];
      });
      continue;
    }
    const { path, setValueTo } = 'ValueSetter' in rewrite ? rewrite.ValueSetter : rewrite;
    applyAt(value, path, matchesType, (object, key) => {
      object[key] = setValueTo;
    });
  }
}

function applyAt(
  value: unknown,
  path: readonly RewriteStep[],
  matchesType: TypeMatcher,
  change: (object: DataObject, key: string) => void,
): void {
  if (Array.isArray(value)) {
    for (const item of value) applyAt(item, path, matchesType, change);
    return;
  }
  if (!isDataObject(value)) return;
  const [step, ...rest] = path;
  if (!step) return;
  if ('TypenameEquals' in step) {
    if (
      value['__typename'] === undefined ||
      step.TypenameEquals.some((name) => matchesType(name, value['__typename'] as string))
    )
      applyAt(value, rest, matchesType, change);
  } else if (rest.length === 0) change(value, step.Key);
  else applyAt(value[step.Key], rest, matchesType, change);
}
