/** Coerces the variables of an operation: common values with compiled checks, all others as graphql-js does, with shorter error messages. */
import {
  coerceInputValue,
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  isEnumType,
  isInputType,
  isNonNullType,
  isScalarType,
  print,
  specifiedScalarTypes,
  typeFromAST,
  type VariableDefinitionNode,
  valueFromAST,
} from 'graphql';
import { NullPrototypeObject } from '../response-data.ts';
import { checkValue, type InputRules, isStorableText, type ValuePath } from './input-values.ts';

type Values = Record<string, unknown>;
/** Why a variable is invalid: its name, the value found, and what is expected. */
export interface VariableError {
  readonly message: string;
}
export type Coerced =
  | { readonly coerced: Values; readonly errors?: never }
  | { readonly errors: readonly VariableError[] };
/** Returns the coerced variables, or the errors of all invalid ones. */
export type CoerceVariables = (given: Readonly<Record<string, unknown>>) => Coerced;

/** Coerces a common value; undefined if graphql-js must coerce it. */
type QuickCoercion = (value: unknown) => unknown;

/** Reported errors of one operation. */
const MAX_ERRORS = 20;
/** Characters of a value, and of a message, in an error. */
const MAX_VALUE_LENGTH = 60;
const MAX_MESSAGE_LENGTH = 400;

const QUICK_COERCIONS: Readonly<Record<string, QuickCoercion>> = {
  String: (value) => (typeof value === 'string' ? value : undefined),
  ID: (value) => (typeof value === 'string' ? value : undefined),
  Int: (value) => (typeof value === 'number' && (value | 0) === value ? value : undefined),
  Float: (value) => (typeof value === 'number' && Number.isFinite(value) ? value : undefined),
  Boolean: (value) => (typeof value === 'boolean' ? value : undefined),
};
const NO_QUICK_COERCION: QuickCoercion = () => undefined;

/** Created once per operation. Accepts the values that `getVariableValues` of graphql-js accepts, unless they violate the rules. */
export function createVariableCoercion(
  schema: GraphQLSchema,
  definitions: readonly VariableDefinitionNode[],
  inputRules: InputRules | null = null,
): CoerceVariables {
  const coerceSlow: CoerceVariables = (given) => coerceSlowly(schema, definitions, given, inputRules);
  const variables = definitions.map((definition) => {
    const type = typeFromAST(schema, definition.type as never) as GraphQLInputType | undefined;
    return {
      name: definition.variable.name.value,
      ...quickCoercionOf(type, inputRules),
      ...defaultValueOf(definition, type),
    };
  });
  return (given) => {
    const coerced = new NullPrototypeObject();
    for (const { name, quick, nullable, fallback, hasFallback } of variables) {
      const value = Object.hasOwn(given, name) ? given[name] : undefined;
      if (value === undefined) {
        if (!Object.hasOwn(given, name) && hasFallback) {
          // Lists and objects could be changed by a resolver, so they are created for each execution.
          if (typeof fallback === 'object' && fallback !== null) return coerceSlow(given);
          coerced[name] = fallback;
        } else if (!nullable || Object.hasOwn(given, name)) return coerceSlow(given);
        continue;
      }
      if (value === null) {
        if (!nullable) return coerceSlow(given);
        coerced[name] = null;
        continue;
      }
      const result = quick(value);
      if (result === undefined) return coerceSlow(given);
      coerced[name] = result;
    }
    return { coerced };
  };
}

/** As `getVariableValues` of graphql-js, but errors contain shortened values: a client can send half a megabyte. */
function coerceSlowly(
  schema: GraphQLSchema,
  definitions: readonly VariableDefinitionNode[],
  given: Readonly<Record<string, unknown>>,
  inputRules: InputRules | null,
): Coerced {
  const coerced: Values = new NullPrototypeObject();
  const errors: VariableError[] = [];
  const report = (message: string): void => {
    if (errors.length >= MAX_ERRORS) return;
    // A truncated suggestion could not be recognized and removed for callers that must not see suggestions.
    const short = message.length > MAX_MESSAGE_LENGTH ? message.replace(/ ?Did you mean .*$/s, '') : message;
    errors.push({ message: truncate(short, MAX_MESSAGE_LENGTH) });
  };
  for (const { variable, type: node, defaultValue } of definitions) {
    const name = variable.name.value;
    const type = typeFromAST(schema, node as never);
    if (!isInputType(type)) {
      report(`Variable "$${name}" expected value of type "${print(node)}" which cannot be used as an input type.`);
      continue;
    }
    if (!Object.hasOwn(given, name)) {
      if (defaultValue) coerced[name] = valueFromAST(defaultValue, type);
      else if (isNonNullType(type)) report(`Variable "$${name}" of required type "${type}" was not provided.`);
      continue;
    }
    const value = given[name];
    if (value === null && isNonNullType(type)) {
      report(`Variable "$${name}" of non-null type "${type}" must not be null.`);
      continue;
    }
    const invalid = (path: ValuePath, found: unknown, expected: string): void => {
      const at = path.length > 0 ? ` at "${name}${path.map(pathSegment).join('')}"` : '';
      report(`Variable "$${name}" got invalid value ${describeValue(found)}${at}; ${expected}`);
    };
    const before = errors.length;
    coerced[name] = coerceInputValue(value, type, (path, found, error) => invalid(path, found, error.message));
    if (inputRules && errors.length === before) checkValue(type, value, inputRules, invalid);
    if (errors.length >= MAX_ERRORS) break;
  }
  return errors.length > 0 ? { errors } : { coerced };
}

const pathSegment = (key: string | number): string => (typeof key === 'number' ? `[${key}]` : `.${key}`);
const truncate = (text: string, maxLength: number): string =>
  text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;

function describeValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(truncate(value, MAX_VALUE_LENGTH));
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

const isBuiltIn = (name: string): boolean =>
  specifiedScalarTypes.some((specifiedScalarType) => specifiedScalarType.name === name);

function quickCoercionOf(
  type: GraphQLInputType | undefined,
  inputRules: InputRules | null,
): { readonly quick: QuickCoercion; readonly nullable: boolean } {
  if (!type) return { quick: NO_QUICK_COERCION, nullable: false };
  const nullable = !isNonNullType(type);
  const inner = isNonNullType(type) ? type.ofType : type;
  // The Federation specification does not define the values of `_Any`.
  if (getNamedType(type).name === '_Any') return { quick: (value) => value, nullable };
  if (isEnumType(inner)) {
    return { quick: (value) => (typeof value === 'string' ? inner.getValue(value)?.value : undefined), nullable };
  }
  const basic: QuickCoercion =
    isScalarType(inner) && !isBuiltIn(inner.name)
      ? (value) => {
          if (typeof value !== 'string') return undefined;
          try {
            return inner.parseValue(value);
          } catch {
            return undefined;
          }
        }
      : ('name' in inner && QUICK_COERCIONS[inner.name]) || NO_QUICK_COERCION;
  if (!inputRules) return { quick: basic, nullable };
  const longest = 'name' in inner && inner.name === 'ID' ? inputRules.maxIdLength : Number.POSITIVE_INFINITY;
  const quick: QuickCoercion = (value) =>
    typeof value === 'string' && (value.length > longest || !isStorableText(value)) ? undefined : basic(value);
  return { quick, nullable };
}

function defaultValueOf(definition: VariableDefinitionNode, type: GraphQLInputType | undefined) {
  const { defaultValue } = definition;
  return defaultValue && type
    ? { hasFallback: true, fallback: valueFromAST(defaultValue, type) }
    : { hasFallback: false, fallback: undefined };
}
