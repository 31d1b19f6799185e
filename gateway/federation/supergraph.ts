/** Reads a supergraph's text into two schemas: the public one of clients, and the internal one with `@inaccessible` elements. */
import { createHash } from 'node:crypto';
import {
  buildASTSchema,
  type ConstDirectiveNode,
  type DefinitionNode,
  type DocumentNode,
  type GraphQLSchema,
  isAbstractType,
  Kind,
  parse,
  visit,
} from 'graphql';
import type { ReservedNames } from './data-keys.ts';

export interface Supergraph {
  /** The first 16 hexadecimal digits of the text's SHA-256 digest. */
  readonly id: string;
  readonly text: string;
  /** Without `@inaccessible` elements. */
  readonly publicSchema: GraphQLSchema;
  /** With `@inaccessible` elements. */
  readonly internalSchema: GraphQLSchema;
  readonly reservedNames: ReservedNames;
  /** Abstract types of which `publicSchema` lacks some members. */
  readonly partlyHiddenTypes: ReadonlySet<string>;
  /** Subgraphs by their name in query plans. */
  readonly subgraphs: ReadonlyMap<string, { readonly name: string; readonly url: string }>;
}

const COMPOSITION_TYPES = /^(join|link|core|tag|inaccessible|context|connect)__/;
const KEPT_DIRECTIVES = new Set(['deprecated', 'specifiedBy', 'oneOf']);

/** Parses a supergraph. Throws if the text is not GraphQL or has no `join__Graph`. */
export function readSupergraph(text: string): Supergraph {
  const document = parse(text, { noLocation: true });
  const subgraphs = readSubgraphs(document);
  if (subgraphs.size === 0) throw new Error('The text is not a supergraph: it has no enum join__Graph with subgraphs.');
  const publicSchema = buildSchema(document, { isPublic: true });
  const internalSchema = buildSchema(document, { isPublic: false });
  return {
    id: createHash('sha256').update(text).digest('hex').slice(0, 16),
    text,
    publicSchema,
    internalSchema,
    reservedNames: readReservedNames(document),
    partlyHiddenTypes: new Set(
      Object.values(publicSchema.getTypeMap()).flatMap((type) => {
        const internalType = internalSchema.getType(type.name);
        if (!isAbstractType(type) || !isAbstractType(internalType)) return [];
        const isPartlyHidden =
          internalSchema.getPossibleTypes(internalType).length > publicSchema.getPossibleTypes(type).length;
        return isPartlyHidden ? [type.name] : [];
      }),
    ),
    subgraphs,
  };
}

/** Names of all fields, and of fields that some `@requires` selects with arguments. */
function readReservedNames(document: DocumentNode): ReservedNames {
  const fields = new Set<string>();
  const requiredWithArguments = new Set<string>();
  visit(document, {
    FieldDefinition: (node) => {
      fields.add(node.name.value);
      for (const directive of node.directives ?? []) {
        if (directive.name.value !== 'join__field') continue;
        const requires = directive.arguments?.find((argument) => argument.name.value === 'requires')?.value;
        if (requires?.kind !== Kind.STRING) continue;
        visit(parse(`{ ${requires.value} }`, { noLocation: true }), {
          Field: (field) => {
            if (field.arguments && field.arguments.length > 0) requiredWithArguments.add(field.name.value);
          },
        });
      }
    },
  });
  return { fields, requiredWithArguments };
}

function readSubgraphs(document: DocumentNode): Map<string, { name: string; url: string }> {
  const found = new Map<string, { name: string; url: string }>();
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.ENUM_TYPE_DEFINITION || definition.name.value !== 'join__Graph') continue;
    for (const value of definition.values ?? []) {
      const graph = value.directives?.find((directive) => directive.name.value === 'join__graph');
      const argument = (name: string): string => {
        const node = graph?.arguments?.find((argument) => argument.name.value === name)?.value;
        return node?.kind === Kind.STRING ? node.value : '';
      };
      const name = argument('name') || value.name.value;
      found.set(name, { name, url: argument('url') });
    }
  }
  return found;
}

type WithDirectives = { readonly directives?: readonly ConstDirectiveNode[] | undefined };
const isInaccessible = (node: WithDirectives): boolean =>
  (node.directives ?? []).some((directive) => directive.name.value === 'inaccessible');

function buildSchema(document: DocumentNode, { isPublic }: { isPublic: boolean }): GraphQLSchema {
  const inaccessible = new Set<string>();
  if (isPublic) {
    for (const definition of document.definitions) {
      if (
        'name' in definition &&
        definition.name &&
        'directives' in definition &&
        isInaccessible(definition as WithDirectives)
      )
        inaccessible.add(definition.name.value);
    }
  }
  const keep = (node: WithDirectives) => (isPublic && isInaccessible(node) ? null : undefined);
  const stripped = visit(document, {
    Directive: (node) => (KEPT_DIRECTIVES.has(node.name.value) ? undefined : null),
    NamedType: {
      leave: (node, _key, parent) => (Array.isArray(parent) && inaccessible.has(node.name.value) ? null : undefined),
    },
    FieldDefinition: (node) => keep(node),
    InputValueDefinition: (node) => keep(node),
    EnumValueDefinition: (node) => keep(node),
  });
  const definitions = stripped.definitions.filter((definition: DefinitionNode) => {
    if (definition.kind === Kind.DIRECTIVE_DEFINITION || definition.kind === Kind.SCHEMA_EXTENSION) return false;
    if (definition.kind === Kind.SCHEMA_DEFINITION) return true;
    const name = 'name' in definition && definition.name ? definition.name.value : '';
    return !COMPOSITION_TYPES.test(name) && !inaccessible.has(name);
  });
  return buildASTSchema({ kind: Kind.DOCUMENT, definitions }, { assumeValid: true, assumeValidSDL: true });
}
