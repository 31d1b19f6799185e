/**
 * Collects the provenance of a response if the request has asked for it. Adds `provenance` fields to the plan under hidden keys, which the
 * response's shape does not contain. A leaf field of a subgraph that does not provide the type's `provenance` takes it from a sibling object of
 * the same subgraph. Key fields need none: they belong to the object that refers to them.
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
import type { CompositeType } from '../document-nodes.ts';
import type { FieldSelection, NormalizedSelection } from '../plan/normalized-selection.ts';
import type { DataObject } from '../response-data.ts';
import type { SelectionShape, ValueShape } from './response-shape.ts';

/** One entry of `extensions.provenance`. It applies to all leaves of `data` below its path that have no entry with a longer path. */
export interface ProvenanceEntry {
  readonly path: readonly (string | number)[];
  readonly source: string;
  readonly system: string;
  readonly recordedAt: string | null;
  readonly fetchedAt: string;
  readonly stale: boolean;
  /** Response keys at the path that are masked for this caller. */
  readonly masked: readonly string[];
}

/** Which subgraphs resolve a field, and which fields are keys. */
export interface FieldOwnership {
  /** The subgraphs as enum values of `join__Graph`; empty for unknown fields. */
  subgraphsOf(type: string, field: string): ReadonlySet<string>;
  isKey(type: string, field: string): boolean;
}

const PROVENANCE = 'provenance';
const PROVENANCE_FIELDS = ['source', 'system', 'recordedAt', 'fetchedAt', 'stale', 'masked'] as const;

/** Reads `join__type` and `join__field` of the supergraph. */
export function readFieldOwnership(text: string): FieldOwnership {
  const fields = new Map<string, Set<string>>();
  const keys = new Set<string>();
  const argument = (
    node: { arguments?: readonly { name: { value: string }; value: unknown }[] | undefined },
    name: string,
  ) =>
    node.arguments?.find((argument) => argument.name.value === name)?.value as
      | { kind: string; value: string }
      | undefined;
  const read = (node: DocumentNode['definitions'][number]): void => {
    if (node.kind !== Kind.OBJECT_TYPE_DEFINITION && node.kind !== Kind.INTERFACE_TYPE_DEFINITION) return;
    const type = node.name.value;
    const joined = (node.directives ?? []).filter((directive) => directive.name.value === 'join__type');
    const subgraphs = joined.flatMap((join) => argument(join, 'graph')?.value ?? []);
    for (const join of joined)
      for (const key of argument(join, 'key')?.value.split(/[\s{}]+/) ?? []) keys.add(`${type}.${key}`);
    for (const field of node.fields ?? []) {
      const joins = (field.directives ?? []).filter(
        (directive) => directive.name.value === 'join__field' && argument(directive, 'external') === undefined,
      );
      const graphs = joins.flatMap((join) => argument(join, 'graph')?.value ?? []);
      fields.set(`${type}.${field.name.value}`, new Set(graphs.length > 0 ? graphs : subgraphs));
    }
  };
  visit(parse(text, { noLocation: true }), { ObjectTypeDefinition: read, InterfaceTypeDefinition: read });
  const none: ReadonlySet<string> = new Set();
  return {
    subgraphsOf: (type, field) => fields.get(`${type}.${field}`) ?? none,
    isKey: (type, field) => keys.has(`${type}.${field}`),
  };
}

const intersect = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean => [...a].some((element) => b.has(element));

const fieldOf = (type: CompositeType, name: string): GraphQLField<unknown, unknown> | undefined =>
  isUnionType(type) ? undefined : type.getFields()[name];

/** Whether objects of that type have a `provenance` field. */
const hasProvenance = (type: CompositeType): boolean => {
  const field = fieldOf(type, PROVENANCE);
  return field !== undefined && getNamedType(field.type).name === 'Provenance';
};

export class ProvenanceCollector {
  readonly #schema: GraphQLSchema;
  readonly #ownership: FieldOwnership;
  readonly #prefix: string;

