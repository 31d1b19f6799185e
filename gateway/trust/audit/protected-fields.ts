/**
 * Which fields of the graph are protected, and whose data they are: read from the supergraph's own directives, so that a new
 * field is in the audit log from the day it needs a right.
 */
import { type ConstDirectiveNode, Kind, parse, valueFromASTUntyped } from 'graphql';

/** As `gateway/federation` wants it. */
export interface AuditWatch {
  watched(coordinate: { type: string; field: string; returns: string }): boolean;
  /** Entities and persons: type by the field that names one. */
  readonly subjects: ReadonlyMap<string, string>;
  readonly owner: { readonly type: 'Company'; readonly scalar: 'USCC' };
  /** Purposes for which a company's consent is asked, by coordinate of the field. */
  readonly purposes: ReadonlyMap<string, readonly string[]>;
}

const RIGHTS = ['authenticated', 'requiresScopes', 'policy'];
/** Fields of the gateway itself that stand for a protected one. */
const STANDS_FOR: Readonly<Record<string, string>> = { 'Query._delivery': 'Subscription.events' };

/** Reads the directives of a supergraph. */
export function readWatch(supergraph: string): AuditWatch {
  const types = new Set<string>();
  const fields = new Set<string>();
  const subjects = new Map<string, string>();
  const purposes = new Map<string, readonly string[]>();
  for (const one of parse(supergraph, { noLocation: true }).definitions) {
    if (one.kind !== Kind.OBJECT_TYPE_DEFINITION && one.kind !== Kind.INTERFACE_TYPE_DEFINITION) continue;
    const type = one.name.value;
    const guarded = needsRight(one.directives);
    if (guarded) types.add(type);
    const key =
      keyOf(one.directives) ?? (guarded && one.fields?.some((field) => field.name.value === 'id') ? 'id' : null);
    if (key !== null && one.kind === Kind.OBJECT_TYPE_DEFINITION) subjects.set(type, key);
    for (const field of one.fields ?? []) {
      const coordinate = `${type}.${field.name.value}`;
      if (needsRight(field.directives)) fields.add(coordinate);
      const wanted = consentsOf(field.directives);
      if (wanted.length > 0) purposes.set(coordinate, wanted);
    }
  }
  return {
    watched: ({ type, field, returns }) =>
      fields.has(STANDS_FOR[`${type}.${field}`] ?? `${type}.${field}`) || types.has(returns) || types.has(type),
    subjects,
    owner: { type: 'Company', scalar: 'USCC' },
    purposes,
  };
}

type Directives = readonly ConstDirectiveNode[] | undefined;

const needsRight = (directives: Directives): boolean =>
  (directives ?? []).some((one) => RIGHTS.includes(one.name.value));

/** The first key that is one field. */
function keyOf(directives: Directives): string | null {
  for (const one of directives ?? []) {
    if (one.name.value !== 'join__type') continue;
    const key = one.arguments?.find((argument) => argument.name.value === 'key')?.value;
    if (key?.kind === Kind.STRING && /^\w+$/.test(key.value)) return key.value;
  }
  return null;
}

function consentsOf(directives: Directives): string[] {
  return (directives ?? []).flatMap((one) => {
    if (one.name.value !== 'policy') return [];
    const all = one.arguments?.find((argument) => argument.name.value === 'policies')?.value;
    const names = all ? (valueFromASTUntyped(all) as string[][]).flat() : [];
    return names.filter((name) => name.startsWith('consent:')).map((name) => name.slice('consent:'.length));
  });
}
