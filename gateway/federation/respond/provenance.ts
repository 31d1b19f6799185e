/**
 * Where the values of an answer come from, when the request asks for it. The plan is asked for `provenance` beside what a subgraph
 * answers of a type, under hidden keys that the answer's shape does not know; a bare leaf of a subgraph that does not own the type's
 * `provenance` takes it from a sibling object of the same subgraph. Key leaves ask for nothing: they belong to what named them.
 */
import {
  type DocumentNode,
  type FieldNode,
  type GraphQLField,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isNonNullType,
  isUnionType,
  Kind,
  parse,
  visit,
} from 'graphql';
import type { Composite, FieldItem, Item } from '../plan/normalized-selection.ts';
import type { Tree } from '../response-data.ts';
import type { Selection, ValueShape } from './response-shape.ts';

/** One line of `extensions.provenance`. A leaf of `data` belongs to its longest listed path. */
export interface ProofEntry {
  readonly path: readonly (string | number)[];
  readonly source: string;
  readonly system: string;
  readonly recordedAt: string | null;
  readonly fetchedAt: string;
  readonly stale: boolean;
  /** Response keys at the path that are masked for this caller. */
  readonly masked: readonly string[];
}

/** Which subgraphs answer a field, and which fields are keys. */
export interface Ownership {
  /** Names of subgraphs as the supergraph's text has them; empty for what nobody owns alone. */
  of(type: string, field: string): ReadonlySet<string>;
  isKey(type: string, field: string): boolean;
}

const PROVENANCE = 'provenance';
const TOLD = ['source', 'system', 'recordedAt', 'fetchedAt', 'stale', 'masked'] as const;

/** Reads `join__type` and `join__field` of the supergraph. */
export function readOwnership(text: string): Ownership {
  const fields = new Map<string, Set<string>>();
  const keys = new Set<string>();
  const argument = (
    node: { arguments?: readonly { name: { value: string }; value: unknown }[] | undefined },
    name: string,
  ) => node.arguments?.find((one) => one.name.value === name)?.value as { kind: string; value: string } | undefined;
  const take = (node: DocumentNode['definitions'][number]): void => {
    if (node.kind !== Kind.OBJECT_TYPE_DEFINITION && node.kind !== Kind.INTERFACE_TYPE_DEFINITION) return;
    const type = node.name.value;
    const joined = (node.directives ?? []).filter((one) => one.name.value === 'join__type');
    const all = joined.flatMap((one) => argument(one, 'graph')?.value ?? []);
    for (const one of joined)
      for (const key of argument(one, 'key')?.value.split(/[\s{}]+/) ?? []) keys.add(`${type}.${key}`);
    for (const field of node.fields ?? []) {
      const own = (field.directives ?? []).filter(
        (one) => one.name.value === 'join__field' && argument(one, 'external') === undefined,
      );
      const graphs = own.flatMap((one) => argument(one, 'graph')?.value ?? []);
      fields.set(`${type}.${field.name.value}`, new Set(graphs.length > 0 ? graphs : all));
    }
  };
  visit(parse(text, { noLocation: true }), { ObjectTypeDefinition: take, InterfaceTypeDefinition: take });
  const none: ReadonlySet<string> = new Set();
  return {
    of: (type, field) => fields.get(`${type}.${field}`) ?? none,
    isKey: (type, field) => keys.has(`${type}.${field}`),
  };
}

const meet = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean => [...a].some((one) => b.has(one));

const fieldOf = (type: Composite, name: string): GraphQLField<unknown, unknown> | undefined =>
  isUnionType(type) ? undefined : type.getFields()[name];

/** Whether the objects of that type say themselves where they come from. */
const speaks = (type: Composite): boolean => {
  const field = fieldOf(type, PROVENANCE);
  return field !== undefined && getNamedType(field.type).name === 'Provenance';
};

export class Proof {
  readonly #schema: GraphQLSchema;
  readonly #owned: Ownership;
  readonly #prefix: string;

  /** `prefix`: how hidden keys begin; no key of the client's document does. */
  constructor(schema: GraphQLSchema, owned: Ownership, prefix: string) {
    this.#schema = schema;
    this.#owned = owned;
    this.#prefix = `${prefix}proof_`;
  }

