/** Creates the principal of a verified token, or of a caller without one. */

import type { Principal } from '../../../connectors/kit/auth/principal.ts';
import { ROLE_NAMES, type Role, roleOf } from '../../../connectors/kit/auth/roles.ts';
import type { IssuerConfig } from '../../../connectors/kit/config/sections/auth.ts';
import { quoted } from './rejection-log.ts';
import type { IssuerRules } from './token-rejection.ts';

export type Claims = Readonly<Record<string, unknown>>;

/** The principal of a caller without a token: with the anonymous role, or null if none is configured. */
export function anonymousPrincipal(role: string | null): Principal | null {
  const held = role === null ? null : roleOf(role);
  if (role === null || !held) return null;
  return createPrincipal([role], [held], {
    subject: `anonymous:${role}`,
    client: 'anonymous',
    parks: null,
    companies: null,
    purpose: null,
    expires: null,
  });
}

/** The roles as the token names them, before they are mapped to roles of the hub. */
export const rolesOf = (claims: Claims, issuer: Pick<IssuerConfig, 'rolesClaim'>): string[] =>
  toList(claimAt(claims, issuer.rolesClaim));

/** The principal of a verified token. Unknown roles grant nothing; the claim `scope` can only reduce the scopes. */
export function principalOf(claims: Claims, issuer: Pick<IssuerConfig, 'rolesClaim' | 'roles'>): Principal {
  const names = rolesOf(claims, issuer).map((name) =>
    issuer.roles === null ? name : Object.hasOwn(issuer.roles, name) ? (issuer.roles[name] ?? '') : '',
  );
  const roles = [...new Set(names)].filter((name) => roleOf(name) !== null);
  const held = roles.map((name) => roleOf(name)).filter((role): role is Role => role !== null);
  const client = claims['azp'] ?? claims['client_id'] ?? claims['sub'];
  const principal = createPrincipal(roles, held, {
    subject: String(claims['sub']),
    client: String(client),
    parks: visibleIds(held, 'parks', claims['parks']),
    companies: visibleIds(held, 'companies', claims['companies']),
    purpose: typeof claims['purpose'] === 'string' ? claims['purpose'] : null,
    expires: Number(claims['exp']) * 1000,
  });
  // Scopes of OpenID Connect (openid, profile) do not concern the graph; those of the hub contain a colon.
  const requested =
    typeof claims['scope'] === 'string' ? claims['scope'].split(' ').filter((scope) => scope.includes(':')) : [];
  if (requested.length === 0) return principal;
  return { ...principal, scopes: new Set(requested.filter((scope) => principal.scopes.has(scope))) };
}

/** The log line for a valid token without a role of this hub. */
export const noRoleMessage = (
  named: readonly string[],
  { setting, rolesClaim }: Pick<IssuerConfig, 'rolesClaim'> & Pick<IssuerRules, 'setting'>,
): string => {
  const found =
    named.length === 0
      ? `claim ${quoted(rolesClaim)} names no role`
      : `claim ${quoted(rolesClaim)} names ${named.slice(0, 5).map(quoted).join(', ')}`;
  return `Token without a role of this hub; its caller can read no protected field: ${found}.${setting === null ? '' : ` Set ${setting}.rolesClaim to the claim with the roles, or map its values to ${ROLE_NAMES.join(', ')} in ${setting}.roles.`}`;
};

function createPrincipal(
  roles: readonly string[],
  held: readonly Role[],
  rest: Omit<Principal, 'roles' | 'scopes' | 'consents'>,
): Principal {
  return {
    ...rest,
    roles,
    scopes: new Set(held.flatMap((role) => role.scopes)),
    consents: new Set(held.flatMap((role) => role.consents)),
  };
}

/** Ids that the caller may see; null: all, if every role sees all and the token does not restrict them. */
function visibleIds(held: readonly Role[], dimension: 'parks' | 'companies', claim: unknown): readonly string[] | null {
  const all = held.length > 0 && held.every((role) => role[dimension] === 'all');
  if (all) return claim === undefined ? null : toList(claim);
  return toList(claim);
}

const toList = (value: unknown): string[] =>
  Array.isArray(value)
    ? value.filter((item): item is string => typeof item === 'string')
    : typeof value === 'string'
      ? value.split(' ').filter((item) => item !== '')
      : [];

/** A claim by name or by a path with dots, such as `realm_access.roles`. Own properties only. */
function claimAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const part of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Claims)[part];
  }
  return value;
}
