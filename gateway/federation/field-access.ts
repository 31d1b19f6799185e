/** What a caller may not see: asked once per field of the graph and operation. */
import { type GraphQLNamedType, type GraphQLSchema, getNamedType, isInterfaceType, isObjectType } from 'graphql';

export interface FieldCoordinate {
  readonly type: string;
  readonly field: string;
  /** Named type that the field returns. */
  readonly returns: string;
}
export interface Refusal {
  readonly code: string;
  readonly message: string;
}
export type Refuse = (coordinate: FieldCoordinate) => Refusal | null;

/**
 * Why a field of that type is refused, or null. What is refused on an interface is refused on every type that
 * implements it, whichever way a document comes to it.
 */
export type Refusals = (type: GraphQLNamedType, field: string) => Refusal | null;

export function makeRefusals(schema: GraphQLSchema, refuse: Refuse | null): Refusals {
  if (!refuse) return () => null;
  const known = new Map<string, Refusal | null>();
  const own = (type: GraphQLNamedType, field: string): Refusal | null => {
    const found = isObjectType(type) || isInterfaceType(type) ? type.getFields()[field] : undefined;
    return found ? refuse({ type: type.name, field, returns: getNamedType(found.type).name }) : null;
  };
  /** What is refused on every type of an interface is refused on the interface. */
  const ofAll = (types: readonly GraphQLNamedType[], field: string): Refusal | null => {
    const all = types.map((type) => refusals(type, field));
    return all.every((one) => one !== null) ? (all[0] ?? null) : null;
  };
  const refusals: Refusals = (type, field) => {
    if (field.startsWith('__') || !(isObjectType(type) || isInterfaceType(type))) return null;
    const mark = `${type.name}.${field}`;
    let refusal = known.get(mark);
    if (refusal === undefined) {
      refusal = own(type, field);
      for (const face of type.getInterfaces()) refusal ??= own(face, field);
      if (isInterfaceType(type)) refusal ??= ofAll(schema.getPossibleTypes(type), field);
      known.set(mark, refusal);
    }
    return refusal;
  };
  return refusals;
}