  #hidden(name: string): string {
    return this.#prefix + name;
  }

  /** Two types of value must not stand under one key: whether it may be null is part of it. */
  #keyOf(name: string, field: GraphQLField<unknown, unknown>): string {
    return this.#hidden(isNonNullType(field.type) ? `${name}N` : name);
  }

  /** Adds what must be asked to what is planned. */
  add(items: Item[], root: Composite): void {
    this.#add(items, root, false);
  }

  #add(list: Item[], type: Composite, covered: boolean): void {
    const standIns = new Set<string>();
    let own = false;
    let below = covered;
    for (const one of list) {
      if ('on' in one || one.type === null) continue;
      const need = this.#need(type, one.node.name.value, covered);
      if (need === 'own') own = true;
      else if (need) standIns.add(need);
    }
    if (own) below = true;
    for (const one of list) {
      if (!one.items) continue;
      if ('on' in one) this.#add(one.items, one.on, below);
      else {
        const inner = one.type && getNamedType(one.type);
        if (isCompositeType(inner) && inner.name !== 'Provenance') this.#add(one.items, inner, below || speaks(type));
      }
    }
    if (own) list.push(this.#ask(type, PROVENANCE));
    for (const field of standIns) {
      const found = fieldOf(type, field);
      const inner = found && getNamedType(found.type);
      if (!found || !isCompositeType(inner)) continue;
      list.push({
        node: node(this.#keyOf(field, found), field),
        type: found.type,
        items: [this.#ask(inner, PROVENANCE)],
      });
    }
  }

  /** What a field needs: `own`, the type's own provenance; a sibling's name; or null. */
  #need(type: Composite, name: string, covered: boolean): string | null {
    const field = fieldOf(type, name);
    if (!field || isUnionType(type) || name === PROVENANCE) return null;
    const inner = getNamedType(field.type);
    if (isCompositeType(inner) && (inner.name === 'Provenance' || this.#tells(inner))) return null;
    if (!speaks(type)) return null;
    if (this.#owned.isKey(type.name, name) && covered) return null;
    const owners = this.#owned.of(type.name, name);
    if (meet(owners, this.#owned.of(type.name, PROVENANCE))) return 'own';
    for (const other of Object.values(type.getFields())) {
      const beside = getNamedType(other.type);
      const free = other.args.every((one) => !isNonNullType(one.type) || one.defaultValue !== undefined);
      const list = String(other.type).includes('[');
      if (
        !list &&
        free &&
        isCompositeType(beside) &&
        speaks(beside) &&
        meet(owners, this.#owned.of(type.name, other.name))
      ) {
        return other.name;
      }
    }
    return null;
  }

  /** Whether objects of the type, or of all its members, say where they come from. */
  #tells(type: Composite): boolean {
    if (speaks(type)) return true;
    return isUnionType(type) && this.#schema.getPossibleTypes(type).every(speaks);
  }

  #ask(type: Composite, name: string): FieldItem {
    const field = fieldOf(type, name);
    const inner = field && getNamedType(field.type);
    if (!field || !isCompositeType(inner)) throw new Error(`${type.name} has no ${name}.`);
    const items = TOLD.map((one): FieldItem => {
      const leaf = fieldOf(inner, one);
      if (!leaf) throw new Error(`Provenance has no ${one}.`);
      return { node: node(this.#hidden(one), one), type: leaf.type, items: null };
    });
    return { node: node(this.#keyOf(name, field), name), type: field.type, items };
  }

  /** What the merged data says, by the places of the answer. */
  read(shape: Selection, root: Composite, data: Tree): ProofEntry[] {
    const found: ProofEntry[] = [];
    this.#object(data, shape, root, [], false, found);
    return found;
  }

  #object(
    value: Tree,
    selection: Selection,
    type: Composite,
    path: readonly (string | number)[],
    covered: boolean,
    found: ProofEntry[],
  ): void {
    const fields = selection.fields(type);
    const own = fieldOf(type, PROVENANCE);
    const said = own && (value[this.#keyOf(PROVENANCE, own)] as Tree | null | undefined);
    if (said) {
      const masked = said[this.#hidden('masked')] as readonly string[] | null;
      const keys = fields.filter((one) => masked?.includes(one.name)).map((one) => one.key);
      found.push(this.#entry(path, said, keys));
    }
    for (const one of fields) {
      const next = value[one.from];
      if (!one.value || next === null || next === undefined || one.refusal) continue;
      const need = this.#need(type, one.name, covered);
      if (need !== null && need !== 'own') {
        const beside = fieldOf(type, need);
        const object = beside && (value[this.#keyOf(need, beside)] as Tree | null | undefined);
        const inner = beside && getNamedType(beside.type);
        const proof = inner && isCompositeType(inner) ? fieldOf(inner, PROVENANCE) : undefined;
        const told = proof && (object?.[this.#keyOf(PROVENANCE, proof)] as Tree | null | undefined);
        if (told) found.push(this.#entry([...path, one.key], told, []));
      }
      this.#value(next, one.value, [...path, one.key], covered || said !== undefined || speaks(type), found);
    }
  }

  #value(
    value: unknown,
    shape: ValueShape,
    path: readonly (string | number)[],
    covered: boolean,
    found: ProofEntry[],
  ): void {
    if (value === null || value === undefined || shape.kind === 'leaf') return;
    if (shape.kind === 'list') {
      if (Array.isArray(value))
        value.forEach((one, i) => void this.#value(one, shape.of, [...path, i], covered, found));
      return;
    }
    const type = shape.selection.typeOf(value as Tree, shape.type);
    if (type && type.name !== 'Provenance') this.#object(value as Tree, shape.selection, type, path, covered, found);
  }

  #entry(path: readonly (string | number)[], said: Tree, masked: readonly string[]): ProofEntry {
    return {
      path,
      source: String(said[this.#hidden('source')]),
      system: String(said[this.#hidden('system')]),
      recordedAt: (said[this.#hidden('recordedAt')] as string | null | undefined) ?? null,
      fetchedAt: String(said[this.#hidden('fetchedAt')]),
      stale: said[this.#hidden('stale')] === true,
      masked,
    };
  }
}

const node = (alias: string, name: string): FieldNode => ({
  kind: Kind.FIELD,
  alias: { kind: Kind.NAME, value: alias },
  name: { kind: Kind.NAME, value: name },
});
