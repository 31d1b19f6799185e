/** From a verified token's claims, or from no token at all, to a principal. */

import type { Principal } from '../../../connectors/kit/auth/principal.ts';
import { type Role, roleOf } from '../../../connectors/kit/auth/roles.ts';
import type { IssuerConfig } from '../../../connectors/kit/config/sections/auth.ts';

export type Claims = Readonly<Record<string, unknown>>;

/** A caller without a token: the anonymous role when there is one, else null (nobody). */
export function anonymousPrincipal(role: string | null): Principal | null {
  const held = role === null ? null : roleOf(role);
  if (role === null || !held) return null;
  return made([role], [held], {
    subject: `anonymous:${role}`,
    client: 'anonymous',
    parks: null,
    companies: null,
    purpose: null,
    expires: null,
  });
}

/** The roles as the token itself names them. */
export const rolesOf = (claims: Claims, issuer: Pick<IssuerConfig, 'rolesClaim'>): string[] =>
  list(at(claims, issuer.rolesClaim));

/** The principal of a verified token. A role unknown here holds nothing; a claim `scope` can only take away. */
export function principalOf(claims: Claims, issuer: Pick<IssuerConfig, 'rolesClaim' | 'roles'>): Principal {
  const names = rolesOf(claims, issuer).map((name) =>
    issuer.roles === null ? name : Object.hasOwn(issuer.roles, name) ? (issuer.roles[name] ?? '') : '',
  );
  const roles = [...new Set(names)].filter((name) => roleOf(name) !== null);
  const held = roles.map((name) => roleOf(name)).filter((role): role is Role => role !== null);
  const client = claims['azp'] ?? claims['client_id'] ?? claims['sub'];
  const principal = made(roles, held, {
    subject: String(claims['sub']),
    client: String(client),
    parks: rows(held, 'parks', claims['parks']),
    companies: rows(held, 'companies', claims['companies']),
    purpose: typeof claims['purpose'] === 'string' ? claims['purpose'] : null,
    expires: Number(claims['exp']) * 1000,
  });
  // OIDC's own scopes (openid, profile) say nothing about the graph: only our words narrow.
  const asked =
    typeof claims['scope'] === 'string' ? claims['scope'].split(' ').filter((one) => one.includes(':')) : [];
  if (asked.length === 0) return principal;
  return { ...principal, scopes: new Set(asked.filter((one) => principal.scopes.has(one))) };
}

function made(
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

/** Null (all) only when every role sees all; rows that a token does not name are not seen. */
function rows(held: readonly Role[], what: 'parks' | 'companies', claim: unknown): readonly string[] | null {
  const all = held.length > 0 && held.every((role) => role[what] === 'all');
  // A claim narrows even where the role would see all.
  if (all) return claim === undefined ? null : list(claim);
  return list(claim);
}

const list = (value: unknown): string[] =>
  Array.isArray(value)
    ? value.filter((one): one is string => typeof one === 'string')
    : typeof value === 'string'
      ? value.split(' ').filter((one) => one !== '')
      : [];

/** A claim by a path with dots; own properties only. */
function at(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const part of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Claims)[part];
  }
  return value;
}
