/** Reads from the merged data what an operation has touched; see watch.ts. */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isInputObjectType,
  isLeafType,
  isListType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  valueFromASTUntyped,
} from 'graphql';
import { fragmentsOf } from '../plan/planner-document.ts';
import { type Watch, watchedBy } from '../plan/protected-fields.ts';
import type { Tree } from '../response-data.ts';
import { type Below, type Node, Nodes } from './accessed-field-tree.ts';
import type { Selection } from './response-shape.ts';

/** One way in which fields were read: shown, masked or refused. */
export interface Touch {
  /** Coordinates, such as `TaxAccount.standing`. */
  readonly fields: ReadonlySet<string>;
  /** Ids by type. */
  readonly subjects: ReadonlyMap<string, ReadonlySet<string>>;
}

/** What one operation has touched; null where it did not in that way. */
export interface Touched {
  readonly shown: Touch | null;
  readonly masked: Touch | null;
  readonly refused: Touch | null;
}

/** The objects that stand above a value, as the account names them. */
interface Above {
  readonly type: string | null;
  readonly id: string | null;
  readonly owner: string | null;
}

class Bucket implements Touch {
  readonly fields = new Set<string>();
  readonly subjects = new Map<string, Set<string>>();

  name(type: string | null, id: string | null): void {
    if (type === null || id === null) return;
    const known = this.subjects.get(type);
    if (known) known.add(id);
    else this.subjects.set(type, new Set([id]));
  }
}

/** Reads the account of one operation again and again from the data of its runs. */
export class Account {
  readonly #schema: GraphQLSchema;
  readonly #watch: Watch;
  readonly #shape: Selection;
  readonly #rootFields: readonly FieldNode[];
  readonly #root: GraphQLObjectType;
  readonly #nodes: Nodes;

  constructor(parts: {
    schema: GraphQLSchema;
    watch: Watch;
    shape: Selection;
    document: DocumentNode;
    operation: OperationDefinitionNode;
    root: GraphQLObjectType;
    /** Of hidden keys; see `hiddenPrefix`. */
    prefix: string;
  }) {
    this.#schema = parts.schema;
    this.#watch = parts.watch;
    this.#shape = parts.shape;
    this.#rootFields = rootFields(parts.operation.selectionSet, fragmentsOf(parts.document));
    this.#root = parts.root;
    this.#nodes = new Nodes(parts);
  }

  /** Null when nothing watched was touched. `variables` coerced. */
  read(data: Tree, variables: Readonly<Record<string, unknown>>): Touched | null {
    const shown = new Bucket();
    const masked = new Bucket();
    const refused = new Bucket();
    const { owner } = this.#watch;

    const tell = (bucket: Bucket, above: Above): void => {
      bucket.name(above.type, above.id);
      bucket.name(owner.type, above.owner);
    };
    const object = (value: Tree, node: Node, above: Above): void => {
      const here = this.#here(value, node, above);
      if (node.payload) tell(shown, here);
      let seen = false;
      for (const { from, coordinate } of node.leaves) {
        if (value[from] === null || value[from] === undefined) continue;
        shown.fields.add(coordinate);
        seen = true;
      }
      if (seen) tell(shown, here);
      for (const { from, twin, coordinate } of node.masks) {
        const readable = value[from];
        if (readable === null || readable === undefined) {
          if (value[twin] === null || value[twin] === undefined) continue;
          masked.fields.add(coordinate);
          tell(masked, here);
        } else {
          shown.fields.add(coordinate);
          tell(shown, here);
        }
      }
      if (node.refused.length > 0) {
        for (const one of node.refused) refused.fields.add(one);
        tell(refused, here);
      }
      for (const one of node.below) {
        const next = value[one.from];
        if (next === null || next === undefined) continue;
        if (one.coordinate && (here.id !== null || here.owner !== null)) {
          shown.fields.add(one.coordinate);
          tell(shown, here);
        }
        values(next, one, here);
      }
    };
    const values = (value: unknown, at: Below, above: Above): void => {
      if (Array.isArray(value)) {
        for (const one of value) values(one, at, above);
        return;
      }
      if (typeof value !== 'object' || value === null) return;
      const type = at.selection.typeOf(value as Tree, at.type);
      if (type) object(value as Tree, this.#nodes.of(at.selection, type, at.watched, at.payload), above);
    };
    const top = this.#nodes.of(this.#shape, this.#root, false, false);
    object(data, top, { type: null, id: null, owner: null });
    this.#arguments(shown, refused, data, variables);
    const full = (one: Bucket): Bucket | null => (one.fields.size > 0 ? one : null);
    if (shown.fields.size + masked.fields.size + refused.fields.size === 0) return null;
    return { shown: full(shown), masked: full(masked), refused: full(refused) };
  }

  #here(value: Tree, node: Node, above: Above): Above {
    const { owner } = this.#watch;
    let { type, id, owner: forWhom } = above;
    const key = node.key === null ? null : value[node.key];
    if (typeof key === 'string') {
      type = node.type;
      id = key;
      if (type === owner.type) forWhom = key;
    }
    if (node.path) {
      let at: unknown = value;
      for (const step of node.path) at = (at as Tree | null | undefined)?.[step];
      if (typeof at === 'string') forWhom = at;
    }
    return { type, id, owner: forWhom };
  }

