/** The section `auth` of isthmus.yaml: whose tokens are taken, and for whom they must be made. */
import { ROLE_NAMES } from '../../auth/roles.ts';

/** Signatures that are taken. Shared-secret (HMAC) signatures and `none` are never. */
export const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** One OIDC issuer. */
export interface IssuerConfig {
  /** As in the claim `iss`, to the letter. */
  readonly issuer: string;
  /** Address of its key set; null: told by the issuer's own discovery document. */
  readonly jwks: string | null;
  readonly algorithms: readonly Algorithm[];
  /** Header `typ` that access tokens of this issuer carry: one of these. Setting `type`. */
  readonly types: readonly string[];
  /** Claim that names the roles; dots lead into objects. */
  readonly rolesClaim: string;
  /** The issuer's word to our role; null: its words are ours. */
  readonly roles: Readonly<Record<string, string>> | null;
}

export interface AuthConfig {
  /** A token must be made for one of these; empty: no token is taken but the demo's. */
  readonly audience: readonly string[];
  readonly issuers: readonly IssuerConfig[];
  /** Whether the hub has an issuer of its own for the demo (`isthmus token`). */
  readonly demo: boolean;
}

export const NO_AUTH: AuthConfig = { audience: [], issuers: [], demo: false };

/** RFC 9068: the type that ID tokens never have. */
const ACCESS_TOKEN = 'at+jwt';
const TYPE = /^[\w.+/-]+$/;

const KNOWN = ['audience', 'issuers', 'demo'];
const KNOWN_OF_ISSUER = ['issuer', 'jwks', 'algorithms', 'type', 'rolesClaim', 'roles'];
const LOOPBACK = /^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(\/|$)/;

/** Keys that came over an open line would be anybody's: https, or this machine. */
const safe = (url: unknown): url is string =>
  typeof url === 'string' && URL.canParse(url) && (url.startsWith('https://') || LOOPBACK.test(url));

/** Reads the section as plain values; `fault` takes each sentence. */
export function readAuth(raw: unknown, fault: (sentence: string) => void): AuthConfig {
  if (raw === undefined || raw === null) return NO_AUTH;
  if (typeof raw !== 'object' || Array.isArray(raw)) {
    fault('auth must be a mapping; example: auth: { audience: https://hub.example, issuers: [ { issuer: ... } ] }');
    return NO_AUTH;
  }
  const given = raw as Readonly<Record<string, unknown>>;
  for (const name of Object.keys(given)) {
    if (!KNOWN.includes(name)) fault(`auth: ${name} is not known here; known are ${KNOWN.join(', ')}`);
  }
  const audience = words(given['audience']);
  const list = given['issuers'] ?? [];
  if (!Array.isArray(list))
    fault('auth: issuers must be a list; example: [ { issuer: https://id.example/realms/park } ]');
  const issuers = (Array.isArray(list) ? list : []).flatMap((one) => issuer(one, fault));
  const twice = issuers.find((one, i) => issuers.findIndex((other) => other.issuer === one.issuer) !== i);
  if (twice) fault(`auth: the issuer ${twice.issuer} is named twice`);
  if (issuers.length > 0 && audience.length === 0) {
    fault(
      'auth: audience is missing: tokens made for other services would open this one; example: audience: https://hub.example',
    );
  }
  if (given['demo'] !== undefined && typeof given['demo'] !== 'boolean') {
    fault(`auth: demo must be true or false, found ${JSON.stringify(given['demo'])}`);
  }
  return { audience, issuers, demo: given['demo'] === true };
}

function issuer(raw: unknown, fault: (sentence: string) => void): IssuerConfig[] {
  const given = (typeof raw === 'object' && raw !== null ? raw : {}) as Readonly<Record<string, unknown>>;
  const name = given['issuer'];
  if (!safe(name)) {
    fault(
      `auth: an issuer must be an address beginning with https:// (http:// on this machine only), found ${JSON.stringify(name ?? null)}; example: issuer: https://id.example/realms/park`,
    );
    return [];
  }
  for (const key of Object.keys(given)) {
    if (!KNOWN_OF_ISSUER.includes(key)) {
      fault(`auth: ${key} is not known of the issuer ${name}; known are ${KNOWN_OF_ISSUER.join(', ')}`);
    }
  }
  if (given['jwks'] !== undefined && !safe(given['jwks'])) {
    fault(
      `auth: jwks of ${name} must begin with https:// (http:// on this machine only), found ${JSON.stringify(given['jwks'])}`,
    );
  }
  const algorithms = given['algorithms'] === undefined ? [...ALGORITHMS] : words(given['algorithms']);
  const strange = algorithms.find((one) => !ALGORITHMS.includes(one as Algorithm));
  if (strange !== undefined || algorithms.length === 0) {
    fault(
      `auth: algorithms of ${name} must be some of ${ALGORITHMS.join(', ')}, found ${JSON.stringify(given['algorithms'])}`,
    );
  }
  const types = given['type'] === undefined ? [ACCESS_TOKEN] : words(given['type']);
  const listed = [given['type'] ?? []].flat();
  if (types.length === 0 || listed.some((one) => typeof one !== 'string') || types.some((one) => !TYPE.test(one))) {
    fault(
      `auth: type of ${name} must be the header typ of its access tokens, or a list of such, found ${JSON.stringify(given['type'])}; example: type: [at+jwt, JWT]`,
    );
  }
  const roles = (given['roles'] ?? null) as Record<string, string> | null;
  for (const role of Object.values(roles ?? {})) {
    if (!ROLE_NAMES.includes(role as never)) {
      fault(`auth: roles of ${name} must lead to ${ROLE_NAMES.join(', ')}, found ${JSON.stringify(role)}`);
    }
  }
  return [
    {
      issuer: name,
      jwks: safe(given['jwks']) ? given['jwks'] : null,
      algorithms: algorithms as Algorithm[],
      types,
      rolesClaim: typeof given['rolesClaim'] === 'string' ? given['rolesClaim'] : 'roles',
      roles,
    },
  ];
}

const words = (value: unknown): string[] =>
  typeof value === 'string' ? [value] : Array.isArray(value) ? value.map(String) : [];
