/**
 * Adds hidden fields to operations that read protected data: the keys of the entities that are read, and the masked versions of readable
 * fields. They are fetched, but the response's shape does not contain them, so clients never see them.
 */
import {
  type DocumentNode,
  type FieldNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isInterfaceType,
  isObjectType,
  isUnionType,
  Kind,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import type { CompositeType } from '../document-nodes.ts';
import type { FieldCoordinate } from '../field-access.ts';
import type { FieldSelection, NormalizedSelection } from './normalized-selection.ts';

/** Which fields are protected and whose data they are; `gateway/trust/audit` reads it from the supergraph. */
export interface ProtectedFields {
  /** Whether reading this field, and so everything below it, is an access to protected data. */
  isProtected(coordinate: FieldCoordinate): boolean;
  /** Types whose objects are reported, with the field that identifies them. */
  readonly subjects: ReadonlyMap<string, string>;
  /** The type to which protected data belongs, and the scalar that identifies it in arguments. */
  readonly owner: { readonly type: string; readonly scalar: string };
}

/** Prefix of the keys of hidden fields. No alias of the document has it, so a client cannot replace their values. */
export function hiddenKeyPrefix(document: DocumentNode): string {
  const aliases: string[] = [];
  visit(document, { Field: (node) => void (node.alias && aliases.push(node.alias.value)) });
  for (let n = 0; ; n++) {
    const prefix = `isthmusKey${n}_`;
    if (!aliases.some((alias) => alias.startsWith(prefix))) return prefix;
  }
}

/** Name of the field that is readable when `field` is masked. */
export const maskedFieldName = (field: string): string => `${field}Masked`;

/** Whether the document selects a protected field, denied or not. */
export function selectsProtectedField(
  schema: GraphQLSchema,
  document: DocumentNode,
  protectedFields: ProtectedFields,
): boolean {
  const info = new TypeInfo(schema);
  let found = false;
  visit(
    document,
    visitWithTypeInfo(info, {
      Field: () => {
        const parent = info.getParentType();
        const field = info.getFieldDef();
        if (parent && field && isProtectedField(protectedFields, schema, parent, field)) found = true;
        return found ? false : undefined;
      },
    }),
  );
  return found;
}

/** Whether the field is protected on its type, on an interface of the type, or on a type of the interface. */
export function isProtectedField(
  protectedFields: ProtectedFields,
  schema: GraphQLSchema,
  parent: GraphQLNamedType,
  field: Pick<GraphQLField<unknown, unknown>, 'name' | 'type'>,
): boolean {
  const returns = getNamedType(field.type).name;
  const relatedTypes = isInterfaceType(parent)
    ? [parent, ...schema.getPossibleTypes(parent)]
    : isObjectType(parent)
      ? [parent, ...parent.getInterfaces()]
      : [parent];
  return relatedTypes.some(({ name: type }) => protectedFields.isProtected({ type, field: field.name, returns }));
}

/**
 * Path of fields from an object of that type to its owner; null if there is none. Of a mutation's payload it may lead through one object.
 */
export function pathToOwner(
  protectedFields: ProtectedFields,
  type: CompositeType,
  isPayload: boolean,
): readonly string[] | null {
  if (isUnionType(type)) return null;
  const ownerField = (composite: CompositeType): string | undefined =>
    isUnionType(composite)
      ? undefined
      : Object.values(composite.getFields()).find(
          (field) => String(field.type).replace('!', '') === protectedFields.owner.type,
        )?.name;
  const direct = ownerField(type);
  if (direct) return [direct];
  if (!isPayload) return null;
  for (const field of Object.values(type.getFields())) {
    const inner = getNamedType(field.type);
    const next = isCompositeType(inner) && !String(field.type).startsWith('[') ? ownerField(inner) : undefined;
    if (next) return [field.name, next];
  }
  return null;
}

export interface HiddenFieldOptions {
  readonly protectedFields: ProtectedFields;
  /** From `hiddenKeyPrefix`. */
  readonly prefix: string;
}

/** Adds the hidden fields to `items`, the selections of the operation's root. */
export function addHiddenFields(
  schema: GraphQLSchema,
  { protectedFields, prefix }: HiddenFieldOptions,
  items: NormalizedSelection[],
  root: CompositeType,
): void {
  /** `isBelow`: below a protected field. `hasOwner`: an ancestor leads to the owner. */
  const addTo = (
    list: NormalizedSelection[],
    type: CompositeType,
    isBelow: boolean,
    hasOwner: boolean,
    isPayload: boolean,
  ): void => {
    const subject = protectedFields.subjects.get(type.name);
    const path =
      type.name === protectedFields.owner.type || hasOwner || !isBelow
        ? null
        : pathToOwner(protectedFields, type, isPayload);
    const isOwned = hasOwner || type.name === protectedFields.owner.type || path !== null;
    for (const item of list) {
      if (!item.selections) continue;
      if ('on' in item) {
        addTo(item.selections, item.on, isBelow, isOwned, isPayload);
        continue;
      }
      const inner = item.type && getNamedType(item.type);
      const field = isUnionType(type) ? undefined : type.getFields()[item.node.name.value];
      if (!field || !isCompositeType(inner)) continue;
      const isProtected = isBelow || isProtectedField(protectedFields, schema, type, field);
      addTo(item.selections, inner, isProtected, isOwned, root.name === 'Mutation' && type === root);
    }
    if (isUnionType(type)) return;
    if (subject) addHiddenField(list, type, [subject], prefix);
    if (path)
      addHiddenField(list, type, [...path, protectedFields.subjects.get(protectedFields.owner.type) ?? 'id'], prefix);
    if (!isBelow) return;
    for (const item of [...list]) {
      const masked = 'on' in item ? undefined : type.getFields()[maskedFieldName(item.node.name.value)];
      if (masked) addHiddenField(list, type, [masked.name], prefix);
    }
  };
  addTo(items, root, false, false, false);
}

/** Adds the fields of `path`, each below the previous one, under hidden keys. */
function addHiddenField(
  list: NormalizedSelection[],
  type: CompositeType,
  path: readonly string[],
  prefix: string,
): void {
  const [name, ...rest] = path;
  const field = isUnionType(type) || name === undefined ? undefined : type.getFields()[name];
  if (!field || name === undefined) return;
  const inner = getNamedType(field.type);
  const items: NormalizedSelection[] | null = isCompositeType(inner) ? [] : null;
  if (items && isCompositeType(inner)) addHiddenField(items, inner, rest, prefix);
  const node: FieldNode = {
    kind: Kind.FIELD,
    alias: { kind: Kind.NAME, value: prefix + name },
    name: { kind: Kind.NAME, value: name },
  };
  const selection: FieldSelection = { node, type: field.type, selections: items };
  list.push(selection);
}
