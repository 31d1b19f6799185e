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
  isUnionType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  valueFromASTUntyped,
} from 'graphql';
import type { Tree } from './data.ts';
import { fragmentsOf } from './document.ts';
import type { Composite } from './normal.ts';
import type { Selection, ValueShape } from './shape.ts';
import { hiddenKey, ownerPath, twinOf, type Watch, watchedBy } from './watch.ts';

/** One way in which fields were read: shown, masked or refused. */
export interface Touch {
  /** Coordinates, such as `TaxAccount.standing`. */
  readonly fields: ReadonlySet<string>;
  /** Ids by type. */
  readonly subjects: ReadonlyMap<string, ReadonlySet<string>>;
}

export interface Touched {
  readonly shown: Touch | null;
  readonly masked: Touch | null;
  readonly refused: Touch | null;
}

interface Below {
  readonly from: string;
  readonly type: Composite;
  readonly selection: Selection;
  readonly watched: boolean;
  /** Directly watched, with a coordinate of its own. */
  readonly coordinate: string | null;
  readonly payload: boolean;
}

/** What an object of one type at one place of the document can tell. */
interface Node {
  readonly key: string | null;
  readonly type: string;
  readonly path: readonly string[] | null;
  /** What a mutation answers. */
  readonly payload: boolean;
  readonly leaves: readonly string[];
  readonly masks: readonly { readonly from: string; readonly twin: string; readonly coordinate: string }[];
  readonly refused: readonly string[];
  readonly below: readonly Below[];
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

/** Containers of records: their own leaves tell nothing. */
const WRAPPER = /^(PageInfo|Provenance|EventsBatch|Gap|Lagged|.*Connection|.*Edge|.*Payload)$/;

export class Account {
  readonly #schema: GraphQLSchema;
  readonly #watch: Watch;
  readonly #shape: Selection;
  readonly #rootFields: readonly FieldNode[];
  readonly #root: GraphQLObjectType;
  readonly #nodes = new Map<Selection, Map<string, Node>>();

  constructor(parts: {
    schema: GraphQLSchema;
    watch: Watch;
    shape: Selection;
    document: DocumentNode;
    operation: OperationDefinitionNode;
    root: GraphQLObjectType;
  }) {
    this.#schema = parts.schema;
    this.#watch = parts.watch;
    this.#shape = parts.shape;
    this.#rootFields = rootFields(parts.operation.selectionSet, fragmentsOf(parts.document));
    this.#root = parts.root;
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
      if (node.leaves.length > 0) {
        for (const leaf of node.leaves) shown.fields.add(leaf);
        tell(shown, here);
      }
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
      if (type) object(value as Tree, this.#node(at.selection, type, at.watched, at.payload), above);
    };
    const top = this.#node(this.#shape, this.#root, false, false);
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

  #node(selection: Selection, type: Composite, below: boolean, payload: boolean): Node {
    const mark = `${type.name}${below ? '+' : '-'}${payload ? 'p' : ''}`;
    const known = this.#nodes.get(selection) ?? new Map<string, Node>();
    this.#nodes.set(selection, known);
    const found = known.get(mark) ?? this.#make(selection, type, below, payload);
    known.set(mark, found);
    return found;
  }

  #make(selection: Selection, type: Composite, below: boolean, payload: boolean): Node {
    const watch = this.#watch;
    const subject = watch.subjects.get(type.name);
    const path = below && type.name !== watch.owner.type ? ownerPath(watch, type, payload) : null;
    const leaves: string[] = [];
    const masks: { from: string; twin: string; coordinate: string }[] = [];
    const refused: string[] = [];
    const next: Below[] = [];
    const fields = isUnionType(type) ? {} : type.getFields();
    const wrapper = WRAPPER.test(type.name);
    for (const { name, from, value, refusal } of selection.fields(type)) {
      const field = fields[name];
      if (!field || !value) continue;
      const coordinate = `${type.name}.${name}`;
      const direct = watchedBy(watch, this.#schema, type, field);
      if (refusal) {
        if (direct) refused.push(coordinate);
        continue;
      }
      const inner = innermost(value);
      if (inner.kind === 'object') {
        const own = direct && watch.watched({ type: type.name, field: name, returns: '' });
        const isPayload = type === this.#root && this.#root.name === 'Mutation';
        next.push({
          from,
          type: inner.type,
          selection: inner.selection,
          watched: below || direct,
          coordinate: own ? coordinate : null,
          payload: isPayload,
        });
      } else if ((below || direct) && !wrapper) {
        if (fields[twinOf(name)]) masks.push({ from, twin: hiddenKey(twinOf(name)), coordinate });
        else leaves.push(coordinate);
      }
    }
    return {
      key: subject === undefined ? null : hiddenKey(subject),
      type: type.name,
      payload,
      path: path && [...path, watch.subjects.get(watch.owner.type) ?? 'id'].map(hiddenKey),
      leaves,
      masks,
      refused,
      below: next.filter((one) => one.watched || this.#reaches(one)),
    };
  }

  /** Whether anything watched can stand below. */
  #reaches(at: Below): boolean {
    return at.selection.possible(at.type).some((type) => {
      if (at.type !== type && isUnionType(at.type) && isUnionType(type)) return false;
      const { below, refused, leaves, masks } = this.#node(at.selection, type, at.watched, at.payload);
      return at.payload || below.length + refused.length + leaves.length + masks.length > 0;
    });
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

function innermost(shape: ValueShape): Exclude<ValueShape, { kind: 'list' }> {
  return shape.kind === 'list' ? innermost(shape.of) : shape;
}
