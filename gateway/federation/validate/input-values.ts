/**
 * What values of clients must be before anything is fetched: custom scalars in their forms, text that a database can store, ids of a
 * bounded length. A gateway of other people's subgraphs has no such rules: there the subgraphs judge.
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

export interface InputRules {
  /** How values of these scalars are read, from variables and from literals. */
  readonly scalars: ReadonlyMap<string, GraphQLScalarType>;
  /** Characters of an `ID`, at most. */
  readonly longestId: number;
}

/** Where a value stands below its variable. */
export type ValuePath = readonly (string | number)[];
type Tell = (path: ValuePath, value: unknown, expected: string) => void;

/** PostgreSQL stores no NUL, and UTF-8 has no half of a surrogate pair. */
const NOT_TEXT = /[\0\uD800-\uDFFF]/u;
const TEXT = 'Text without NUL and with whole Unicode characters expected.';

/** Whether the rules have anything against this text, whatever its type. */
export const isText = (value: string): boolean => !NOT_TEXT.test(value);

/** The schema's scalars read values by the rules from now on. */
export function applyScalars(schema: GraphQLSchema, rules: InputRules): void {
  for (const type of Object.values(schema.getTypeMap())) {
    const form = isScalarType(type) ? rules.scalars.get(type.name) : undefined;
    if (form) Object.assign(type, { parseValue: form.parseValue, parseLiteral: form.parseLiteral });
  }
}

/** What of a value that has its type is against the rules. */
export function checkValue(
  type: GraphQLInputType,
  value: unknown,
  rules: InputRules,
  tell: Tell,
  path: ValuePath = [],
) {
  if (value === null || value === undefined) return;
  const bare = getNullableType(type);
  if (isListType(bare)) {
    if (Array.isArray(value)) value.forEach((one, i) => void checkValue(bare.ofType, one, rules, tell, [...path, i]));
    else checkValue(bare.ofType, value, rules, tell, path);
  } else if (isInputObjectType(bare)) {
    for (const { name, type: inner } of Object.values(bare.getFields()))
      checkValue(inner, (value as Record<string, unknown>)[name], rules, tell, [...path, name]);
  } else if (typeof value === 'object') {
    // A scalar that takes any JSON.
    const texts = textsIn(value);
    if (!texts.every(isText)) tell(path, value, TEXT);
  } else {
    const expected = faultOf(bare.name, String(value), rules);
    if (expected) tell(path, value, expected);
  }
}

/** What was expected instead of this text; null: it is as it should be. */
function faultOf(type: string, text: string, { longestId }: InputRules): string | null {
  if (!isText(text)) return TEXT;
  return type === 'ID' && text.length > longestId ? `An ID of at most ${longestId} characters expected.` : null;
}

/** Without recursion: what JSON nests has no end. */
function textsIn(value: object): string[] {
  const found: string[] = [];
  const open: unknown[] = [value];
  while (open.length > 0) {
    const one = open.pop();
    if (typeof one === 'string') found.push(one);
    else if (Array.isArray(one)) for (const each of one) open.push(each);
    else if (typeof one === 'object' && one !== null)
      for (const [name, each] of Object.entries(one)) {
        found.push(name);
        open.push(each);
      }
  }
  return found;
}

/** The rule for literals in a document. */
export function literals(context: ValidationContext, rules: InputRules): ASTVisitor {
  const look = (node: Pick<StringValueNode, 'value'>) => {
    const type = context.getInputType();
    const expected = faultOf(type ? getNamedType(type).name : '', node.value, rules);
    if (!expected) return;
    const argument = context.getArgument();
    const place = argument ? `Argument "${argument.name}" has an invalid value: ` : '';
    context.reportError(
      new GraphQLError(`${place}${expected}`, {
        nodes: node as StringValueNode,
        extensions: { code: 'BAD_USER_INPUT' },
      }),
    );
  };
  return { StringValue: look, IntValue: look };
}

/** The code of a fault in a document: a literal that cannot be read is bad input, as the same value of a variable is. */
export const codeOf = (fault: { readonly extensions?: Readonly<Record<string, unknown>> }): string =>
  fault.extensions?.['code'] === 'BAD_USER_INPUT' ? 'BAD_USER_INPUT' : 'GRAPHQL_VALIDATION_FAILED';
