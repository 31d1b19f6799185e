/**
 * A large document without its repetitions: `{ t { i } t { i } }` is `{ t { i } }`. What comes after would look at each of them. Only
 * equal fields without directives are merged, and inline fragments that follow each other: the order of the answer stays.
 */
import { type DocumentNode, type InlineFragmentNode, Kind, type SelectionNode, type SelectionSetNode } from 'graphql';
import { argumentsText } from '../document-text.ts';

/** Documents with fewer selections stay as they are: faults in them are reported with their places in the text. */
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
  /** What inline fragments have selected, by their types. */
  const paths = new Set<string>();
  for (const node of set.selections) {
    const inner = node.kind === Kind.FRAGMENT_SPREAD ? undefined : node.selectionSet;
    const last = kept[kept.length - 1];
    const key = plainKey(node);
    const known = key === null ? undefined : plain.get(key);
    if (isPlainInline(node) && isKnown(node.selectionSet, node.typeCondition?.name.value ?? '', paths)) continue;
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

/** Whether everything that is selected under `prefix` has been selected there before; learns it. */
function isKnown(set: SelectionSetNode, prefix: string, paths: Set<string>): boolean {
  let known = true;
  for (const one of set.selections) {
    const key = plainKey(one);
    const path = `${prefix}/${key}`;
    if (key === null) known = false;
    else if (one.kind === Kind.FIELD && one.selectionSet) known = isKnown(one.selectionSet, path, paths) && known;
    else if (!paths.has(path)) {
      paths.add(path);
      known = false;
    }
  }
  return known;
}

const follows = (one: SelectionNode, other: SelectionNode): boolean =>
  isPlainInline(one) && isPlainInline(other) && one.typeCondition?.name.value === other.typeCondition?.name.value;

const isPlainInline = (one: SelectionNode): one is InlineFragmentNode =>
  one.kind === Kind.INLINE_FRAGMENT && !one.directives?.length;
