/**
 * A large document without its repetitions: `{ t { i } t { i } }` is `{ t { i } }`. What comes after would look at each of them. Only
 * equal fields without directives are merged, and inline fragments that follow each other: the order of the answer stays.
 */
import { type DocumentNode, type InlineFragmentNode, Kind, type SelectionNode, type SelectionSetNode } from 'graphql';
import { argumentsText } from './document-text.ts';

/** Documents with fewer selections stay as they are: faults in them are told with their places in the text. */
export const LARGE = 5_000;

const made = new WeakSet<DocumentNode>();

/** Whether the document is not as its text is. */
export const isCompact = (document: DocumentNode): boolean => made.has(document);

/** The same document, smaller. Linear: each selection is moved once. */
export function compact(document: DocumentNode): DocumentNode {
  const definitions = document.definitions.map((one) =>
    'selectionSet' in one ? { ...one, selectionSet: merged(one.selectionSet) } : one,
  );
  const smaller = { ...document, definitions };
  made.add(smaller);
  return smaller;
}

type Parent = SelectionNode & { readonly selectionSet: SelectionSetNode };

function merged(set: SelectionSetNode): SelectionSetNode {
  /** Each selection with all that is selected below it. */
  const kept: { readonly node: SelectionNode; readonly below: SelectionNode[] | null }[] = [];
  const plain = new Map<string, (typeof kept)[number]>();
  /** Leaves of inline fragments, with their type. */
  const leaves = new Set<string>();
  for (const node of set.selections) {
    const inner = node.kind === Kind.FRAGMENT_SPREAD ? undefined : node.selectionSet;
    const last = kept[kept.length - 1];
    const key = plainKey(node);
    const known = key === null ? undefined : plain.get(key);
    if (node.kind === Kind.INLINE_FRAGMENT && isKnown(node, leaves)) continue;
    const same = known ?? (last && follows(last.node, node) ? last : undefined);
    if (same) {
      for (const one of inner?.selections ?? []) same.below?.push(one);
      continue;
    }
    const one = { node, below: inner ? [...inner.selections] : null };
    kept.push(one);
    if (key !== null) plain.set(key, one);
  }
  const selections = kept.map(
    ({ node, below }): SelectionNode =>
      below ? ({ ...node, selectionSet: merged({ kind: Kind.SELECTION_SET, selections: below }) } as Parent) : node,
  );
  return { kind: Kind.SELECTION_SET, selections };
}

/** Null: the field stands for itself. */
function plainKey(node: SelectionNode): string | null {
  if (node.kind !== Kind.FIELD || node.directives?.length) return null;
  const given = argumentsText(node);
  const key = `${node.alias ? `${node.alias.value}:` : ''}${node.name.value}${given && `(${given})`}`;
  return node.selectionSet ? `${key}{` : key;
}

/** Whether a fragment selects nothing but leaves that one on the same type before it has selected; learns those that it selects. */
function isKnown(node: InlineFragmentNode, leaves: Set<string>): boolean {
  if (node.directives?.length) return false;
  let known = true;
  for (const one of node.selectionSet.selections) {
    const key = one.kind === Kind.FIELD && !one.selectionSet ? plainKey(one) : null;
    const leaf = `${node.typeCondition?.name.value ?? ''}.${key}`;
    if (key === null || !leaves.has(leaf)) known = false;
    if (key !== null) leaves.add(leaf);
  }
  return known;
}

const follows = (one: SelectionNode, other: SelectionNode): boolean =>
  isPlainInline(one) && isPlainInline(other) && one.typeCondition?.name.value === other.typeCondition?.name.value;

const isPlainInline = (one: SelectionNode): one is InlineFragmentNode =>
  one.kind === Kind.INLINE_FRAGMENT && !one.directives?.length;
