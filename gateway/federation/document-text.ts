/**
 * Prints documents in one pass; the printer of graphql-js visits every node several times. Arguments with the same meaning have the same
 * text, whatever the order of the arguments and of the fields of their objects.
 */
import {
  type ArgumentNode,
  type FieldNode,
  Kind,
  type OperationDefinitionNode,
  print,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql';

/** Characters. Longer arguments of a field are replaced by a placeholder for the planner, which does not read them. */
const LONG_ARGUMENTS = 1_000;

/** Prints an operation without directives. Long arguments are replaced by a placeholder with their index in `longArguments`. */
export function printForPlanner(
  { operation, name, variableDefinitions = [], selectionSet }: OperationDefinitionNode,
  longArguments: Map<string, number>,
): string {
  const variables = variableDefinitions.length > 0 ? `(${variableDefinitions.map(print).join(',')})` : '';
  return `${operation} ${name?.value ?? ''}${variables}${selectionSetText(selectionSet, longArguments)}`;
}

/** The text of a fetch with its placeholders replaced by the arguments. */
export function restoreArguments(text: string, longArguments: readonly string[]): string {
  return text.replace(PLACEHOLDER, (placeholder, key: string) => longArguments[Number(key)] ?? placeholder);
}
/** Three underscores end no name of a supergraph. */
const PLACEHOLDER = /isthmusKept: *"(\d+)___"/g;

function selectionSetText({ selections }: SelectionSetNode, longArguments: Map<string, number>): string {
  const parts = selections.map((selection): string => {
    if (selection.kind === Kind.FRAGMENT_SPREAD) return `...${selection.name.value}`;
    if (selection.kind === Kind.INLINE_FRAGMENT)
      return `...${selection.typeCondition ? ` on ${selection.typeCondition.name.value}` : ''}${selectionSetText(selection.selectionSet, longArguments)}`;
    const given = argumentsOrPlaceholder(argumentsText(selection), longArguments);
    const alias = selection.alias ? `${selection.alias.value}:` : '';
    return `${alias}${selection.name.value}${given && `(${given})`}${selection.selectionSet ? selectionSetText(selection.selectionSet, longArguments) : ''}`;
  });
  return `{${parts.join(' ')}}`;
}

function argumentsOrPlaceholder(given: string, longArguments: Map<string, number>): string {
  // The planner must see variables.
  if (given.length < LONG_ARGUMENTS || given.includes('$')) return given;
  const key = longArguments.get(given) ?? longArguments.size;
  longArguments.set(given, key);
  return `isthmusKept:"${key}___"`;
}

/** Long texts by the list of arguments, which copies of a field share: each is printed once. */
const longTexts = new WeakMap<readonly ArgumentNode[], string>();

/** `x:1,y:[2]`, sorted by name: valid GraphQL. Empty without arguments. */
export function argumentsText({ arguments: given }: Pick<FieldNode, 'arguments'>): string {
  if (!given || given.length === 0) return '';
  let text = longTexts.get(given);
  if (text === undefined) {
    text = sortedFields(given.map((argument) => [argument.name.value, argument.value]));
    if (text.length > LONG_ARGUMENTS) longTexts.set(given, text);
  }
  return text;
}

/** Prints a value. The limit on brackets of a document bounds the recursion. */
export function valueText(value: ValueNode): string {
  switch (value.kind) {
    case Kind.VARIABLE:
      return `$${value.name.value}`;
    case Kind.STRING:
      return JSON.stringify(value.value);
    case Kind.BOOLEAN:
      return String(value.value);
    case Kind.NULL:
      return 'null';
    case Kind.LIST:
      return listText(value.values);
    case Kind.OBJECT:
      return `{${sortedFields(value.fields.map((field) => [field.name.value, field.value]))}}`;
    default:
      return value.value;
  }
}

/** Concatenates without an array: a document may contain tens of thousands of lists. */
function listText(values: readonly ValueNode[]): string {
  let text = '[';
  for (const value of values) text += text === '[' ? valueText(value) : `,${valueText(value)}`;
  return `${text}]`;
}

const sortedFields = (fields: [string, ValueNode][]): string =>
  fields
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => `${name}:${valueText(value)}`)
    .join(',');
