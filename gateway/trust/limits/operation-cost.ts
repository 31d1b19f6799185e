/**
 * Estimates the cost of an operation before it is planned. Points, by `@cost` and `@listSize` of the cost specification: one per object,
 * lists counted by the requested page size or their assumed size; by `@seriesCost`, a part of a point for each step of a series. Calls per
 * source system in the worst case: one per object and field by which the operation enters its subgraph, without batching and caches.
 * A company's field calls the installations that know the company, which is one in most cases; see docs/security.md.
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
  type ValueNode,
  valueFromASTUntyped,
  visit as visitNodes,
} from 'graphql';
import { type SeriesCost, seriesSteps } from './series-cost.ts';

/** The estimated cost of one operation. */
export interface OperationCost {
  readonly points: number;
  /** By connector. */
  readonly calls: Readonly<Record<string, number>>;
  /** Steps of all series, such as time buckets; absent: none. */
  readonly buckets?: number;
}

interface ListSize {
  readonly slicingArguments?: readonly string[];
  readonly sizedFields?: readonly string[];
  readonly assumedSize?: number;
}

/** The costs that the supergraph declares. */
export interface CostModel {
  /** By `Type.field`. */
  readonly lists: ReadonlyMap<string, ListSize>;
  /** By `Type.field`. */
  readonly series: ReadonlyMap<string, SeriesCost>;
  /** By `Type.field`, or `Type`. */
  readonly weights: ReadonlyMap<string, number>;
  /** Subgraph that resolves the field, by `Type.field`. */
  readonly owners: ReadonlyMap<string, string>;
}

/** Items of a list without `@listSize`. */
const DEFAULT_LIST_SIZE = 20;
/** The estimation stops here. */
const MAX_POINTS = 1e9;

/** Reads the cost directives and the owner of each field from a supergraph. */
export function readCostModel(supergraph: string): CostModel {
  const lists = new Map<string, ListSize>();
  const series = new Map<string, SeriesCost>();
  const weights = new Map<string, number>();
  const owners = new Map<string, string>();
  const graphs = new Map<string, string>();
  const document = parse(supergraph, { noLocation: true });
  const argumentsOf = (directives: readonly ConstDirectiveNode[] | undefined, name: string) => {
    const found = directives?.find((directive) => directive.name.value === name);
    return (
      found &&
      Object.fromEntries(
        (found.arguments ?? []).map((argument) => [argument.name.value, valueFromASTUntyped(argument.value)]),
      )
    );
  };
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.ENUM_TYPE_DEFINITION || definition.name.value !== 'join__Graph') continue;
    for (const value of definition.values ?? []) {
      graphs.set(value.name.value, String(argumentsOf(value.directives, 'join__graph')?.['name']));
    }
  }
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION && definition.kind !== Kind.INTERFACE_TYPE_DEFINITION) continue;
    const type = definition.name.value;
    const weight = argumentsOf(definition.directives, 'cost')?.['weight'];
    if (weight !== undefined) weights.set(type, Number(weight));
    const typeDirectives = (definition.directives ?? []).filter((each) => each.name.value === 'join__type');
    const onlyOwner = typeDirectives.length === 1 ? argumentsOf(typeDirectives, 'join__type')?.['graph'] : undefined;
    for (const field of definition.fields ?? []) {
      const name = `${type}.${field.name.value}`;
      const list = argumentsOf(field.directives, 'listSize');
      if (list) lists.set(name, list as ListSize);
      const steps = argumentsOf(field.directives, 'seriesCost');
      if (steps) series.set(name, steps as unknown as SeriesCost);
      const own = argumentsOf(field.directives, 'cost')?.['weight'];
      if (own !== undefined) weights.set(name, Number(own));
      const owner = argumentsOf(field.directives, 'join__field')?.['graph'] ?? onlyOwner;
      if (owner) owners.set(name, graphs.get(String(owner)) ?? String(owner));
    }
  }
  return { lists, series, weights, owners };
}

/** Names of the variables that can change the cost of an operation: those of arguments by which some field is priced. */
export function costVariables(model: CostModel, document: DocumentNode): readonly string[] {
  const priced = new Set<string>();
  for (const { slicingArguments = [] } of model.lists.values()) for (const name of slicingArguments) priced.add(name);
  for (const { from, to, bucket } of model.series.values())
    for (const name of [from, to, bucket]) if (name !== undefined) priced.add(name);
  const found = new Set<string>();
  visitNodes(document, {
    Argument: ({ name, value }) => {
      if (value.kind === Kind.VARIABLE && priced.has(name.value)) found.add(value.name.value);
    },
  });
  return [...found];
}

