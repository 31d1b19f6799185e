/** What can be told of each place of a document, worked out once per operation: see watch.ts and touched.ts. */
import { type GraphQLObjectType, type GraphQLSchema, isUnionType } from 'graphql';
import type { Composite } from '../plan/normalized-selection.ts';
import { ownerPath, twinOf, type Watch, watchedBy } from '../plan/protected-fields.ts';
import type { Selection, ValueShape } from './response-shape.ts';

/** A field that leads on to objects of which something can be told. */
export interface Below {
  readonly from: string;
  readonly type: Composite;
  readonly selection: Selection;
  readonly watched: boolean;
  /** Directly watched, with a coordinate of its own. */
  readonly coordinate: string | null;
  readonly payload: boolean;
}

/** What an object of one type at one place of the document can tell. */
export interface Node {
  readonly key: string | null;
  readonly type: string;
  readonly path: readonly string[] | null;
  /** What a mutation answers. */
  readonly payload: boolean;
  readonly leaves: readonly { readonly from: string; readonly coordinate: string }[];
  readonly masks: readonly { readonly from: string; readonly twin: string; readonly coordinate: string }[];
  readonly refused: readonly string[];
  readonly below: readonly Below[];
}

/** Containers of records: their own leaves tell nothing. */
const WRAPPER = /^(PageInfo|Provenance|EventsBatch|Gap|Lagged|.*Connection|.*Edge|.*Payload)$/;

/** Works each place out once, at first use. */
export class Nodes {
  readonly #schema: GraphQLSchema;
  readonly #watch: Watch;
  readonly #root: GraphQLObjectType;
  readonly #prefix: string;
  readonly #nodes = new Map<Selection, Map<string, Node>>();

  constructor(parts: { schema: GraphQLSchema; watch: Watch; root: GraphQLObjectType; prefix: string }) {
    this.#schema = parts.schema;
    this.#watch = parts.watch;
    this.#root = parts.root;
    this.#prefix = parts.prefix;
  }

  of(selection: Selection, type: Composite, below: boolean, payload: boolean): Node {
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
    const leaves: { from: string; coordinate: string }[] = [];
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
        if (fields[twinOf(name)]) masks.push({ from, twin: this.#prefix + twinOf(name), coordinate });
        else leaves.push({ from, coordinate });
      }
    }
    return {
      key: subject === undefined ? null : this.#prefix + subject,
      type: type.name,
      payload,
      path: path && [...path, watch.subjects.get(watch.owner.type) ?? 'id'].map((step) => this.#prefix + step),
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
      const { below, refused, leaves, masks } = this.of(at.selection, type, at.watched, at.payload);
      return at.payload || below.length + refused.length + leaves.length + masks.length > 0;
    });
  }
}

function innermost(shape: ValueShape): Exclude<ValueShape, { kind: 'list' }> {
  return shape.kind === 'list' ? innermost(shape.of) : shape;
}
