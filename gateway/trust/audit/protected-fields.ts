/**
 * Reads from the supergraph which fields are protected and whose data they contain, so that every field with an access directive is
 * audited.
 */
import { type ConstDirectiveNode, Kind, parse, valueFromASTUntyped } from 'graphql';

/** The protected fields of a graph, in the form that `gateway/federation` takes. */
export interface ProtectedFields {
  /** Whether reading the field is an access to protected data. */
  isProtected(coordinate: { type: string; field: string; returns: string }): boolean;
  /** Types whose objects are named in audit entries, with the field that identifies them. */
  readonly subjects: ReadonlyMap<string, string>;
  /** The type whose objects own data, and the scalar of its ids. */
  readonly owner: { readonly type: 'Company'; readonly scalar: 'USCC' };
  /** Purposes for which a company's consent is required, by coordinate of the field. */
  readonly purposes: ReadonlyMap<string, readonly string[]>;
}

const ACCESS_DIRECTIVES = ['authenticated', 'requiresScopes', 'policy'];
/** Internal fields of the gateway that count as a protected one. */
const COUNTS_AS: Readonly<Record<string, string>> = { 'Query._delivery': 'Subscription.events' };

/** Reads the access directives of a supergraph. */
export function readProtectedFields(supergraph: string): ProtectedFields {
  const types = new Set<string>();
  const fields = new Set<string>();
  const subjects = new Map<string, string>();
  const purposes = new Map<string, readonly string[]>();
  for (const definition of parse(supergraph, { noLocation: true }).definitions) {
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION && definition.kind !== Kind.INTERFACE_TYPE_DEFINITION) continue;
    const type = definition.name.value;
    const isProtectedType = hasAccessDirective(definition.directives);
    if (isProtectedType) types.add(type);
    const key =
      keyField(definition.directives) ??
      (isProtectedType && definition.fields?.some((field) => field.name.value === 'id') ? 'id' : null);
    if (key !== null && definition.kind === Kind.OBJECT_TYPE_DEFINITION) subjects.set(type, key);
    for (const field of definition.fields ?? []) {
      const coordinate = `${type}.${field.name.value}`;
      if (hasAccessDirective(field.directives)) fields.add(coordinate);
      const required = consentPurposes(field.directives);
      if (required.length > 0) purposes.set(coordinate, required);
    }
  }
  return {
    isProtected: ({ type, field, returns }) =>
      fields.has(COUNTS_AS[`${type}.${field}`] ?? `${type}.${field}`) || types.has(returns) || types.has(type),
    subjects,
    owner: { type: 'Company', scalar: 'USCC' },
    purposes,
  };
}

type Directives = readonly ConstDirectiveNode[] | undefined;

const hasAccessDirective = (directives: Directives): boolean =>
  (directives ?? []).some((directive) => ACCESS_DIRECTIVES.includes(directive.name.value));

/** The first key with a single field; null if there is none. */
function keyField(directives: Directives): string | null {
  for (const directive of directives ?? []) {
    if (directive.name.value !== 'join__type') continue;
    const key = directive.arguments?.find((argument) => argument.name.value === 'key')?.value;
    if (key?.kind === Kind.STRING && /^\w+$/.test(key.value)) return key.value;
  }
  return null;
}

function consentPurposes(directives: Directives): string[] {
  return (directives ?? []).flatMap((directive) => {
    if (directive.name.value !== 'policy') return [];
    const all = directive.arguments?.find((argument) => argument.name.value === 'policies')?.value;
    const names = all ? (valueFromASTUntyped(all) as string[][]).flat() : [];
    return names.filter((name) => name.startsWith('consent:')).map((name) => name.slice('consent:'.length));
  });
}