/** Fields of an object whose number of items is known; `paid`: the items are included in the price of the object. */
interface SizedFields {
  readonly fields: readonly string[];
  readonly size: number;
  readonly paid: boolean;
}

/** The cost of one operation with the client's variables. */
export function operationCost(
  model: CostModel,
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>> | undefined,
): OperationCost {
  const fragments = new Map(
    document.definitions.flatMap((definition): [string, FragmentDefinitionNode][] =>
      definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition]] : [],
    ),
  );
  const defaults = new Map(
    (operation.variableDefinitions ?? []).map((variableDefinition) => [
      variableDefinition.variable.name.value,
      variableDefinition.defaultValue && valueFromASTUntyped(variableDefinition.defaultValue),
    ]),
  );
  const calls: Record<string, number> = {};
  let points = 0;
  let buckets = 0;

  const argumentNode = (field: FieldNode, name: string): ValueNode | undefined =>
    field.arguments?.find((argument) => argument.name.value === name)?.value;
  /** The value of an argument; undefined if it is absent. */
  const given = (value: ValueNode | undefined): unknown => {
    if (!value) return undefined;
    return value.kind === Kind.VARIABLE
      ? (variables?.[value.name.value] ?? defaults.get(value.name.value))
      : valueFromASTUntyped(value);
  };
  /** The value of a numeric argument; null if it is absent, negative or not a number. */
  const size = (field: FieldNode, name: string): number | null => {
    const value = given(argumentNode(field, name));
    return typeof value === 'number' && value >= 0 ? value : null;
  };
  const visit = (
    type: GraphQLNamedType,
    set: SelectionSetNode,
    times: number,
    graph: string | null,
    sized: SizedFields | null,
  ): void => {
    for (const selection of set.selections) {
      if (points > MAX_POINTS) return;
      if (selection.kind === Kind.FIELD) field(type, selection, times, graph, sized);
      else {
        const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
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
    sized: SizedFields | null,
  ): void => {
    const found = isObjectType(type) || isInterfaceType(type) ? type.getFields()[node.name.value] : undefined;
    if (!found) return;
    const name = `${type.name}.${found.name}`;
    const owner = model.owners.get(name) ?? graph;
    // One call for each object on which the operation enters another subgraph.
    if (owner !== null && owner !== graph) calls[owner] = (calls[owner] ?? 0) + times;
    const returns = getNamedType(found.type);
    const list = model.lists.get(name);
    const page = list?.slicingArguments?.map((argument) => size(node, argument)).find((value) => value !== null);
    const length = page ?? list?.assumedSize ?? DEFAULT_LIST_SIZE;
    const isList = isListType(isNonNullType(found.type) ? found.type.ofType : found.type);
    const series = model.series.get(name);
    const steps = series
      ? seriesSteps(
          series,
          (argument) =>
            given(argumentNode(node, argument)) ?? found.args.find(({ name }) => name === argument)?.defaultValue,
        )
      : 0;
    const isSized = sized?.fields.includes(found.name) ?? false;
    const many = isSized ? (sized as SizedFields).size : isList ? (series ? steps : length) : 1;
    const weight = model.weights.get(name) ?? model.weights.get(returns.name) ?? (isLeafType(returns) ? 0 : 1);
    if (series) {
      points += Number(series.weight) * steps * times + (isList ? 0 : weight * times);
      buckets += steps * times;
    } else if (!isSized || !sized?.paid) points += weight * times * (isCompositeType(returns) ? many : 1);
    if (!node.selectionSet || !isCompositeType(returns)) return;
    const next = series?.sizedFields
      ? { fields: series.sizedFields, size: steps, paid: true }
      : list?.sizedFields
        ? { fields: list.sizedFields, size: length, paid: false }
        : null;
    visit(returns, node.selectionSet, times * (next ? 1 : many), owner, next);
  };
  const root = schema.getRootType(operation.operation);
  if (root) visit(root, operation.selectionSet, 1, null, null);
  delete calls['hub'];
  return {
    points: Math.min(Math.ceil(points), MAX_POINTS),
    calls,
    ...(buckets > 0 ? { buckets: Math.min(buckets, MAX_POINTS) } : {}),
  };
}
