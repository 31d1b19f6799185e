/** Subgraphs to supergraph and public graph, and the lints that hold everywhere. Knows no connector. */
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

export interface SubgraphText {
  readonly name: string;
  readonly url: string;
  readonly sdl: string;
}

export interface Composed {
  /** Supergraph SDL, join v0.5. */
  readonly supergraph: string;
  /** What clients see, with descriptions. */
  readonly api: string;
}

/** The subgraphs cannot be one graph; the message names every fault. */
export class CompositionError extends Error {
  override name = 'CompositionError';
}

/** Composes; throws `CompositionError`. The order of subgraphs does not matter. */
export function compose(subgraphs: readonly SubgraphText[]): Composed {
  const sorted = [...subgraphs].sort((a, b) => (a.name < b.name ? -1 : 1));
  const result = composeServices(sorted.map(({ name, url, sdl }) => ({ name, url, typeDefs: parse(sdl) })));
  if (compositionHasErrors(result)) {
    throw new CompositionError(
      ['The subgraphs do not compose:', ...result.errors.map((one) => `  - ${one.message}`)].join('\n'),
    );
  }
  const supergraph = `${result.supergraphSdl.trim()}\n`;
  return { supergraph, api: publicText(supergraph) };
}

/** The public graph's text: what is inaccessible is gone, the rights stay visible. */
function publicText(supergraph: string): string {
  const open = transformSupergraphToPublicSchema(parse(supergraph, { noLocation: true }));
  const rights = rightsOf(parse(supergraph, { noLocation: true }));
  const withRights = visit(open as DocumentNode, {
    ObjectTypeDefinition: (node) => ({
      ...node,
      directives: [...(node.directives ?? []), ...(rights.get(node.name.value) ?? [])],
      fields: (node.fields ?? []).map((field) => ({
        ...field,
        directives: [...(field.directives ?? []), ...(rights.get(`${node.name.value}.${field.name.value}`) ?? [])],
      })),
    }),
  });
  const kept = withRights.definitions.filter((one: DefinitionNode) => one.kind !== Kind.DIRECTIVE_DEFINITION);
  const definitions = [...kept].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)).map((one) => print(one));
  return `${[DIRECTIVES, ...definitions].join('\n\n')}\n`;
}

const DIRECTIVES = `"The caller must be signed in. Else null and UNAUTHENTICATED."
directive @authenticated on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM

"The caller needs all scopes of one inner list. Else null and FORBIDDEN; no source is asked."
directive @requiresScopes(scopes: [[String!]!]!) on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM

"\`consent:PURPOSE\`: the company must have granted this client that purpose, unless the caller acts for the company. Else CONSENT_REQUIRED."
directive @policy(policies: [[String!]!]!) on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM`;

const nameOf = (one: DefinitionNode): string => ('name' in one && one.name ? one.name.value : one.kind);

const RIGHTS = ['authenticated', 'requiresScopes', 'policy'];

function rightsOf(supergraph: DocumentNode): Map<string, readonly ConstDirectiveNode[]> {
  const found = new Map<string, readonly ConstDirectiveNode[]>();
  const keep = (name: string, directives: readonly ConstDirectiveNode[] | undefined) => {
    const rights = (directives ?? []).filter((one) => RIGHTS.includes(one.name.value));
    if (rights.length > 0) found.set(name, rights);
  };
  for (const one of supergraph.definitions) {
    if (one.kind !== Kind.OBJECT_TYPE_DEFINITION) continue;
    keep(one.name.value, one.directives);
    for (const field of one.fields ?? []) keep(`${one.name.value}.${field.name.value}`, field.directives);
  }
  return found;
}

