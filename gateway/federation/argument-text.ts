/** Arguments as text: equal for arguments that mean the same, in whatever order they and the fields of their objects were written. */
import { type ArgumentNode, type FieldNode, Kind, type ValueNode } from 'graphql';

/** By the list of arguments, which copies of a field share: each is written once. */
const written = new WeakMap<readonly ArgumentNode[], string>();

/** `x:1,y:[2]`, sorted by name; valid GraphQL. Empty when there are none. */
export function argumentsText({ arguments: given }: Pick<FieldNode, 'arguments'>): string {
  if (!given || given.length === 0) return '';
  let text = written.get(given);
  if (text === undefined) {
    text = sorted(given.map((one) => [one.name.value, one.value]));
    written.set(given, text);
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
      return `[${value.values.map(valueText).join(',')}]`;
    case Kind.OBJECT:
      return `{${sorted(value.fields.map((one) => [one.name.value, one.value]))}}`;
    default:
      return value.value;
  }
}

const sorted = (all: [string, ValueNode][]): string =>
  all
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => `${name}:${valueText(value)}`)
    .join(',');