  /** Root fields name in their arguments for whom they are: what is done, and what is refused before anything is fetched. */
  #arguments(shown: Bucket, refused: Bucket, data: Tree, variables: Readonly<Record<string, unknown>>): void {
    const { owner } = this.#watch;
    const mutation = this.#root.name === 'Mutation';
    for (const one of this.#shape.fields(this.#root)) {
      const field = this.#root.getFields()[one.name];
      if (!field || !watchedBy(this.#watch, this.#schema, this.#root, field)) continue;
      if (!mutation && !one.refusal && (data[one.from] === null || data[one.from] === undefined)) continue;
      const bucket = one.refusal ? refused : shown;
      if (mutation) bucket.fields.add(`Mutation.${one.name}`);
      if (bucket.fields.size === 0) continue;
      for (const id of this.#named(one.key, field.args, variables)) bucket.name(owner.type, id);
    }
  }

  #named(
    key: string,
    args: readonly { readonly name: string; readonly type: GraphQLInputType }[],
    variables: Readonly<Record<string, unknown>>,
  ): string[] {
    const found: string[] = [];
    const look = (type: GraphQLInputType, value: unknown): void => {
      const bare = getNullableType(type);
      if (value === null || value === undefined) return;
      if (isListType(bare)) for (const one of Array.isArray(value) ? value : [value]) look(bare.ofType, one);
      else if (isInputObjectType(bare)) {
        for (const field of Object.values(bare.getFields())) look(field.type, (value as Tree)[field.name]);
      } else if (isLeafType(bare) && getNamedType(bare).name === this.#watch.owner.scalar) found.push(String(value));
    };
    for (const node of this.#rootFields) {
      if ((node.alias ?? node.name).value !== key) continue;
      for (const given of node.arguments ?? []) {
        const type = args.find((one) => one.name === given.name.value)?.type;
        if (type) look(type, valueFromASTUntyped(given.value, { ...variables }));
      }
    }
    return found;
  }
}

/** Fragments at the root opened. */
function rootFields(set: SelectionSetNode, fragments: ReadonlyMap<string, FragmentDefinitionNode>): FieldNode[] {
  return set.selections.flatMap((one): FieldNode[] => {
    if (one.kind === Kind.FIELD) return [one];
    const fragment = one.kind === Kind.INLINE_FRAGMENT ? one : fragments.get(one.name.value);
    return fragment ? rootFields(fragment.selectionSet, fragments) : [];
  });
}
