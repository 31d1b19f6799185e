/** Variables of an operation: the ordinary ones checked at once, anything else left to graphql-js and its words. */
import {
  type GraphQLError,
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  getVariableValues,
  isEnumType,
  isNonNullType,
  typeFromAST,
  type VariableDefinitionNode,
  valueFromAST,
} from 'graphql';
import { Bare } from './data.ts';

type Values = Record<string, unknown>;
export type Coerced =
  | { readonly coerced: Values; readonly errors?: never }
  | { readonly errors: readonly GraphQLError[] };
export type Coerce = (given: Readonly<Record<string, unknown>>) => Coerced;

/** What a plain value becomes; undefined: graphql-js must look at it. */
type Quick = (value: unknown) => unknown;

/** As many faults are told. */
const MOST = 20;

const QUICK: Readonly<Record<string, Quick>> = {
  String: (value) => (typeof value === 'string' ? value : undefined),
  ID: (value) => (typeof value === 'string' ? value : undefined),
  Int: (value) => (typeof value === 'number' && (value | 0) === value ? value : undefined),
  Float: (value) => (typeof value === 'number' && Number.isFinite(value) ? value : undefined),
  Boolean: (value) => (typeof value === 'boolean' ? value : undefined),
};
const NO_CODES: Quick = () => undefined;

/** Built once per operation. Behaves as `getVariableValues`. */
export function coercer(schema: GraphQLSchema, definitions: readonly VariableDefinitionNode[]): Coerce {
  const slow: Coerce = (given) => getVariableValues(schema, definitions, given, { maxErrors: MOST }) as Coerced;
  const all = definitions.map((definition) => {
    const type = typeFromAST(schema, definition.type as never) as GraphQLInputType | undefined;
    return { name: definition.variable.name.value, ...quickOf(type), ...defaultOf(definition, type) };
  });
  return (given) => {
    const coerced = new Bare();
    for (const { name, quick, nullable, fallback, hasFallback } of all) {
      const value = Object.hasOwn(given, name) ? given[name] : undefined;
      if (value === undefined) {
        if (!Object.hasOwn(given, name) && hasFallback) {
          // Lists and objects may be changed by whoever gets them.
          if (typeof fallback === 'object' && fallback !== null) return slow(given);
          coerced[name] = fallback;
        } else if (!nullable || Object.hasOwn(given, name)) return slow(given);
        continue;
      }
      if (value === null) {
        if (!nullable) return slow(given);
        coerced[name] = null;
        continue;
      }
      const made = quick(value);
      if (made === undefined) return slow(given);
      coerced[name] = made;
    }
    return { coerced };
  };
}

function quickOf(type: GraphQLInputType | undefined): { quick: Quick; nullable: boolean } {
  if (!type) return { quick: NO_CODES, nullable: false };
  const nullable = !isNonNullType(type);
  const inner = isNonNullType(type) ? type.ofType : type;
  // The specification of Federation says nothing of what an `_Any` holds.
  if (getNamedType(type).name === '_Any') return { quick: (value) => value, nullable };
  if (isEnumType(inner)) {
    return { quick: (value) => (typeof value === 'string' ? inner.getValue(value)?.value : undefined), nullable };
  }
  return { quick: ('name' in inner && QUICK[inner.name]) || NO_CODES, nullable };
}

function defaultOf(definition: VariableDefinitionNode, type: GraphQLInputType | undefined) {
  const { defaultValue } = definition;
  return defaultValue && type
    ? { hasFallback: true, fallback: valueFromAST(defaultValue, type) }
    : { hasFallback: false, fallback: undefined };
}
