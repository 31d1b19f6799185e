/**
 * Puts the check of row rights around every resolver of a subgraph: what a field returns is looked at before anything of it is
 * read, so no resolver can forget it. Rows that the caller may not see are null, or left out of a list; a connection that
 * holds one is a fault of the connector (its total and pages would be wrong), so nothing of it is shown.
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
import type { GraphContext } from '../connector.ts';
import { PART, type RowRights, type RowRule, type RowRules } from '../row-rights.ts';

type Context = GraphContext<object>;
type Check = Exclude<RowRule, typeof PART>;
type Checked = (value: unknown, rows: RowRights) => unknown;

/** Types that every subgraph may use and that are parts of rows. */
const SHARED: RowRules = { PageInfo: PART, Provenance: PART, Money: PART, Quantity: PART };

/** Checks that every type has a rule, and puts the check around each field that returns rows. Throws with the names of types without one. */
export function checkRows(connector: string, schema: GraphQLSchema, declared: RowRules): void {
  const rules: RowRules = { ...SHARED, ...declared };
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  const types = Object.values(schema.getTypeMap()).filter(
    (one): one is GraphQLObjectType =>
      isObjectType(one) && !one.name.startsWith('_') && !roots.includes(one as GraphQLObjectType),
  );
  const missing = types.filter((type) => ruleOf(type, rules, schema) === null && nodeOf(type) === null);
  if (missing.length > 0) {
    throw new Error(
      `The graph of ${connector} does not say whose rows these types are: ${missing.map(({ name }) => name).join(', ')}. Name them in its rows; example: rows: { Door: (door, { parks }) => ({ park: parks.ofRecord(door.id) }) }`,
    );
  }
  for (const type of [...types, ...roots]) {
    // What a connection holds was looked at where the connection came from.
    if (!type || nodeOf(type) !== null) continue;
    for (const field of Object.values(type.getFields())) {
      if (field.name.startsWith('_') && type === schema.getQueryType()) continue;
      guard(connector, type, field, rules, schema);
    }
  }
}

function guard(
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
        `Query.${field.name} of ${connector} returns ${named.name}, which is declared as part of another row.`,
      );
    }
    return;
  }
  const node = nodeOf(named);
  const check = rule ?? (node && ruleOf(node, rules, schema));
  if (check === null || check === PART) return;
  const checked: Checked = rule ? rowOr(check) : connectionOr(check, `${type.name}.${field.name}`);
  const { resolve } = field;
  const through = (value: unknown, { rows }: Context): unknown =>
    rows.all || value === null || value === undefined
      ? value
      : value instanceof Promise
        ? value.then((one) => checked(one, rows))
        : checked(value, rows);
  // The number of parameters is kept: who declares no `info` is spared the work of making it.
  if (!resolve) {
    const { name } = field;
    field.resolve = (source, args, context) => through(property(source, name, args, context), context);
  } else if (resolve.length >= 4)
    field.resolve = (source, args, context, info) => through(resolve(source, args, context, info), context);
  else field.resolve = (source, args, context) => through(resolve(source, args, context, undefined as never), context);
}

/** The property of the name; a function is called, as graphql-js does. */
function property(source: unknown, name: string, args: unknown, context: unknown): unknown {
  const value = (source as Record<string, unknown> | null | undefined)?.[name];
  return typeof value === 'function' ? value.call(source, args, context) : value;
}

/** The check that an entity found by its key passes; null for parts. */
export function entityCheck(type: GraphQLNamedType, declared: RowRules, schema: GraphQLSchema): Checked | null {
  const rule = ruleOf(type, declared, schema);
  return rule === null || rule === PART ? null : rowOr(rule);
}

const rowOr =
  (check: Check): Checked =>
  (value, rows) => {
    if (value === null || value === undefined || rows.all) return value;
    if (Array.isArray(value)) {
      const seen = value.map((one) => one === null || one === undefined || sees(check, one, rows));
      if (seen.every((one) => typeof one === 'boolean')) return value.filter((_, i) => seen[i]);
      return Promise.all(seen).then((all) => value.filter((_, i) => all[i]));
    }
    const seen = sees(check, value, rows);
    return typeof seen === 'boolean' ? (seen ? value : null) : seen.then((one) => (one ? value : null));
  };

const connectionOr =
  (check: Check, where: string): Checked =>
  (value, rows) => {
    if (value === null || value === undefined || rows.all) return value;
    const { edges } = value as { edges: readonly { node: unknown }[] };
    const seen = edges.map(({ node }) => sees(check, node, rows));
    const whole = (all: readonly boolean[]): unknown => {
      if (all.includes(false)) throw new Error(`${where} returned rows that the caller may not see.`);
      return value;
    };
    return seen.every((one) => typeof one === 'boolean') ? whole(seen) : Promise.all(seen).then(whole);
  };

/** An error in a row's place is the answer itself. */
function sees(check: Check, row: unknown, rows: RowRights): boolean | Promise<boolean> {
  if (row instanceof Promise) return row.then((one) => one === null || one === undefined || sees(check, one, rows));
  return row instanceof Error || rows.sees(check(row, rows));
}

/** The type's own rule, or that of an interface that it implements. */
function ruleOf(type: GraphQLNamedType, rules: RowRules, schema: GraphQLSchema): RowRule | null {
  const own = rules[type.name];
  if (own) return own;
  if (isObjectType(type)) {
    const of = type.getInterfaces().find((one) => rules[one.name]);
    return of ? (rules[of.name] ?? null) : null;
  }
  if (isInterfaceType(type)) return null;
  // A union of parts is a part.
  return isCompositeType(type) && schema.getPossibleTypes(type).every((one) => ruleOf(one, rules, schema) === PART)
    ? PART
    : null;
}

/** The type of the nodes of a connection or edge; null for other types. */
function nodeOf(type: GraphQLNamedType): GraphQLNamedType | null {
  if (!isObjectType(type)) return null;
  const fields = type.getFields();
  if (type.name.endsWith('Connection') && fields['nodes'] && fields['edges']) return getNamedType(fields['nodes'].type);
  if (type.name.endsWith('Edge') && fields['node'] && fields['cursor']) return getNamedType(fields['node'].type);
  return null;
}
