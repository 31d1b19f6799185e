/**
 * What an operation reads of what must be accounted for. The plan is asked for a little more than the client: the keys of the
 * entities that it touches, and the masked twins of masked fields; the answer's shape does not know of them, so no client sees them.
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
import type { FieldCoordinate } from '../field-access.ts';
import type { Composite, FieldItem, Item } from './normalized-selection.ts';

/** What must be accounted for; told by the trust room. */
export interface Watch {
  /** Whether reading this field is an access to protected data; what lies below it is then one too. */
  watched(coordinate: FieldCoordinate): boolean;
  /** Types whose objects are named in the account, with the field that names them. */
  readonly subjects: ReadonlyMap<string, string>;
  /** The type for which everything is accounted, and the scalar that names it in arguments. */
  readonly owner: { readonly type: string; readonly scalar: string };
}

/** How the keys of hidden fields begin: as no key of the document does, so that nobody can put another value in their place. */
export function hiddenPrefix(document: DocumentNode): string {
  const aliases: string[] = [];
  visit(document, { Field: (node) => void (node.alias && aliases.push(node.alias.value)) });
  for (let n = 0; ; n++) {
    const prefix = `isthmusKey${n}_`;
    if (!aliases.some((one) => one.startsWith(prefix))) return prefix;
  }
}

/** A readable field and the one that stands in when it is masked. */
export const twinOf = (field: string): string => `${field}Masked`;

/** Whether the document asks for anything watched, refused or not. */
export function asksWatched(schema: GraphQLSchema, document: DocumentNode, watch: Watch): boolean {
  const info = new TypeInfo(schema);
  let found = false;
  visit(
    document,
    visitWithTypeInfo(info, {
      Field: () => {
        const parent = info.getParentType();
        const field = info.getFieldDef();
        if (parent && field && watchedBy(watch, schema, parent, field)) found = true;
        return found ? false : undefined;
      },
    }),
  );
  return found;
}

/** Also by an interface of the type, or by a type of the interface. */
export function watchedBy(
  watch: Watch,
  schema: GraphQLSchema,
  parent: GraphQLNamedType,
  field: Pick<GraphQLField<unknown, unknown>, 'name' | 'type'>,
): boolean {
  const returns = getNamedType(field.type).name;
  const kin = isInterfaceType(parent)
    ? [parent, ...schema.getPossibleTypes(parent)]
    : isObjectType(parent)
      ? [parent, ...parent.getInterfaces()]
      : [parent];
  return kin.some((one) => watch.watched({ type: one.name, field: field.name, returns }));
}

/** How an object tells for whom it stands: the fields to walk, or null. */
export function ownerPath(watch: Watch, type: Composite, payload: boolean): readonly string[] | null {
  if (isUnionType(type)) return null;
  const leads = (one: Composite): string | undefined =>
    isUnionType(one)
      ? undefined
      : Object.values(one.getFields()).find((field) => String(field.type).replace('!', '') === watch.owner.type)?.name;
  const own = leads(type);
  if (own) return [own];
  if (!payload) return null;
  for (const field of Object.values(type.getFields())) {
    const inner = getNamedType(field.type);
    const next = isCompositeType(inner) && !String(field.type).startsWith('[') ? leads(inner) : undefined;
    if (next) return [field.name, next];
  }
  return null;
}

/** Adds the hidden fields to what is planned. `items` are those of a position of that type. */
export function addHidden(
  { schema, watch, prefix }: { schema: GraphQLSchema; watch: Watch; prefix: string },
  items: Item[],
  root: Composite,
): void {
  const set = (list: Item[], type: Composite, below: boolean, owned: boolean, payload: boolean): void => {
    const subject = watch.subjects.get(type.name);
    const path = type.name === watch.owner.type || owned || !below ? null : ownerPath(watch, type, payload);
    const known = owned || type.name === watch.owner.type || path !== null;
    for (const one of list) {
      if (!one.items) continue;
      if ('on' in one) {
        set(one.items, one.on, below, known, payload);
        continue;
      }
      const inner = one.type && getNamedType(one.type);
      const field = isUnionType(type) ? undefined : type.getFields()[one.node.name.value];
      if (!field || !isCompositeType(inner)) continue;
      const under = below || watchedBy(watch, schema, type, field);
      set(one.items, inner, under, known, root.name === 'Mutation' && type === root);
    }
    if (isUnionType(type)) return;
    if (subject) add(list, type, [subject], prefix);
    if (path) add(list, type, [...path, watch.subjects.get(watch.owner.type) ?? 'id'], prefix);
    if (!below) return;
    for (const one of [...list]) {
      const twin = 'on' in one ? undefined : type.getFields()[twinOf(one.node.name.value)];
      if (twin) add(list, type, [twin.name], prefix);
    }
  };
  set(items, root, false, false, false);
}

/** Adds the fields of `path`, each below the one before, under hidden keys. */
function add(list: Item[], type: Composite, path: readonly string[], prefix: string): void {
  const [name, ...rest] = path;
  const field = isUnionType(type) || name === undefined ? undefined : type.getFields()[name];
  if (!field || name === undefined) return;
  const inner = getNamedType(field.type);
  const items: Item[] | null = isCompositeType(inner) ? [] : null;
  if (items && isCompositeType(inner)) add(items, inner, rest, prefix);
  const node: FieldNode = {
    kind: Kind.FIELD,
    alias: { kind: Kind.NAME, value: prefix + name },
    name: { kind: Kind.NAME, value: name },
  };
  const made: FieldItem = { node, type: field.type, items };
  list.push(made);
}
