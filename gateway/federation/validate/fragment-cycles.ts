/** Finds fragments that spread themselves, before later steps follow them without end. */
import { type DocumentNode, type FragmentDefinitionNode, Kind, type SelectionSetNode } from 'graphql';
import { fragmentsOf } from '../document-nodes.ts';
import type { DocumentError } from './error-locations.ts';

/** The error of a fragment that spreads itself, null if there is none. Not recursive: a chain can be as long as the text allows. */
export function findFragmentCycle(document: DocumentNode): { cycle: DocumentError | null; work: number } {
  const fragments = fragmentsOf(document);
  const spreadsByFragment = new Map<FragmentDefinitionNode, readonly string[]>();
  const state = new Map<FragmentDefinitionNode, 'open' | 'done'>();
  let work = 0;
  const spreadsOf = (fragment: FragmentDefinitionNode): readonly string[] => {
    let names = spreadsByFragment.get(fragment);
    if (!names) {
      const found = new Set<string>();
      collectSpreads(fragment.selectionSet, found);
      names = [...found];
      spreadsByFragment.set(fragment, names);
    }
    return names;
  };
  for (const root of fragments.values()) {
    const path: { fragment: FragmentDefinitionNode; next: number }[] = state.has(root)
      ? []
      : [{ fragment: root, next: 0 }];
    state.set(root, state.get(root) ?? 'open');
    while (path.length > 0) {
      work++;
      const current = path[path.length - 1] as (typeof path)[number];
      const name = spreadsOf(current.fragment)[current.next++];
      if (name === undefined) {
        state.set(current.fragment, 'done');
        path.pop();
        continue;
      }
      const next = fragments.get(name);
      if (!next || state.get(next) === 'done') continue;
      if (state.get(next) === 'open') {
        const route = path
          .slice(path.findIndex(({ fragment }) => fragment === next) + 1)
          .map(({ fragment }) => `"${fragment.name.value}"`);
        const via = route.length > 0 ? ` via ${route.join(', ')}` : '';
        const cycle = { message: `Cannot spread fragment "${name}" within itself${via}.`, nodes: [next] };
        return { cycle, work };
      }
      state.set(next, 'open');
      path.push({ fragment: next, next: 0 });
    }
  }
  return { cycle: null, work };
}

function collectSpreads(set: SelectionSetNode, found: Set<string>): void {
  for (const selection of set.selections) {
    if (selection.kind === Kind.FRAGMENT_SPREAD) found.add(selection.name.value);
    else if (selection.selectionSet) collectSpreads(selection.selectionSet, found);
  }
}
