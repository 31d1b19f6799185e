/**
 * Adds the check of row rights to every resolver of a subgraph, so that no resolver can omit it. Rows that the caller may not see become
 * null, or are removed from a list. A connection that contains one is a defect of the connector, as its total and pages would be wrong, so
 * the field fails.
 */
import {
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isInterfaceType,
  isObjectType,
} from 'graphql';
import { PART, type RowRights, type RowRule, type RowRules } from '../auth/row-rights.ts';
import type { GraphContext } from '../connector.ts';

type Context = GraphContext<object>;
type OwnerRule = Exclude<RowRule, typeof PART>;
type RowFilter = (value: unknown, rows: RowRights) => unknown;

/** Rules of the shared types. */
const SHARED: RowRules = { PageInfo: PART, Provenance: PART, Money: PART, Quantity: PART, Coverage: PART };

/** Adds the check to each field that returns rows. Throws if a type has no rule. */
export function addRowChecks(connector: string, schema: GraphQLSchema, declared: RowRules): void {
  const rules: RowRules = { ...SHARED, ...declared };
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  const types = Object.values(schema.getTypeMap()).filter(
    (type): type is GraphQLObjectType =>
      isObjectType(type) && !type.name.startsWith('_') && !roots.includes(type as GraphQLObjectType),
  );
  const missing = types.filter((type) => ruleOf(type, rules, schema) === null && nodeTypeOf(type) === null);
  if (missing.length > 0) {
    throw new Error(
      `Types of the graph of ${connector} without a row rule: ${missing.map(({ name }) => name).join(', ')}. Add them to its rows; example: rows: { Door: (door, { parks }) => ({ park: parks.parkOfRecord(door.id) }) }`,
    );
  }
  for (const type of [...types, ...roots]) {
    // The nodes of a connection are checked where the connection is returned.
    if (!type || nodeTypeOf(type) !== null) continue;
    for (const field of Object.values(type.getFields())) {
      if (field.name.startsWith('_') && type === schema.getQueryType()) continue;
      addRowCheck(connector, type, field, rules, schema);
    }
  }
}

function addRowCheck(
  connector: string,
  type: GraphQLObjectType,
  field: GraphQLField<unknown, Context>,
  rules: RowRules,
  schema: GraphQLSchema,
): void {
  const named = getNamedType(field.type);
  if (!isCompositeType(named)) return;
  const rule = ruleOf(named, rules, schema);
  if (rule === PART) {
    if (type === schema.getQueryType()) {
      throw new Error(
        `Query.${field.name} of ${connector} returns ${named.name}, which is declared as part of another row. Give it a rule of its own.`,
      );
    }
    return;
  }
  const node = nodeTypeOf(named);
  const check = rule ?? (node && ruleOf(node, rules, schema));
  if (check === null || check === PART) return;
  const filter: RowFilter = rule ? filterRows(check) : checkConnection(check, `${type.name}.${field.name}`);
  const { resolve } = field;
  const through = (value: unknown, { rows }: Context): unknown =>
    rows.seesAll || value === null || value === undefined
      ? value
      : value instanceof Promise
        ? value.then((result) => filter(result, rows))
        : filter(value, rows);
  // The number of parameters is kept, because `info` is not created for resolvers that do not declare it.
  if (!resolve) {
    const { name } = field;
    field.resolve = (source, args, context) => through(resolveProperty(source, name, args, context), context);
  } else if (resolve.length >= 4)
    field.resolve = (source, args, context, info) => through(resolve(source, args, context, info), context);
  else field.resolve = (source, args, context) => through(resolve(source, args, context, undefined as never), context);
}

/** The default resolver of graphql-js: the property of that name; a function is called. */
function resolveProperty(source: unknown, name: string, args: unknown, context: unknown): unknown {
  const value = (source as Record<string, unknown> | null | undefined)?.[name];
  return typeof value === 'function' ? value.call(source, args, context) : value;
}

/** The filter for entities of the type; null for parts. */
export function createEntityCheck(type: GraphQLNamedType, declared: RowRules, schema: GraphQLSchema): RowFilter | null {
  const rule = ruleOf(type, declared, schema);
  return rule === null || rule === PART ? null : filterRows(rule);
}

const filterRows =
  (check: OwnerRule): RowFilter =>
  (value, rows) => {
    if (value === null || value === undefined || rows.seesAll) return value;
    if (Array.isArray(value)) {
      const visible = value.map((row) => row === null || row === undefined || isVisible(check, row, rows));
      if (visible.every((result) => typeof result === 'boolean')) return value.filter((_, i) => visible[i]);
      return Promise.all(visible).then((all) => value.filter((_, i) => all[i]));
    }
    const visible = isVisible(check, value, rows);
    return typeof visible === 'boolean' ? (visible ? value : null) : visible.then((result) => (result ? value : null));
  };

const checkConnection =
  (check: OwnerRule, where: string): RowFilter =>
  (value, rows) => {
    if (value === null || value === undefined || rows.seesAll) return value;
    const { edges } = value as { edges: readonly { node: unknown }[] };
    const visible = edges.map(({ node }) => isVisible(check, node, rows));
    const assertAll = (all: readonly boolean[]): unknown => {
      if (all.includes(false)) throw new Error(`${where} returned rows that the caller may not see.`);
      return value;
    };
    return visible.every((result) => typeof result === 'boolean')
      ? assertAll(visible)
      : Promise.all(visible).then(assertAll);
  };

/** Whether the caller may see the row. An error instead of a row is always returned. */
function isVisible(check: OwnerRule, row: unknown, rows: RowRights): boolean | Promise<boolean> {
  if (row instanceof Promise) {
    return row.then((result) => result === null || result === undefined || isVisible(check, result, rows));
  }
  return row instanceof Error || rows.maySee(check(row, rows));
}

/** The rule of the type or of an interface that it implements; null if there is none. */
function ruleOf(type: GraphQLNamedType, rules: RowRules, schema: GraphQLSchema): RowRule | null {
  const own = rules[type.name];
  if (own) return own;
  if (isObjectType(type)) {
    const found = type.getInterfaces().find(({ name }) => rules[name]);
    return found ? (rules[found.name] ?? null) : null;
  }
  if (isInterfaceType(type)) return null;
  // A union whose members are all parts is a part.
  return isCompositeType(type) &&
    schema.getPossibleTypes(type).every((member) => ruleOf(member, rules, schema) === PART)
    ? PART
    : null;
}

/** The type of the nodes of a connection or edge; null for other types. */
function nodeTypeOf(type: GraphQLNamedType): GraphQLNamedType | null {
  if (!isObjectType(type)) return null;
  const fields = type.getFields();
  if (type.name.endsWith('Connection') && fields['nodes'] && fields['edges']) return getNamedType(fields['nodes'].type);
  if (type.name.endsWith('Edge') && fields['node'] && fields['cursor']) return getNamedType(fields['node'].type);
  return null;
}
