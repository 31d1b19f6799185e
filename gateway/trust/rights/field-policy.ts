/**
 * Access rules of fields, read from the supergraph and checked before planning, so that a rejected field causes no fetch:
 * `@authenticated`, `@requiresScopes` and `@policy`, on fields and on the types that fields return.
 */
import { type ConstDirectiveNode, type DocumentNode, Kind, parse, valueFromASTUntyped } from 'graphql';
import type { Principal } from '../../../connectors/kit/auth/principal.ts';
import type { ErrorCode } from '../../../connectors/kit/errors.ts';

/** A field of the graph and the named type that it returns. */
export interface Coordinate {
  readonly type: string;
  readonly field: string;
  readonly returns: string;
}

/** Why a caller may not read a field. */
export interface FieldRejection {
  readonly code: ErrorCode;
  readonly message: string;
}

interface FieldRequirements {
  readonly authenticated: boolean;
  /** The caller needs all scopes of one of the lists; the same for policies. */
  readonly scopes: readonly (readonly string[])[] | null;
  readonly policies: readonly (readonly string[])[] | null;
}

export interface FieldPolicy {
  /** Why the caller may not read the field; null if it may. `principal` null: unauthenticated. */
  rejection(coordinate: Coordinate, principal: Principal | null): FieldRejection | null;
  /** Callers with equal keys may read the same fields. */
  rightsKey(principal: Principal | null): string;
}

/** Reads the access rules from a supergraph. */
export function readFieldPolicy(supergraph: string): FieldPolicy {
  const { types, fields } = collectRequirements(parse(supergraph, { noLocation: true }));
  return {
    rejection: ({ type, field, returns }, principal) =>
      checkRequirements(fields.get(`${type}.${field}`), principal, `${type}.${field}`) ??
      checkRequirements(types.get(returns), principal, `${type}.${field}`) ??
      checkRequirements(types.get(type), principal, `${type}.${field}`),
    rightsKey: (principal) => {
      if (principal === null) return '-';
      let mark = rightsKeys.get(principal);
      if (mark === undefined) {
        mark = `${[...principal.scopes].sort().join(' ')}|${consentedPurposes(principal).join(' ')}`;
        rightsKeys.set(principal, mark);
      }
      return mark;
    },
  };
}

const rightsKeys = new WeakMap<Principal, string>();

/** Purposes for which any company has granted consent; `*` for a company itself. Connectors check which company a row belongs to. */
const consentedPurposes = ({ consents, roles }: Principal): string[] =>
  roles.includes('company') ? ['*'] : [...new Set([...consents].map((consent) => consent.split('@')[0] ?? ''))].sort();

function collectRequirements(document: DocumentNode) {
  const types = new Map<string, FieldRequirements>();
  const fields = new Map<string, FieldRequirements>();
  for (const definition of document.definitions) {
    const isType =
      definition.kind === Kind.OBJECT_TYPE_DEFINITION ||
      definition.kind === Kind.INTERFACE_TYPE_DEFINITION ||
      definition.kind === Kind.SCALAR_TYPE_DEFINITION ||
      definition.kind === Kind.ENUM_TYPE_DEFINITION;
    if (!isType) continue;
    const needs = readRequirements(definition.directives ?? []);
    if (needs) types.set(definition.name.value, needs);
    if (!('fields' in definition)) continue;
    for (const field of definition.fields ?? []) {
      const fieldNeeds = readRequirements(field.directives ?? []);
      if (fieldNeeds) fields.set(`${definition.name.value}.${field.name.value}`, fieldNeeds);
    }
  }
  return { types, fields };
}

function readRequirements(directives: readonly ConstDirectiveNode[]): FieldRequirements | null {
  const argument = (name: string, of: string): string[][] | null => {
    const node = directives
      .find((directive) => directive.name.value === name)
      ?.arguments?.find((argument) => argument.name.value === of);
    return node ? (valueFromASTUntyped(node.value) as string[][]) : null;
  };
  const authenticated = directives.some((directive) => directive.name.value === 'authenticated');
  const scopes = argument('requiresScopes', 'scopes');
  const policies = argument('policy', 'policies');
  return authenticated || scopes || policies ? { authenticated, scopes, policies } : null;
}

function checkRequirements(
  needs: FieldRequirements | undefined,
  principal: Principal | null,
  name: string,
): FieldRejection | null {
  if (!needs) return null;
  if (principal === null) return { code: 'UNAUTHENTICATED', message: `${name} requires authentication. Send a token.` };
  if (needs.scopes && !needs.scopes.some((all) => all.every((scope) => principal.scopes.has(scope)))) {
    const required = needs.scopes.map((all) => all.join(' and ')).join(', or ');
    return { code: 'FORBIDDEN', message: `${name} requires the scope ${required}, which the caller does not have.` };
  }
  if (needs.policies && !needs.policies.some((all) => all.every((policy) => hasConsent(policy, principal)))) {
    const required = needs.policies.map((all) => all.join(' and ')).join(', or ');
    return { code: 'CONSENT_REQUIRED', message: `${name} requires ${required}, which the company has not granted.` };
  }
  return null;
}

function hasConsent(policy: string, principal: Principal): boolean {
  if (!policy.startsWith('consent:')) return false;
  const granted = consentedPurposes(principal);
  return granted.includes('*') || granted.includes(policy.slice('consent:'.length));
}
