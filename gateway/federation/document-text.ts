/**
 * Documents as text, in one pass (the library's printer visits every node several times). Arguments are equal for arguments that mean the same, in whatever order they and the
 * fields of their objects were written.
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

/** Arguments of a field with more characters are kept from the planner, which does not look at them. */
const LONG = 1_000;

/** An operation without directives. Each long list of arguments is exchanged for one argument with its number in `kept`. */
export function operationText(
  { operation, name, variableDefinitions = [], selectionSet }: OperationDefinitionNode,
  kept: Map<string, number>,
): string {
  const variables = variableDefinitions.length > 0 ? `(${variableDefinitions.map(print).join(',')})` : '';
  return `${operation} ${name?.value ?? ''}${variables}${setText(selectionSet, kept)}`;
}

/** The text of a fetch with the arguments that were kept from the planner. */
export function withKept(text: string, kept: readonly string[]): string {
  return text.replace(KEPT, (whole, key: string) => kept[Number(key)] ?? whole);
}
/** No name of a graph ends with three underscores. */
const KEPT = /isthmusKept: *"(\d+)___"/g;

function setText({ selections }: SelectionSetNode, kept: Map<string, number>): string {
  const parts = selections.map((one): string => {
    if (one.kind === Kind.FRAGMENT_SPREAD) return `...${one.name.value}`;
    if (one.kind === Kind.INLINE_FRAGMENT)
      return `...${one.typeCondition ? ` on ${one.typeCondition.name.value}` : ''}${setText(one.selectionSet, kept)}`;
    const given = shortened(argumentsText(one), kept);
    const alias = one.alias ? `${one.alias.value}:` : '';
    return `${alias}${one.name.value}${given && `(${given})`}${one.selectionSet ? setText(one.selectionSet, kept) : ''}`;
  });
  return `{${parts.join(' ')}}`;
}

function shortened(given: string, kept: Map<string, number>): string {
  // The planner must see variables.
  if (given.length < LONG || given.includes('$')) return given;
  const key = kept.get(given) ?? kept.size;
  kept.set(given, key);
  return `isthmusKept:"${key}___"`;
}

/** Long ones, by the list of arguments, which copies of a field share: each is written once. */
const written = new WeakMap<readonly ArgumentNode[], string>();

/** `x:1,y:[2]`, sorted by name; valid GraphQL. Empty when there are none. */
export function argumentsText({ arguments: given }: Pick<FieldNode, 'arguments'>): string {
  if (!given || given.length === 0) return '';
  let text = written.get(given);
  if (text === undefined) {
    text = sorted(given.map((one) => [one.name.value, one.value]));
    if (text.length > LONG) written.set(given, text);
  }
  return text;
}

/** A value as GraphQL. Recursion is bounded by the brackets of the text. */
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
      return `{${sorted(value.fields.map((one) => [one.name.value, one.value]))}}`;
    default:
      return value.value;
  }
}

/** Without a list of the parts: there may be tens of thousands of lists in a document. */
function listText(values: readonly ValueNode[]): string {
  let text = '[';
  for (const one of values) text += text === '[' ? valueText(one) : `,${valueText(one)}`;
  return `${text}]`;
}

const sorted = (all: [string, ValueNode][]): string =>
  all
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => `${name}:${valueText(value)}`)
    .join(',');
