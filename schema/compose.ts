/** Composes subgraphs to the supergraph and the public graph, and checks the rules for all subgraphs. */
import {
  composeServices,
  compositionHasErrors,
  transformSupergraphToPublicSchema,
} from '@theguild/federation-composition';
import {
  type ConstDirectiveNode,
  type DefinitionNode,
  type DocumentNode,
  type FieldDefinitionNode,
  Kind,
  type ObjectTypeDefinitionNode,
  parse,
  print,
  type TypeNode,
  visit,
} from 'graphql';

export interface SubgraphSdl {
  readonly name: string;
  readonly url: string;
  readonly sdl: string;
}

export interface ComposedGraph {
  /** Supergraph SDL, join v0.5. */
  readonly supergraph: string;
  /** SDL of the graph that clients see. */
  readonly api: string;
}

/** The subgraphs do not compose. The message lists every error. */
export class CompositionError extends Error {
  override name = 'CompositionError';
}

/** Composes subgraphs, in any order. Throws `CompositionError`. */
export function compose(subgraphs: readonly SubgraphSdl[]): ComposedGraph {
  const sorted = [...subgraphs].sort((a, b) => (a.name < b.name ? -1 : 1));
  const result = composeServices(sorted.map(({ name, url, sdl }) => ({ name, url, typeDefs: parse(sdl) })));
  if (compositionHasErrors(result)) {
    throw new CompositionError(
      ['Composition failed:', ...result.errors.map(({ message }) => `  - ${message}`)].join('\n'),
    );
  }
  const supergraph = `${result.supergraphSdl.trim()}\n`;
  return { supergraph, api: printPublicGraph(supergraph) };
}

/** SDL of the public graph: without inaccessible members, with the access directives. */
function printPublicGraph(supergraph: string): string {
  const publicGraph = transformSupergraphToPublicSchema(parse(supergraph, { noLocation: true }));
  const rights = accessDirectivesOf(parse(supergraph, { noLocation: true }));
  const withRights = visit(publicGraph as DocumentNode, {
    ObjectTypeDefinition: (node) => ({
      ...node,
      directives: [...(node.directives ?? []), ...(rights.get(node.name.value) ?? [])],
      fields: (node.fields ?? []).map((field) => ({
        ...field,
        directives: [
          ...(field.directives ?? []).filter(isPublicDirective),
          ...(rights.get(`${node.name.value}.${field.name.value}`) ?? []),
        ],
      })),
    }),
  });
  const types = withRights.definitions.filter((node: DefinitionNode) => node.kind !== Kind.DIRECTIVE_DEFINITION);
  const definitions = [...types].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)).map((node) => print(node));
  return `${[DIRECTIVES, ...definitions].join('\n\n')}\n`;
}

/** Costs are for the gateway; composition removes the standard ones itself. */
const isPublicDirective = ({ name }: ConstDirectiveNode): boolean => name.value !== 'seriesCost';

const DIRECTIVES = `"The caller must be authenticated. Otherwise the field is null with the error UNAUTHENTICATED."
directive @authenticated on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM

"The caller needs all scopes of one inner list. Otherwise the field is null with the error FORBIDDEN, and no source is called."
directive @requiresScopes(scopes: [[String!]!]!) on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM

"\`consent:PURPOSE\`: the company must have granted this purpose to the client, unless the caller acts for the company. Otherwise the field is null with the error CONSENT_REQUIRED."
directive @policy(policies: [[String!]!]!) on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM`;

const nameOf = (node: DefinitionNode): string => ('name' in node && node.name ? node.name.value : node.kind);

const ACCESS_DIRECTIVES = ['authenticated', 'requiresScopes', 'policy'];

function accessDirectivesOf(supergraph: DocumentNode): Map<string, readonly ConstDirectiveNode[]> {
  const found = new Map<string, readonly ConstDirectiveNode[]>();
  const collect = (name: string, directives: readonly ConstDirectiveNode[] | undefined) => {
    const rights = (directives ?? []).filter((one) => ACCESS_DIRECTIVES.includes(one.name.value));
    if (rights.length > 0) found.set(name, rights);
  };
  for (const one of supergraph.definitions) {
    if (one.kind !== Kind.OBJECT_TYPE_DEFINITION) continue;
    collect(one.name.value, one.directives);
    for (const field of one.fields ?? []) collect(`${one.name.value}.${field.name.value}`, field.directives);
  }
  return found;
}

/** Checks the rules for all subgraphs. Returns a message for each violation. */
export function lintSubgraphs(subgraphs: readonly SubgraphSdl[]): string[] {
  const documents = subgraphs.map(({ name, sdl }) => ({ name, types: objectTypes(parse(sdl)), document: parse(sdl) }));
  return [
    ...lintNullabilityOfSharedTypes(documents),
    ...lintNullabilityOfProtectedFields(documents),
    ...lintSharedTypes(documents),
    ...lintDescriptions(documents),
    ...lintProtectedConnections(documents),
  ];
}

interface Parsed {
  readonly name: string;
  readonly types: readonly ObjectTypeDefinitionNode[];
  readonly document: DocumentNode;
}

const objectTypes = (document: DocumentNode) =>
  document.definitions.filter((one): one is ObjectTypeDefinitionNode => one.kind === Kind.OBJECT_TYPE_DEFINITION);

const has = (node: { readonly directives?: readonly ConstDirectiveNode[] | undefined }, name: string): boolean =>
  (node.directives ?? []).some((one) => one.name.value === name);

const ROOTS = ['Query', 'Mutation', 'Subscription'];

