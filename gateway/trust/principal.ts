/** Roles and what they hold. Tokens come with the trust issue; until then only the anonymous role of isthmus.yaml exists. */
import type { Principal } from '../../connectors/kit/principal.ts';

/** Every right to read; none to write, none to unmask. */
const READ_SCOPES = ['access:read', 'access:persons', 'parking:read', 'tax:read', 'energy:read', 'registration:read'];

const ROLES: Readonly<Record<string, { scopes: readonly string[]; consents: readonly string[] }>> = {
  // The demo's caller from loopback: its invented companies have consented to everything that can be read.
  developer: {
    scopes: [...READ_SCOPES, 'permits:write', 'registration:file', 'tax:file'],
    consents: ['tax'],
  },
};

/** A caller without a token: the anonymous role when there is one, else null (nobody). */
export function anonymousPrincipal(role: string | null): Principal | null {
  if (role === null) return null;
  const held = ROLES[role];
  if (!held) return null;
  return {
    subject: `anonymous:${role}`,
    client: 'anonymous',
    roles: [role],
    scopes: new Set(held.scopes),
    parks: null,
    companies: null,
    consents: new Set(held.consents),
    purpose: null,
    expires: null,
  };
}
