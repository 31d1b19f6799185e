/** A supergraph's text as schemas: what clients see, and what the gateway itself may name. */
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
import type { Reserved } from './reserved-names.ts';
import { applyScalars, type InputRules } from './validate/input-values.ts';

export interface Supergraph {
  readonly id: string;
  readonly text: string;
  /** Without what is `@inaccessible`. */
  readonly open: GraphQLSchema;
  /** With it. */
  readonly inner: GraphQLSchema;
  readonly reserved: Reserved;
  /** Abstract types of which `open` does not show all members. */
  readonly veiled: ReadonlySet<string>;
  /** Subgraphs by the name that plans use. */
  readonly subgraphs: ReadonlyMap<string, { readonly name: string; readonly url: string }>;
}

const MACHINERY = /^(join|link|core|tag|inaccessible|context|connect)__/;
const KEPT = new Set(['deprecated', 'specifiedBy', 'oneOf']);

/** Reads the text, with its `join__Graph` and `join__field`; throws when it is no supergraph. */
export function readSupergraph(text: string, rules: InputRules | null = null): Supergraph {
  const document = parse(text, { noLocation: true });
  const subgraphs = readSubgraphs(document);
  if (subgraphs.size === 0) throw new Error('The supergraph names no subgraphs: it has no join__Graph.');
  const open = toSchema(document, true);
  const inner = toSchema(document, false);
  if (rules) for (const schema of [open, inner]) applyScalars(schema, rules);
  return {
    id: createHash('sha256').update(text).digest('hex').slice(0, 16),
    text,
    open,
    inner,
    reserved: readNames(document),
    veiled: new Set(
      Object.values(open.getTypeMap()).flatMap((type) => {
        const whole = inner.getType(type.name);
        if (!isAbstractType(type) || !isAbstractType(whole)) return [];
        return inner.getPossibleTypes(whole).length > open.getPossibleTypes(type).length ? [type.name] : [];
      }),
    ),
    subgraphs,
  };
}

/** Names of all fields, and of those that a `@requires` asks with arguments. */
function readNames(document: DocumentNode): Reserved {
  const fields = new Set<string>();
  const argued = new Set<string>();
  visit(document, {
    FieldDefinition: (node) => {
      fields.add(node.name.value);
      for (const directive of node.directives ?? []) {
        if (directive.name.value !== 'join__field') continue;
        const requires = directive.arguments?.find((one) => one.name.value === 'requires')?.value;
        if (requires?.kind !== Kind.STRING) continue;
        visit(parse(`{ ${requires.value} }`, { noLocation: true }), {
          Field: (one) => {
            if (one.arguments && one.arguments.length > 0) argued.add(one.name.value);
          },
        });
      }
    },
  });
  return { fields, argued };
}

function readSubgraphs(document: DocumentNode): Map<string, { name: string; url: string }> {
  const found = new Map<string, { name: string; url: string }>();
  for (const one of document.definitions) {
    if (one.kind !== Kind.ENUM_TYPE_DEFINITION || one.name.value !== 'join__Graph') continue;
    for (const value of one.values ?? []) {
      const graph = value.directives?.find((directive) => directive.name.value === 'join__graph');
      const argument = (name: string): string => {
        const node = graph?.arguments?.find((each) => each.name.value === name)?.value;
        return node?.kind === Kind.STRING ? node.value : '';
      };
      const name = argument('name') || value.name.value;
      found.set(name, { name, url: argument('url') });
    }
  }
  return found;
}

type Directed = { readonly directives?: readonly ConstDirectiveNode[] | undefined };
const hidden = (node: Directed): boolean => (node.directives ?? []).some((one) => one.name.value === 'inaccessible');

function toSchema(document: DocumentNode, open: boolean): GraphQLSchema {
  const gone = new Set<string>();
  if (open) {
    for (const one of document.definitions) {
      if ('name' in one && one.name && 'directives' in one && hidden(one as Directed)) gone.add(one.name.value);
    }
  }
  const keep = (node: Directed) => (open && hidden(node) ? null : undefined);
  const stripped = visit(document, {
    Directive: (node) => (KEPT.has(node.name.value) ? undefined : null),
    NamedType: {
      leave: (node, _key, parent) => (Array.isArray(parent) && gone.has(node.name.value) ? null : undefined),
    },
    FieldDefinition: (node) => keep(node),
    InputValueDefinition: (node) => keep(node),
    EnumValueDefinition: (node) => keep(node),
  });
  const definitions = stripped.definitions.filter((one: DefinitionNode) => {
    if (one.kind === Kind.DIRECTIVE_DEFINITION || one.kind === Kind.SCHEMA_EXTENSION) return false;
    if (one.kind === Kind.SCHEMA_DEFINITION) return true;
    const name = 'name' in one && one.name ? one.name.value : '';
    return !MACHINERY.test(name) && !gone.has(name);
  });
  return buildASTSchema({ kind: Kind.DOCUMENT, definitions }, { assumeValid: true, assumeValidSDL: true });
}