  /** `prefix`: from `hiddenKeyPrefix`. */
  constructor(schema: GraphQLSchema, owned: FieldOwnership, prefix: string) {
    this.#schema = schema;
    this.#ownership = owned;
    this.#prefix = `${prefix}proof_`;
  }

  #hiddenKey(name: string): string {
    return this.#prefix + name;
  }

  /** One key must not have two types, and nullability is part of the type. */
  #keyOf(name: string, field: GraphQLField<unknown, unknown>): string {
    return this.#hiddenKey(isNonNullType(field.type) ? `${name}N` : name);
  }

  /** Adds the provenance fields to the selections of the root. */
  add(items: NormalizedSelection[], root: CompositeType): void {
    this.#add(items, root, false);
  }

  /** `isCovered`: an ancestor has provenance. */
  #add(list: NormalizedSelection[], type: CompositeType, isCovered: boolean): void {
    const siblings = new Set<string>();
    let needsOwn = false;
    let isCoveredBelow = isCovered;
    for (const item of list) {
      if ('on' in item || item.type === null) continue;
      const from = this.#provenanceFor(type, item.node.name.value, isCovered);
      if (from === 'own') needsOwn = true;
      else if (from) siblings.add(from);
    }
    if (needsOwn) isCoveredBelow = true;
    for (const item of list) {
      if (!item.selections) continue;
      if ('on' in item) this.#add(item.selections, item.on, isCoveredBelow);
      else {
        const inner = item.type && getNamedType(item.type);
        if (isCompositeType(inner) && inner.name !== 'Provenance')
          this.#add(item.selections, inner, isCoveredBelow || hasProvenance(type));
      }
    }
    if (needsOwn) list.push(this.#provenanceSelection(type, PROVENANCE));
    for (const name of siblings) {
      const field = fieldOf(type, name);
      const inner = field && getNamedType(field.type);
      if (!field || !isCompositeType(inner)) continue;
      list.push({
        node: aliasedField(this.#keyOf(name, field), name),
        type: field.type,
        selections: [this.#provenanceSelection(inner, PROVENANCE)],
      });
    }
  }

  /** Where a field takes its provenance from: `own` (the type's own), the name of a sibling field, or null if it needs none. */
  #provenanceFor(type: CompositeType, name: string, isCovered: boolean): string | null {
    const field = fieldOf(type, name);
    if (!field || isUnionType(type) || name === PROVENANCE) return null;
    const inner = getNamedType(field.type);
    if (isCompositeType(inner) && (inner.name === 'Provenance' || this.#alwaysHasProvenance(inner))) return null;
    if (!hasProvenance(type)) return null;
    if (this.#ownership.isKey(type.name, name) && isCovered) return null;
    const owners = this.#ownership.subgraphsOf(type.name, name);
    if (intersect(owners, this.#ownership.subgraphsOf(type.name, PROVENANCE))) return 'own';
    for (const sibling of Object.values(type.getFields())) {
      const siblingType = getNamedType(sibling.type);
      const needsNoArguments = sibling.args.every((arg) => !isNonNullType(arg.type) || arg.defaultValue !== undefined);
      const isList = String(sibling.type).includes('[');
      if (
        !isList &&
        needsNoArguments &&
        isCompositeType(siblingType) &&
        hasProvenance(siblingType) &&
        intersect(owners, this.#ownership.subgraphsOf(type.name, sibling.name))
      ) {
        return sibling.name;
      }
    }
    return null;
  }

  /** Whether objects of the type, or of all its member types, have provenance. */
  #alwaysHasProvenance(type: CompositeType): boolean {
    if (hasProvenance(type)) return true;
    return isUnionType(type) && this.#schema.getPossibleTypes(type).every(hasProvenance);
  }

  #provenanceSelection(type: CompositeType, name: string): FieldSelection {
    const field = fieldOf(type, name);
    const inner = field && getNamedType(field.type);
    if (!field || !isCompositeType(inner)) throw new Error(`unreachable: ${type.name}.${name} has provenance`);
    const items = PROVENANCE_FIELDS.map((name): FieldSelection => {
      const leaf = fieldOf(inner, name);
      if (!leaf) throw new Error(`Type Provenance has no field ${name}.`);
      return { node: aliasedField(this.#hiddenKey(name), name), type: leaf.type, selections: null };
    });
    return { node: aliasedField(this.#keyOf(name, field), name), type: field.type, selections: items };
  }

  /** Reads the provenance from the merged data, in the order of the response. */
  read(shape: SelectionShape, root: CompositeType, data: DataObject): ProvenanceEntry[] {
    const entries: ProvenanceEntry[] = [];
    this.#readObject(data, shape, root, [], false, entries);
    return entries;
  }

  #readObject(
    value: DataObject,
    selection: SelectionShape,
    type: CompositeType,
    path: readonly (string | number)[],
    isCovered: boolean,
    entries: ProvenanceEntry[],
  ): void {
    const fields = selection.fields(type);
    const ownField = fieldOf(type, PROVENANCE);
    const provenance = ownField && (value[this.#keyOf(PROVENANCE, ownField)] as DataObject | null | undefined);
    if (provenance) {
      const masked = provenance[this.#hiddenKey('masked')] as readonly string[] | null;
      const keys = fields.filter((field) => masked?.includes(field.name)).map((field) => field.responseKey);
      entries.push(this.#createEntry(path, provenance, keys));
    }
    for (const field of fields) {
      const next = value[field.dataKey];
      if (!field.value || next === null || next === undefined || field.accessError) continue;
      const from = this.#provenanceFor(type, field.name, isCovered);
      if (from !== null && from !== 'own') {
        const sibling = fieldOf(type, from);
        const object = sibling && (value[this.#keyOf(from, sibling)] as DataObject | null | undefined);
        const inner = sibling && getNamedType(sibling.type);
        const provenanceField = inner && isCompositeType(inner) ? fieldOf(inner, PROVENANCE) : undefined;
        const record =
          provenanceField && (object?.[this.#keyOf(PROVENANCE, provenanceField)] as DataObject | null | undefined);
        if (record) entries.push(this.#createEntry([...path, field.responseKey], record, []));
      }
      this.#readValue(
        next,
        field.value,
        [...path, field.responseKey],
        isCovered || provenance !== undefined || hasProvenance(type),
        entries,
      );
    }
  }

  #readValue(
    value: unknown,
    shape: ValueShape,
    path: readonly (string | number)[],
    isCovered: boolean,
    entries: ProvenanceEntry[],
  ): void {
    if (value === null || value === undefined || shape.kind === 'leaf') return;
    if (shape.kind === 'list') {
      if (Array.isArray(value))
        value.forEach((item, i) => void this.#readValue(item, shape.item, [...path, i], isCovered, entries));
      return;
    }
    const type = shape.selection.typeOf(value as DataObject, shape.type);
    if (type && type.name !== 'Provenance')
      this.#readObject(value as DataObject, shape.selection, type, path, isCovered, entries);
  }

  #createEntry(path: readonly (string | number)[], record: DataObject, masked: readonly string[]): ProvenanceEntry {
    return {
      path,
      source: String(record[this.#hiddenKey('source')]),
      system: String(record[this.#hiddenKey('system')]),
      recordedAt: (record[this.#hiddenKey('recordedAt')] as string | null | undefined) ?? null,
      fetchedAt: String(record[this.#hiddenKey('fetchedAt')]),
      stale: record[this.#hiddenKey('stale')] === true,
      masked,
    };
  }
}

const aliasedField = (alias: string, name: string): FieldNode => ({
  kind: Kind.FIELD,
  alias: { kind: Kind.NAME, value: alias },
  name: { kind: Kind.NAME, value: name },
});
