/** The arguments of a field: constant ones are computed once, the others for each execution. */
import { type FieldNode, type GraphQLField, getArgumentValues, isNonNullType, Kind, valueFromAST } from 'graphql';

/** One argument: the value of the variable if it is set, else `value`. */
interface ArgumentPlan {
  readonly name: string;
  readonly variable: string | null;
  readonly value: unknown;
  /** Whether it must not be null. */
  readonly isRequired: boolean;
}

/** The parts of a field's arguments that are computed when the operation is compiled. */
export interface ArgumentsPlan {
  /** Arguments without variables; null if they depend on variables. */
  readonly constantArguments: Readonly<Record<string, unknown>> | null;
  /** Arguments that are variables or primitive values, in the schema's order; null if any is more complex. */
  readonly simpleArguments: readonly ArgumentPlan[] | null;
}

/** The parts of a field on which its arguments depend. */
interface FieldWithArguments extends ArgumentsPlan {
  /** Null for `__typename`. */
  readonly definition: GraphQLField<unknown, unknown> | null;
  readonly nodes: readonly FieldNode[];
}

type Variables = Readonly<Record<string, unknown>>;

/** The field's arguments, a new object each time. Throws as graphql-js does. */
export function argumentsFor(field: FieldWithArguments, variables: Variables): Record<string, unknown> {
  if (field.constantArguments) return { ...field.constantArguments };
  const values = field.simpleArguments && simpleValues(field.simpleArguments, variables);
  if (values) return values;
  const { definition, nodes } = field;
  if (!definition) throw new Error('unreachable: only fields of the graph have arguments');
  return getArgumentValues(definition, nodes[0] as never, variables as { [name: string]: unknown });
}

/** The values of simple arguments; null if graphql-js must compute them, with its errors. */
function simpleValues(plans: readonly ArgumentPlan[], variables: Variables): Record<string, unknown> | null {
  const values: Record<string, unknown> = {};
  for (const { name, variable, value, isRequired } of plans) {
    if (variable !== null && Object.hasOwn(variables, variable)) {
      const given = variables[variable];
      if (isRequired && given === null) return null;
      values[name] = given;
    } else if (value !== undefined) values[name] = value;
    else if (isRequired) return null;
  }
  return values;
}

/** Computes what does not depend on variables. Never throws. */
export function planArguments(definition: GraphQLField<unknown, unknown> | null, node: FieldNode): ArgumentsPlan {
  if (!definition || definition.args.length === 0) return { constantArguments: {}, simpleArguments: null };
  try {
    const given = new Map((node.arguments ?? []).map((argument) => [argument.name.value, argument.value]));
    // A variable inside a value needs graphql-js. For an argument that is a variable, the default applies when the variable is not set.
    const constants = [...given].filter(([, value]) => value.kind !== Kind.VARIABLE);
    if (constants.some(([, value]) => JSON.stringify(value).includes('"kind":"Variable"')))
      return { constantArguments: null, simpleArguments: null };
    if (definition.args.some((arg) => arg.name === '__proto__'))
      return { constantArguments: null, simpleArguments: null };
    const values: ArgumentPlan[] = definition.args.flatMap((arg): ArgumentPlan[] => {
      const value = given.get(arg.name);
      const isRequired = isNonNullType(arg.type);
      if (value?.kind === Kind.VARIABLE)
        return [{ name: arg.name, variable: value.name.value, value: arg.defaultValue, isRequired }];
      const result = value ? valueFromAST(value, arg.type) : arg.defaultValue;
      if (result === undefined && (value || isRequired)) throw new Error('invalid argument value');
      return result === undefined ? [] : [{ name: arg.name, variable: null, value: result, isRequired }];
    });
    // Objects could be changed by a resolver, so they are created for each execution.
    if (values.some(({ value }) => typeof value === 'object' && value !== null))
      return { constantArguments: null, simpleArguments: null };
    if (values.some((value) => value.variable !== null)) return { constantArguments: null, simpleArguments: values };
    return {
      constantArguments: Object.fromEntries(values.map((value) => [value.name, value.value])),
      simpleArguments: null,
    };
  } catch {
    // `argumentsFor` throws the error at each position of the field.
    return { constantArguments: null, simpleArguments: null };
  }
}
