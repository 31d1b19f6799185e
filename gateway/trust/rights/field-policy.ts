/**
 * Rights where the field is born, read from the supergraph and asked before planning: a refused field causes no fetch.
 * `@authenticated`, `@requiresScopes` and `@policy`, on fields and on the types that fields return.
 */
import { type ConstDirectiveNode, type DocumentNode, Kind, parse, valueFromASTUntyped } from 'graphql';
import type { Principal } from '../../../connectors/kit/auth/principal.ts';
import type { ErrorCode } from '../../../connectors/kit/errors.ts';

/** One field of the graph and the named type that it returns. */
export interface Coordinate {
  readonly type: string;
  readonly field: string;
  readonly returns: string;
}

export interface RefusedField {
  readonly code: ErrorCode;
  readonly message: string;
}

interface Needs {
  readonly authenticated: boolean;
  /** One of the lists must be held whole. */
  readonly scopes: readonly (readonly string[])[] | null;
  readonly policies: readonly (readonly string[])[] | null;
}

export interface Policy {
  /** Null when the caller may see it. `principal` null: nobody is signed in. */
  refused(coordinate: Coordinate, principal: Principal | null): RefusedField | null;
  /** Callers with equal marks are refused the same fields. */
  mark(principal: Principal | null): string;
}

/** Reads the needs out of a supergraph. */
export function readPolicy(supergraph: string): Policy {
  const { types, fields } = collect(parse(supergraph, { noLocation: true }));
  return {
    refused: ({ type, field, returns }, principal) =>
      check(fields.get(`${type}.${field}`), principal, `${type}.${field}`) ??
      check(types.get(returns), principal, `${type}.${field}`) ??
      check(types.get(type), principal, `${type}.${field}`),
    mark: (principal) => {
      if (principal === null) return '-';
      let mark = marks.get(principal);
      if (mark === undefined) {
        mark = `${[...principal.scopes].sort().join(' ')}|${purposes(principal).join(' ')}`;
        marks.set(principal, mark);
      }
      return mark;
    },
  };
}

const marks = new WeakMap<Principal, string>();

/** Purposes that some company has granted, or that need no grant: a company may see its own. Which company's row it is, connectors ask. */
const purposes = ({ consents, roles }: Principal): string[] =>
  roles.includes('company') ? ['*'] : [...new Set([...consents].map((one) => one.split('@')[0] ?? ''))].sort();

function collect(document: DocumentNode) {
  const types = new Map<string, Needs>();
  const fields = new Map<string, Needs>();
  for (const one of document.definitions) {
    const isType =
      one.kind === Kind.OBJECT_TYPE_DEFINITION ||
      one.kind === Kind.INTERFACE_TYPE_DEFINITION ||
      one.kind === Kind.SCALAR_TYPE_DEFINITION ||
      one.kind === Kind.ENUM_TYPE_DEFINITION;
    if (!isType) continue;
    const needs = needsOf(one.directives ?? []);
    if (needs) types.set(one.name.value, needs);
    if (!('fields' in one)) continue;
    for (const field of one.fields ?? []) {
      const fieldNeeds = needsOf(field.directives ?? []);
      if (fieldNeeds) fields.set(`${one.name.value}.${field.name.value}`, fieldNeeds);
    }
  }
  return { types, fields };
}

function needsOf(directives: readonly ConstDirectiveNode[]): Needs | null {
  const argument = (name: string, of: string): string[][] | null => {
    const node = directives.find((one) => one.name.value === name)?.arguments?.find((one) => one.name.value === of);
    return node ? (valueFromASTUntyped(node.value) as string[][]) : null;
  };
  const authenticated = directives.some((one) => one.name.value === 'authenticated');
  const scopes = argument('requiresScopes', 'scopes');
  const policies = argument('policy', 'policies');
  return authenticated || scopes || policies ? { authenticated, scopes, policies } : null;
}

function check(needs: Needs | undefined, principal: Principal | null, name: string): RefusedField | null {
  if (!needs) return null;
  if (principal === null) return { code: 'UNAUTHENTICATED', message: `${name} needs a signed-in caller.` };
  if (needs.scopes && !needs.scopes.some((all) => all.every((scope) => principal.scopes.has(scope)))) {
    const wanted = needs.scopes.map((all) => all.join(' and ')).join(', or ');
    return { code: 'FORBIDDEN', message: `${name} needs the right ${wanted}.` };
  }
  if (needs.policies && !needs.policies.some((all) => all.every((policy) => holds(policy, principal)))) {
    const wanted = needs.policies.map((all) => all.join(' and ')).join(', or ');
    return { code: 'CONSENT_REQUIRED', message: `${name} needs ${wanted}: the company has not granted it.` };
  }
  return null;
}

function holds(policy: string, principal: Principal): boolean {
  if (!policy.startsWith('consent:')) return false;
  const granted = purposes(principal);
  return granted.includes('*') || granted.includes(policy.slice('consent:'.length));
}
