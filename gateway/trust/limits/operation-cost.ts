/**
 * What an operation may cost, before it is planned: points (`@cost`, `@listSize` of the cost specification: one for each object, lists
 * counted by the page asked for, else by their assumed size) and calls to each legacy system at worst (one for each object on which the
 * operation enters its subgraph, were nothing asked in batches or kept).
 */
import {
  type ConstDirectiveNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isInterfaceType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  parse,
  type SelectionSetNode,
  valueFromASTUntyped,
} from 'graphql';

export interface Cost {
  readonly points: number;
  /** By connector. */
  readonly calls: Readonly<Record<string, number>>;
}

interface ListSize {
  readonly slicingArguments?: readonly string[];
  readonly sizedFields?: readonly string[];
  readonly assumedSize?: number;
}

export interface CostModel {
  /** By `Type.field`. */
  readonly lists: ReadonlyMap<string, ListSize>;
  /** By `Type.field`, or `Type`. */
  readonly weights: ReadonlyMap<string, number>;
  /** Subgraph that answers the field, by `Type.field`. */
  readonly owners: ReadonlyMap<string, string>;
}

/** A list of which nothing is said. */
const ASSUMED = 20;
/** Beyond this the sum is not followed any further. */
const ENOUGH = 1e9;

export function readCosts(supergraph: string): CostModel {
  const lists = new Map<string, ListSize>();
  const weights = new Map<string, number>();
  const owners = new Map<string, string>();
  const graphs = new Map<string, string>();
  const document = parse(supergraph, { noLocation: true });
  const argumentsOf = (directives: readonly ConstDirectiveNode[] | undefined, name: string) => {
    const found = directives?.find((one) => one.name.value === name);
    return (
      found &&
      Object.fromEntries((found.arguments ?? []).map((one) => [one.name.value, valueFromASTUntyped(one.value)]))
    );
  };
  for (const one of document.definitions) {
    if (one.kind !== Kind.ENUM_TYPE_DEFINITION || one.name.value !== 'join__Graph') continue;
    for (const value of one.values ?? []) {
      graphs.set(value.name.value, String(argumentsOf(value.directives, 'join__graph')?.['name']));
    }
  }
  for (const one of document.definitions) {
    if (one.kind !== Kind.OBJECT_TYPE_DEFINITION && one.kind !== Kind.INTERFACE_TYPE_DEFINITION) continue;
    const type = one.name.value;
    const weight = argumentsOf(one.directives, 'cost')?.['weight'];
    if (weight !== undefined) weights.set(type, Number(weight));
    const homes = (one.directives ?? []).filter((each) => each.name.value === 'join__type');
    const home = homes.length === 1 ? argumentsOf(homes, 'join__type')?.['graph'] : undefined;
    for (const field of one.fields ?? []) {
      const name = `${type}.${field.name.value}`;
      const list = argumentsOf(field.directives, 'listSize');
      if (list) lists.set(name, list as ListSize);
      const own = argumentsOf(field.directives, 'cost')?.['weight'];
      if (own !== undefined) weights.set(name, Number(own));
      const owner = argumentsOf(field.directives, 'join__field')?.['graph'] ?? home;
      if (owner) owners.set(name, graphs.get(String(owner)) ?? String(owner));
    }
  }
  return { lists, weights, owners };
}

/** The cost of one operation with these variables, as the client sent them. */
export function costOf(
  model: CostModel,
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>> | undefined,
): Cost {
  const fragments = new Map(
    document.definitions.flatMap((one): [string, FragmentDefinitionNode][] =>
      one.kind === Kind.FRAGMENT_DEFINITION ? [[one.name.value, one]] : [],
    ),
  );
  const defaults = new Map(
    (operation.variableDefinitions ?? []).map((one) => [
      one.variable.name.value,
      one.defaultValue && valueFromASTUntyped(one.defaultValue),
    ]),
  );
  const calls: Record<string, number> = {};
  let points = 0;

  /** The number that an argument says; null when it is absent or no number. */
  const size = (field: FieldNode, name: string): number | null => {
    const value = field.arguments?.find((one) => one.name.value === name)?.value;
    if (!value) return null;
    const given =
      value.kind === Kind.VARIABLE
        ? (variables?.[value.name.value] ?? defaults.get(value.name.value))
        : valueFromASTUntyped(value);
    return typeof given === 'number' && given >= 0 ? given : null;
  };
  const visit = (
    type: GraphQLNamedType,
    set: SelectionSetNode,
    times: number,
    graph: string | null,
    sized: { fields: readonly string[]; size: number } | null,
  ): void => {
    for (const one of set.selections) {
      if (points > ENOUGH) return;
      if (one.kind === Kind.FIELD) field(type, one, times, graph, sized);
      else {
        const fragment = one.kind === Kind.INLINE_FRAGMENT ? one : fragments.get(one.name.value);
        const named = fragment?.typeCondition?.name.value;
        const inner = named ? schema.getType(named) : type;
        if (fragment && inner) visit(inner, fragment.selectionSet, times, graph, sized);
      }
    }
  };
  const field = (
    type: GraphQLNamedType,
    node: FieldNode,
    times: number,
    graph: string | null,
    sized: { fields: readonly string[]; size: number } | null,
  ): void => {
    const found = isObjectType(type) || isInterfaceType(type) ? type.getFields()[node.name.value] : undefined;
    if (!found) return;
    const name = `${type.name}.${found.name}`;
    const owner = model.owners.get(name) ?? graph;
    // A connector is asked once for each object on which the operation enters it.
    if (owner !== null && owner !== graph) calls[owner] = (calls[owner] ?? 0) + times;
    const returns = getNamedType(found.type);
    const list = model.lists.get(name);
    const page = list?.slicingArguments?.map((argument) => size(node, argument)).find((one) => one !== null);
    const length = page ?? list?.assumedSize ?? ASSUMED;
    const isList = isListType(isNonNullType(found.type) ? found.type.ofType : found.type);
    const many = sized?.fields.includes(found.name) ? sized.size : isList ? length : 1;
    const weight = model.weights.get(name) ?? model.weights.get(returns.name) ?? (isLeafType(returns) ? 0 : 1);
    points += weight * times * (isCompositeType(returns) ? many : 1);
    if (!node.selectionSet || !isCompositeType(returns)) return;
    const next = list?.sizedFields ? { fields: list.sizedFields, size: length } : null;
    visit(returns, node.selectionSet, times * (next ? 1 : many), owner, next);
  };
  const root = schema.getRootType(operation.operation);
  if (root) visit(root, operation.selectionSet, 1, null, null);
  delete calls['hub'];
  return { points: Math.min(points, ENOUGH), calls };
}
