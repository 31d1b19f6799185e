/**
 * Rules for clients' values, checked before anything is fetched: formats of custom scalars, text that a database can store, a maximum length of
 * ids. A standalone gateway has no such rules: its subgraphs check the values.
 */
import {
  type ASTVisitor,
  GraphQLError,
  type GraphQLInputType,
  type GraphQLScalarType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isInputObjectType,
  isListType,
  isScalarType,
  type StringValueNode,
  type ValidationContext,
} from 'graphql';

/** The rules for clients' values. */
export interface InputRules {
  /** Scalars whose `parseValue` and `parseLiteral` check clients' values, by name. */
  readonly scalars: ReadonlyMap<string, GraphQLScalarType>;
  /** Maximum characters of an `ID`. */
  readonly maxIdLength: number;
}

/** Path of a value below its variable. */
export type ValuePath = readonly (string | number)[];
type ReportValue = (path: ValuePath, value: unknown, expected: string) => void;

/** PostgreSQL cannot store NUL, and UTF-8 cannot encode an unpaired surrogate. */
const UNSTORABLE_TEXT = /[\0\uD800-\uDFFF]/u;
const EXPECTED_TEXT = 'Expected text without NUL and unpaired surrogates.';

/** Whether a database can store the text. */
export const isStorableText = (value: string): boolean => !UNSTORABLE_TEXT.test(value);

/** Replaces the parse functions of the schema's scalars by those of the rules. */
export function applyScalars(schema: GraphQLSchema, rules: InputRules): void {
  for (const type of Object.values(schema.getTypeMap())) {
    const form = isScalarType(type) ? rules.scalars.get(type.name) : undefined;
    if (form) Object.assign(type, { parseValue: form.parseValue, parseLiteral: form.parseLiteral });
  }
}

/** Reports the violations of the rules in a value that has its type. */
export function checkValue(
  type: GraphQLInputType,
  value: unknown,
  rules: InputRules,
  report: ReportValue,
  path: ValuePath = [],
) {
  if (value === null || value === undefined) return;
  const nullable = getNullableType(type);
  if (isListType(nullable)) {
    if (Array.isArray(value))
      value.forEach((item, i) => void checkValue(nullable.ofType, item, rules, report, [...path, i]));
    else checkValue(nullable.ofType, value, rules, report, path);
  } else if (isInputObjectType(nullable)) {
    for (const { name, type: inner } of Object.values(nullable.getFields()))
      checkValue(inner, (value as Record<string, unknown>)[name], rules, report, [...path, name]);
  } else if (typeof value === 'object') {
    // A scalar that accepts any JSON.
    const texts = stringsIn(value);
    if (!texts.every(isStorableText)) report(path, value, EXPECTED_TEXT);
  } else {
    const expected = expectedInstead(nullable.name, String(value), rules);
    if (expected) report(path, value, expected);
  }
}

/** What is expected instead of this text; null if it conforms to the rules. */
function expectedInstead(type: string, text: string, { maxIdLength }: InputRules): string | null {
  if (!isStorableText(text)) return EXPECTED_TEXT;
  return type === 'ID' && text.length > maxIdLength ? `Expected an ID of at most ${maxIdLength} characters.` : null;
}

/** All keys and strings. Not recursive: JSON can be nested without limit. */
function stringsIn(value: object): string[] {
  const found: string[] = [];
  const open: unknown[] = [value];
  while (open.length > 0) {
    const current = open.pop();
    if (typeof current === 'string') found.push(current);
    else if (Array.isArray(current)) for (const item of current) open.push(item);
    else if (typeof current === 'object' && current !== null)
      for (const [name, member] of Object.entries(current)) {
        found.push(name);
        open.push(member);
      }
  }
  return found;
}

/** A validation rule that checks the literals of a document. */
export function createLiteralRule(context: ValidationContext, rules: InputRules): ASTVisitor {
  const checkLiteral = (node: Pick<StringValueNode, 'value'>) => {
    const type = context.getInputType();
    const expected = expectedInstead(type ? getNamedType(type).name : '', node.value, rules);
    if (!expected) return;
    const argument = context.getArgument();
    const prefix = argument ? `Argument "${argument.name}" has an invalid value: ` : '';
    context.reportError(
      new GraphQLError(`${prefix}${expected}`, {
        nodes: node as StringValueNode,
        extensions: { code: 'BAD_USER_INPUT' },
      }),
    );
  };
  return { StringValue: checkLiteral, IntValue: checkLiteral };
}

/** The code of an error of a document: an invalid literal has the code of an invalid variable. */
export const errorCodeOf = (error: { readonly extensions?: Readonly<Record<string, unknown>> }): string =>
  error.extensions?.['code'] === 'BAD_USER_INPUT' ? 'BAD_USER_INPUT' : 'GRAPHQL_VALIDATION_FAILED';