/** Fields of a type in several subgraphs are nullable, except keys; so are root fields, except `Subscription.events`. */
function lintNullabilityOfSharedTypes(documents: readonly Parsed[]): string[] {
  const owners = new Map<string, number>();
  for (const { types } of documents)
    for (const type of types) owners.set(type.name.value, (owners.get(type.name.value) ?? 0) + 1);
  return documents.flatMap(({ name, types }) =>
    types.flatMap((type) => {
      const typeName = type.name.value;
      const isRoot = ROOTS.includes(typeName);
      if (has(type, 'shareable') || (!isRoot && (owners.get(typeName) ?? 0) < 2)) return [];
      const keys = keyFields(type);
      return (type.fields ?? [])
        .filter((field) => field.type.kind === Kind.NON_NULL_TYPE && !keys.includes(field.name.value))
        .filter((field) => `${typeName}.${field.name.value}` !== 'Subscription.events' && !has(field, 'inaccessible'))
        .map(
          (field) =>
            `${name}: ${typeName}.${field.name.value} must be nullable: ${isRoot ? 'an error of one source must not remove the data of others' : 'several subgraphs define the type, so only its key may be non-null'}.`,
        );
    }),
  );
}

function keyFields(type: ObjectTypeDefinitionNode): string[] {
  return (type.directives ?? [])
    .filter((one) => one.name.value === 'key')
    .flatMap((one) => {
      const fields = one.arguments?.find((argument) => argument.name.value === 'fields')?.value;
      return fields?.kind === Kind.STRING ? fields.value.split(/[\s{}]+/).filter(Boolean) : [];
    });
}

/** Fields with an access directive or a cursor argument are nullable. */
function lintNullabilityOfProtectedFields(documents: readonly Parsed[]): string[] {
  return documents.flatMap(({ name, types }) =>
    types.flatMap((type) =>
      (type.fields ?? [])
        .filter((field) => field.type.kind === Kind.NON_NULL_TYPE)
        .filter((field) => ACCESS_DIRECTIVES.some((right) => has(field, right)) || takesCursor(field))
        .filter(
          (field) => `${type.name.value}.${field.name.value}` !== 'Subscription.events' && !has(field, 'inaccessible'),
        )
        .map(
          (field) =>
            `${name}: ${type.name.value}.${field.name.value} has an access directive or a cursor argument, so it must be nullable.`,
        ),
    ),
  );
}

const takesCursor = (field: FieldDefinitionNode): boolean =>
  (field.arguments ?? []).some((one) => ['after', 'before'].includes(one.name.value));

/** Inputs, enums, scalars and shareable types are equal in all subgraphs: composition silently drops a member that one of them lacks. */
function lintSharedTypes(documents: readonly Parsed[]): string[] {
  const seen = new Map<string, { name: string; text: string }>();
  const violations: string[] = [];
  for (const { name, document } of documents) {
    for (const one of document.definitions) {
      const shared =
        one.kind === Kind.INPUT_OBJECT_TYPE_DEFINITION ||
        one.kind === Kind.ENUM_TYPE_DEFINITION ||
        one.kind === Kind.SCALAR_TYPE_DEFINITION ||
        (one.kind === Kind.OBJECT_TYPE_DEFINITION && has(one, 'shareable'));
      if (!shared) continue;
      const text = print(one);
      const before = seen.get(one.name.value);
      if (!before) seen.set(one.name.value, { name, text });
      else if (before.text !== text) violations.push(`${one.name.value} differs between ${before.name} and ${name}.`);
    }
  }
  return violations;
}

/** Every type, field, argument and enum value has a description. */
function lintDescriptions(documents: readonly Parsed[]): string[] {
  const violations = new Set<string>();
  for (const { name, document } of documents) {
    for (const one of document.definitions) {
      if (!('name' in one) || !one.name || one.kind === Kind.DIRECTIVE_DEFINITION) continue;
      const typeName = one.name.value;
      const report = (coordinate: string) => violations.add(`${name}: ${coordinate} has no description.`);
      const isRoot = ROOTS.includes(typeName);
      if ('description' in one && !one.description && !isRoot) report(typeName);
      if ('fields' in one) {
        for (const field of one.fields ?? []) {
          if (!field.description) report(`${typeName}.${field.name.value}`);
          if ('arguments' in field) {
            for (const argument of field.arguments ?? []) {
              if (!argument.description) report(`${typeName}.${field.name.value}(${argument.name.value}:)`);
            }
          }
        }
      }
      if (one.kind === Kind.ENUM_TYPE_DEFINITION) {
        for (const value of one.values ?? []) if (!value.description) report(`${typeName}.${value.name.value}`);
      }
    }
  }
  return [...violations];
}

/** A field that returns a connection of a protected type has an access directive too. */
function lintProtectedConnections(documents: readonly Parsed[]): string[] {
  const protectedTypes = new Set<string>();
  for (const { types } of documents) {
    for (const type of types)
      if (ACCESS_DIRECTIVES.some((right) => has(type, right))) protectedTypes.add(type.name.value);
  }
  return documents.flatMap(({ name, types }) =>
    types.flatMap((type) =>
      (type.fields ?? [])
        .filter((field) => {
          const returns = namedType(field.type);
          return returns.endsWith('Connection') && protectedTypes.has(returns.slice(0, -'Connection'.length));
        })
        .filter(
          (field) =>
            !ACCESS_DIRECTIVES.some((right) => has(field, right)) &&
            !ACCESS_DIRECTIVES.some((right) => has(type, right)),
        )
        .map(
          (field) =>
            `${name}: ${type.name.value}.${field.name.value} returns a connection of a protected type, so it must have an access directive.`,
        ),
    ),
  );
}

function namedType(type: TypeNode): string {
  return type.kind === Kind.NAMED_TYPE ? type.name.value : namedType(type.type);
}