/** Faults against the house's rules for the graph; empty when all hold. */
export function lint(subgraphs: readonly SubgraphText[]): string[] {
  const documents = subgraphs.map(({ name, sdl }) => ({ name, types: objectTypes(parse(sdl)), document: parse(sdl) }));
  return [
    ...nonNullAcrossAuthorities(documents),
    ...nonNullWithRights(documents),
    ...sharedTypesEqual(documents),
    ...undescribed(documents),
    ...protectedConnections(documents),
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

/** A type that more than one subgraph knows is non-null only in its key. Root fields are nullable, but `Subscription.events`. */
function nonNullAcrossAuthorities(documents: readonly Parsed[]): string[] {
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
            `${name}: ${typeName}.${field.name.value} must be nullable: ${isRoot ? 'one island must not null the answers of others' : 'more than one subgraph knows the type, so only its key may be non-null'}.`,
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

/** A field that needs a right, or takes a cursor, is nullable. */
function nonNullWithRights(documents: readonly Parsed[]): string[] {
  return documents.flatMap(({ name, types }) =>
    types.flatMap((type) =>
      (type.fields ?? [])
        .filter((field) => field.type.kind === Kind.NON_NULL_TYPE)
        .filter((field) => RIGHTS.some((right) => has(field, right)) || takesCursor(field))
        .filter(
          (field) => `${type.name.value}.${field.name.value}` !== 'Subscription.events' && !has(field, 'inaccessible'),
        )
        .map(
          (field) =>
            `${name}: ${type.name.value}.${field.name.value} needs a right or takes a cursor, so it must be nullable.`,
        ),
    ),
  );
}

const takesCursor = (field: FieldDefinitionNode): boolean =>
  (field.arguments ?? []).some((one) => ['after', 'before'].includes(one.name.value));

/** A type, input, enum or scalar that several subgraphs define whole must be the same text in all: a missing member vanishes silently. */
function sharedTypesEqual(documents: readonly Parsed[]): string[] {
  const seen = new Map<string, { name: string; text: string }>();
  const faults: string[] = [];
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
      else if (before.text !== text) faults.push(`${one.name.value} is not the same in ${before.name} and ${name}.`);
    }
  }
  return faults;
}

/** Every type, field, argument and enum value has a description. */
function undescribed(documents: readonly Parsed[]): string[] {
  const faults = new Set<string>();
  for (const { name, document } of documents) {
    for (const one of document.definitions) {
      if (!('name' in one) || !one.name || one.kind === Kind.DIRECTIVE_DEFINITION) continue;
      const typeName = one.name.value;
      const tell = (where: string) => faults.add(`${name}: ${where} has no description.`);
      const isRoot = ROOTS.includes(typeName);
      if ('description' in one && !one.description && !isRoot) tell(typeName);
      if ('fields' in one) {
        for (const field of one.fields ?? []) {
          if (!field.description) tell(`${typeName}.${field.name.value}`);
          if ('arguments' in field) {
            for (const argument of field.arguments ?? []) {
              if (!argument.description) tell(`${typeName}.${field.name.value}(${argument.name.value}:)`);
            }
          }
        }
      }
      if (one.kind === Kind.ENUM_TYPE_DEFINITION) {
        for (const value of one.values ?? []) if (!value.description) tell(`${typeName}.${value.name.value}`);
      }
    }
  }
  return [...faults];
}

/** Whoever hands out a connection of a protected type asks for a right too. */
function protectedConnections(documents: readonly Parsed[]): string[] {
  const guarded = new Set<string>();
  for (const { types } of documents) {
    for (const type of types) if (RIGHTS.some((right) => has(type, right))) guarded.add(type.name.value);
  }
  return documents.flatMap(({ name, types }) =>
    types.flatMap((type) =>
      (type.fields ?? [])
        .filter((field) => {
          const returns = namedType(field.type);
          return returns.endsWith('Connection') && guarded.has(returns.slice(0, -'Connection'.length));
        })
        .filter((field) => !RIGHTS.some((right) => has(field, right)) && !RIGHTS.some((right) => has(type, right)))
        .map(
          (field) =>
            `${name}: ${type.name.value}.${field.name.value} hands out protected things, so it must ask for a right.`,
        ),
    ),
  );
}

function namedType(type: TypeNode): string {
  return type.kind === Kind.NAMED_TYPE ? type.name.value : namedType(type.type);
}
