/** Fragments that spread themselves: what comes after follows fragments without an end. */
import { type DocumentNode, type FragmentDefinitionNode, Kind, type SelectionSetNode } from 'graphql';
import { fragmentsOf } from '../plan/planner-document.ts';
import type { Fault } from './error-locations.ts';

/** A fragment that spreads itself. Without recursion: a chain is as long as the text allows. */
export function circleOf(document: DocumentNode): { circle: Fault | null; work: number } {
  const fragments = fragmentsOf(document);
  const inner = new Map<FragmentDefinitionNode, readonly string[]>();
  const state = new Map<FragmentDefinitionNode, 'open' | 'done'>();
  let work = 0;
  const spreadsOf = (one: FragmentDefinitionNode): readonly string[] => {
    let names = inner.get(one);
    if (!names) {
      const found = new Set<string>();
      collectSpreads(one.selectionSet, found);
      names = [...found];
      inner.set(one, names);
    }
    return names;
  };
  for (const root of fragments.values()) {
    const path: { one: FragmentDefinitionNode; next: number }[] = state.has(root) ? [] : [{ one: root, next: 0 }];
    state.set(root, state.get(root) ?? 'open');
    while (path.length > 0) {
      work++;
      const here = path[path.length - 1] as (typeof path)[number];
      const name = spreadsOf(here.one)[here.next++];
      if (name === undefined) {
        state.set(here.one, 'done');
        path.pop();
        continue;
      }
      const next = fragments.get(name);
      if (!next || state.get(next) === 'done') continue;
      if (state.get(next) === 'open') {
        const way = path.slice(path.findIndex(({ one }) => one === next) + 1).map(({ one }) => `"${one.name.value}"`);
        const via = way.length > 0 ? ` via ${way.join(', ')}` : '';
        const circle = { message: `Cannot spread fragment "${name}" within itself${via}.`, nodes: [next] };
        return { circle, work };
      }
      state.set(next, 'open');
      path.push({ one: next, next: 0 });
    }
  }
  return { circle: null, work };
}

function collectSpreads(set: SelectionSetNode, found: Set<string>): void {
  for (const one of set.selections) {
    if (one.kind === Kind.FRAGMENT_SPREAD) found.add(one.name.value);
    else if (one.selectionSet) collectSpreads(one.selectionSet, found);
  }
}
