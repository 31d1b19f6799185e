/** Variables of an operation: the ordinary ones checked at once, anything else as graphql-js does, with words of our own. */
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
import { Bare } from '../response-data.ts';
import { checkValue, type InputRules, isText, type ValuePath } from './input-values.ts';

type Values = Record<string, unknown>;
/** A variable that cannot be read: which, what is wrong with it, and what is expected. */
export interface VariableFault {
  readonly message: string;
}
export type Coerced =
  | { readonly coerced: Values; readonly errors?: never }
  | { readonly errors: readonly VariableFault[] };
export type Coerce = (given: Readonly<Record<string, unknown>>) => Coerced;

/** What a plain value becomes; undefined: it must be looked at the long way. */
type Quick = (value: unknown) => unknown;

/** Faults that are reported, at most. */
const MOST = 20;
/** Characters of a value, and of a message, that a fault shows. */
const LONGEST_VALUE = 60;
const LONGEST_MESSAGE = 400;

const QUICK: Readonly<Record<string, Quick>> = {
  String: (value) => (typeof value === 'string' ? value : undefined),
  ID: (value) => (typeof value === 'string' ? value : undefined),
  Int: (value) => (typeof value === 'number' && (value | 0) === value ? value : undefined),
  Float: (value) => (typeof value === 'number' && Number.isFinite(value) ? value : undefined),
  Boolean: (value) => (typeof value === 'boolean' ? value : undefined),
};
const NO_CODES: Quick = () => undefined;

/** Built once per operation. Takes and refuses what `getVariableValues` does, and refuses what is against the rules. */
export function coercer(
  schema: GraphQLSchema,
  definitions: readonly VariableDefinitionNode[],
  rules: InputRules | null = null,
): Coerce {
  const slow: Coerce = (given) => slowly(schema, definitions, given, rules);
  const all = definitions.map((definition) => {
    const type = typeFromAST(schema, definition.type as never) as GraphQLInputType | undefined;
    return { name: definition.variable.name.value, ...quickOf(type, rules), ...defaultOf(definition, type) };
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

/** As `getVariableValues` of graphql-js, but a fault shows a value shortened: a client can send half a megabyte. */
function slowly(
  schema: GraphQLSchema,
  definitions: readonly VariableDefinitionNode[],
  given: Readonly<Record<string, unknown>>,
  rules: InputRules | null,
): Coerced {
  const coerced: Values = new Bare();
  const errors: VariableFault[] = [];
  const tell = (message: string): void => {
    if (errors.length >= MOST) return;
    // A suggestion that is cut off could not be recognised and removed where none may be shown.
    const short = message.length > LONGEST_MESSAGE ? message.replace(/ ?Did you mean .*$/s, '') : message;
    errors.push({ message: cut(short, LONGEST_MESSAGE) });
  };
  for (const { variable, type: node, defaultValue } of definitions) {
    const name = variable.name.value;
    const type = typeFromAST(schema, node as never);
    if (!isInputType(type)) {
      tell(`Variable "$${name}" expected value of type "${print(node)}" which cannot be used as an input type.`);
      continue;
    }
    if (!Object.hasOwn(given, name)) {
      if (defaultValue) coerced[name] = valueFromAST(defaultValue, type);
      else if (isNonNullType(type)) tell(`Variable "$${name}" of required type "${type}" was not provided.`);
      continue;
    }
    const value = given[name];
    if (value === null && isNonNullType(type)) {
      tell(`Variable "$${name}" of non-null type "${type}" must not be null.`);
      continue;
    }
    const invalid = (path: ValuePath, found: unknown, expected: string): void => {
      const at = path.length > 0 ? ` at "${name}${path.map(step).join('')}"` : '';
      tell(`Variable "$${name}" got invalid value ${described(found)}${at}; ${expected}`);
    };
    const before = errors.length;
    coerced[name] = coerceInputValue(value, type, (path, found, error) => invalid(path, found, error.message));
    if (rules && errors.length === before) checkValue(type, value, rules, invalid);
    if (errors.length >= MOST) break;
  }
  return errors.length > 0 ? { errors } : { coerced };
}

const step = (one: string | number): string => (typeof one === 'number' ? `[${one}]` : `.${one}`);
const cut = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most)}…` : text);

function described(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(cut(value, LONGEST_VALUE));
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

const isBuiltIn = (name: string): boolean => specifiedScalarTypes.some((one) => one.name === name);

function quickOf(
  type: GraphQLInputType | undefined,
  rules: InputRules | null,
): { readonly quick: Quick; readonly nullable: boolean } {
  if (!type) return { quick: NO_CODES, nullable: false };
  const nullable = !isNonNullType(type);
  const inner = isNonNullType(type) ? type.ofType : type;
  // The specification of Federation says nothing of what an `_Any` holds.
  if (getNamedType(type).name === '_Any') return { quick: (value) => value, nullable };
  if (isEnumType(inner)) {
    return { quick: (value) => (typeof value === 'string' ? inner.getValue(value)?.value : undefined), nullable };
  }
  const plain: Quick =
    isScalarType(inner) && !isBuiltIn(inner.name)
      ? (value) => {
          if (typeof value !== 'string') return undefined;
          try {
            return inner.parseValue(value);
          } catch {
            return undefined;
          }
        }
      : ('name' in inner && QUICK[inner.name]) || NO_CODES;
  if (!rules) return { quick: plain, nullable };
  const longest = 'name' in inner && inner.name === 'ID' ? rules.longestId : Number.POSITIVE_INFINITY;
  const quick: Quick = (value) =>
    typeof value === 'string' && (value.length > longest || !isText(value)) ? undefined : plain(value);
  return { quick, nullable };
}

function defaultOf(definition: VariableDefinitionNode, type: GraphQLInputType | undefined) {
  const { defaultValue } = definition;
  return defaultValue && type
    ? { hasFallback: true, fallback: valueFromAST(defaultValue, type) }
    : { hasFallback: false, fallback: undefined };
}
