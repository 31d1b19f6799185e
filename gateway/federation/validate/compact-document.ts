/**
 * Removes repeated selections from large documents, before validation and planning visit each of them: `{ t { i } t { i } }` becomes
 * `{ t { i } }`. Merges only equal fields without directives and adjacent inline fragments, so the order of the response stays.
 */
import { type DocumentNode, type InlineFragmentNode, Kind, type SelectionNode, type SelectionSetNode } from 'graphql';
import { argumentsText } from '../document-text.ts';

/** Selections. Smaller documents are not compacted: their errors are reported with locations in the text. */
export const COMPACT_ABOVE_SELECTIONS = 5_000;

const compacted = new WeakSet<DocumentNode>();

/** Whether the document differs from its text. */
export const isCompacted = (document: DocumentNode): boolean => compacted.has(document);

/** A document with the same meaning and fewer selections, in linear time: each selection is moved once. */
export function compactDocument(document: DocumentNode): DocumentNode {
  const definitions = document.definitions.map((definition) =>
    'selectionSet' in definition
      ? { ...definition, selectionSet: mergeSelections(definition.selectionSet) }
      : definition,
  );
  const smaller = { ...document, definitions };
  compacted.add(smaller);
  return smaller;
}

type ParentSelection = SelectionNode & { readonly selectionSet: SelectionSetNode };

function mergeSelections(set: SelectionSetNode): SelectionSetNode {
  /** Each selection with all selections below it. */
  const entries: { readonly node: SelectionNode; readonly below: SelectionNode[] | null }[] = [];
  const entriesByKey = new Map<string, (typeof entries)[number]>();
  /** Selections of inline fragments, as paths below the fragment's type. */
  const paths = new Set<string>();
  for (const node of set.selections) {
    const inner = node.kind === Kind.FRAGMENT_SPREAD ? undefined : node.selectionSet;
    const last = entries[entries.length - 1];
    const key = mergeKeyOf(node);
    const known = key === null ? undefined : entriesByKey.get(key);
    if (isPlainInline(node) && isKnown(node.selectionSet, node.typeCondition?.name.value ?? '', paths)) continue;
    const target = known ?? (last && areSameFragment(last.node, node) ? last : undefined);
    if (target) {
      for (const selection of inner?.selections ?? []) target.below?.push(selection);
      continue;
    }
    const entry = { node, below: inner ? [...inner.selections] : null };
    entries.push(entry);
    if (key !== null) entriesByKey.set(key, entry);
  }
  const selections = entries.map(
    ({ node, below }): SelectionNode =>
      below
        ? ({
            ...node,
            selectionSet: mergeSelections({ kind: Kind.SELECTION_SET, selections: below }),
          } as ParentSelection)
        : node,
  );
  return { kind: Kind.SELECTION_SET, selections };
}

/** Equal for fields that may be merged; null if the selection may not be merged. */
function mergeKeyOf(node: SelectionNode): string | null {
  if (node.kind !== Kind.FIELD || node.directives?.length) return null;
  const given = argumentsText(node);
  const key = `${node.alias ? `${node.alias.value}:` : ''}${node.name.value}${given && `(${given})`}`;
  return node.selectionSet ? `${key}{` : key;
}

/** Whether all selections were already selected under `prefix`; adds their paths. */
function isKnown(set: SelectionSetNode, prefix: string, paths: Set<string>): boolean {
  let known = true;
  for (const selection of set.selections) {
    const key = mergeKeyOf(selection);
    const path = `${prefix}/${key}`;
    if (key === null) known = false;
    else if (selection.kind === Kind.FIELD && selection.selectionSet)
      known = isKnown(selection.selectionSet, path, paths) && known;
    else if (!paths.has(path)) {
      paths.add(path);
      known = false;
    }
  }
  return known;
}

const areSameFragment = (first: SelectionNode, other: SelectionNode): boolean =>
  isPlainInline(first) && isPlainInline(other) && first.typeCondition?.name.value === other.typeCondition?.name.value;

const isPlainInline = (selection: SelectionNode): selection is InlineFragmentNode =>
  selection.kind === Kind.INLINE_FRAGMENT && !selection.directives?.length;
