/** The arguments of a fused field: what of them no request changes is worked out once, the rest for each. */
import { type FieldNode, type GraphQLField, getArgumentValues, isNonNullType, Kind, valueFromAST } from 'graphql';

/** One argument: of the variable where it is given one, else the value. */
interface ArgumentPlan {
  readonly name: string;
  readonly variable: string | null;
  readonly value: unknown;
  /** It may not be null. */
  readonly needed: boolean;
}

/** What is known of a field's arguments before any request. */
export interface ArgumentsPlan {
  /** Of arguments that no variable changes; null where they must be worked out for each request. */
  readonly fixed: Readonly<Record<string, unknown>> | null;
  /** Arguments that are variables or plain values, in their order; null for more involved ones. */
  readonly given: readonly ArgumentPlan[] | null;
}

/** A field, as far as its arguments hang on it. */
interface ArgumentsField extends ArgumentsPlan {
  /** Null for `__typename`. */
  readonly definition: GraphQLField<unknown, unknown> | null;
  readonly nodes: readonly FieldNode[];
}

type Variables = Readonly<Record<string, unknown>>;

/** The field's arguments, a new object each time. Throws as graphql-js does. */
export function argumentsFor(field: ArgumentsField, variables: Variables): Record<string, unknown> {
  if (field.fixed) return { ...field.fixed };
  const quick = field.given && quickly(field.given, variables);
  if (quick) return quick;
  const { definition, nodes } = field;
  if (!definition) throw new Error('unreachable: only fields of the graph have arguments');
  return getArgumentValues(definition, nodes[0] as never, variables as { [name: string]: unknown });
}

/** Null where graphql-js must look at it. */
function quickly(all: readonly ArgumentPlan[], variables: Variables): Record<string, unknown> | null {
  const made: Record<string, unknown> = {};
  for (const { name, variable, value, needed } of all) {
    if (variable !== null && Object.hasOwn(variables, variable)) {
      const given = variables[variable];
      if (needed && given === null) return null;
      made[name] = given;
    } else if (value !== undefined) made[name] = value;
    else if (needed) return null;
  }
  return made;
}

export function planArguments(definition: GraphQLField<unknown, unknown> | null, node: FieldNode): ArgumentsPlan {
  if (!definition || definition.args.length === 0) return { fixed: {}, given: null };
  try {
    const given = new Map((node.arguments ?? []).map((one) => [one.name.value, one.value]));
    // Without those that are a variable and nothing else; of these, defaults are for when the variable is not there.
    const plain = [...given].filter(([, value]) => value.kind !== Kind.VARIABLE);
    if (plain.some(([, value]) => JSON.stringify(value).includes('"kind":"Variable"')))
      return { fixed: null, given: null };
    if (definition.args.some((one) => one.name === '__proto__')) return { fixed: null, given: null };
    const values: ArgumentPlan[] = definition.args.flatMap((one): ArgumentPlan[] => {
      const value = given.get(one.name);
      const needed = isNonNullType(one.type);
      if (value?.kind === Kind.VARIABLE)
        return [{ name: one.name, variable: value.name.value, value: one.defaultValue, needed }];
      const made = value ? valueFromAST(value, one.type) : one.defaultValue;
      if (made === undefined && (value || needed)) throw new Error('a value does not fit');
      return made === undefined ? [] : [{ name: one.name, variable: null, value: made, needed }];
    });
    // Only plain values may be lent to many resolvers.
    if (values.some(({ value }) => typeof value === 'object' && value !== null)) return { fixed: null, given: null };
    if (values.some((one) => one.variable !== null)) return { fixed: null, given: values };
    return { fixed: Object.fromEntries(values.map((one) => [one.name, one.value])), given: null };
  } catch {
    // The fault is told at each place of the field, when it is asked for.
    return { fixed: null, given: null };
  }
}
