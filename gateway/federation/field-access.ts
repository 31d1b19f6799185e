/** Decides which fields a caller may select; each field of the schema is checked once per operation. */
import { type GraphQLNamedType, type GraphQLSchema, getNamedType, isInterfaceType, isObjectType } from 'graphql';

export interface FieldCoordinate {
  readonly type: string;
  readonly field: string;
  /** Name of the field's named type. */
  readonly returns: string;
}
/** Why a field is denied, as the client sees it. */
export interface AccessError {
  readonly code: string;
  readonly message: string;
}
/** Returns the error of a denied field, null for an allowed one. */
export type AccessCheck = (coordinate: FieldCoordinate) => AccessError | null;

/**
 * The error of a denied field, null for an allowed one. A field denied on an interface is denied on every type that implements it, however a
 * document selects it.
 */
export type FieldAccessCheck = (type: GraphQLNamedType, field: string) => AccessError | null;

/** Wraps the caller's check with the rules for interfaces; null allows all fields. */
export function createFieldAccessCheck(schema: GraphQLSchema, checkAccess: AccessCheck | null): FieldAccessCheck {
  if (!checkAccess) return () => null;
  const cache = new Map<string, AccessError | null>();
  const ownError = (type: GraphQLNamedType, field: string): AccessError | null => {
    const definition = isObjectType(type) || isInterfaceType(type) ? type.getFields()[field] : undefined;
    return definition ? checkAccess({ type: type.name, field, returns: getNamedType(definition.type).name }) : null;
  };
  /** A field denied on every type of an interface is denied on the interface. */
  const errorOfAll = (types: readonly GraphQLNamedType[], field: string): AccessError | null => {
    const errors = types.map((type) => accessError(type, field));
    return errors.every((error) => error !== null) ? (errors[0] ?? null) : null;
  };
  const accessError: FieldAccessCheck = (type, field) => {
    if (field.startsWith('__') || !(isObjectType(type) || isInterfaceType(type))) return null;
    const coordinate = `${type.name}.${field}`;
    let error = cache.get(coordinate);
    if (error === undefined) {
      error = ownError(type, field);
      for (const implemented of type.getInterfaces()) error ??= ownError(implemented, field);
      if (isInterfaceType(type)) error ??= errorOfAll(schema.getPossibleTypes(type), field);
      cache.set(coordinate, error);
    }
    return error;
  };
  return accessError;
}
