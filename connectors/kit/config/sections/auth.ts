/** The section `auth` of isthmus.yaml: accepted token issuers and audiences. */
import { ROLE_NAMES } from '../../auth/roles.ts';

/** Supported signature algorithms. Shared-secret (HMAC) signatures and `none` are never accepted. */
export const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** One OIDC issuer. */
export interface IssuerConfig {
  /** Exactly as in the claim `iss`. */
  readonly issuer: string;
  /** URL of its key set; null: found by OIDC discovery. */
  readonly jwks: string | null;
  readonly algorithms: readonly Algorithm[];
  /** Accepted values of the header `typ` of its access tokens. Setting `type`. */
  readonly types: readonly string[];
  /** Claim that contains the roles; a dot separates the names of nested claims. */
  readonly rolesClaim: string;
  /** From the issuer's role name to the hub's; null: the names are equal. */
  readonly roles: Readonly<Record<string, string>> | null;
}

export interface AuthConfig {
  /** A token must have one of these in `aud`; empty: only tokens of the demo issuer are accepted. */
  readonly audience: readonly string[];
  readonly issuers: readonly IssuerConfig[];
  /** Whether the hub has its own issuer for the demo (`isthmus token`). */
  readonly demo: boolean;
}

export const NO_AUTH: AuthConfig = { audience: [], issuers: [], demo: false };

/** RFC 9068. ID tokens never have this type. */
const ACCESS_TOKEN = 'at+jwt';
const TYPE = /^[\w.+/-]+$/;

const KNOWN = ['audience', 'issuers', 'demo'];
const KNOWN_OF_ISSUER = ['issuer', 'jwks', 'algorithms', 'type', 'rolesClaim', 'roles'];
const LOOPBACK = /^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(\/|$)/;

/** HTTPS or loopback: keys fetched over plain HTTP could be replaced on the way. */
const isSafeUrl = (url: unknown): url is string =>
  typeof url === 'string' && URL.canParse(url) && (url.startsWith('https://') || LOOPBACK.test(url));

/** Reads the section. Reports every error to `addError`. */
export function readAuth(raw: unknown, addError: (message: string) => void): AuthConfig {
  if (raw === undefined || raw === null) return NO_AUTH;
  if (typeof raw !== 'object' || Array.isArray(raw)) {
    addError('auth must be a mapping; example: auth: { audience: https://hub.example, issuers: [ { issuer: ... } ] }');
    return NO_AUTH;
  }
  const given = raw as Readonly<Record<string, unknown>>;
  for (const name of Object.keys(given)) {
    if (!KNOWN.includes(name)) addError(`auth: unknown setting ${name}; settings: ${KNOWN.join(', ')}`);
  }
  const audience = stringsOf(given['audience']);
  const list = given['issuers'] ?? [];
  if (!Array.isArray(list))
    addError('auth: issuers must be a list; example: [ { issuer: https://id.example/realms/park } ]');
  const issuers = (Array.isArray(list) ? list : []).flatMap((issuer) => readIssuer(issuer, addError));
  const duplicate = issuers.find((one, i) => issuers.findIndex((other) => other.issuer === one.issuer) !== i);
  if (duplicate) addError(`auth: issuer ${duplicate.issuer} is listed twice`);
  if (issuers.length > 0 && audience.length === 0) {
    addError(
      'auth: audience is missing, so tokens issued for other services would be accepted; example: audience: https://hub.example',
    );
  }
  if (given['demo'] !== undefined && typeof given['demo'] !== 'boolean') {
    addError(`auth: demo must be true or false, found ${JSON.stringify(given['demo'])}`);
  }
  return { audience, issuers, demo: given['demo'] === true };
}

function readIssuer(raw: unknown, addError: (message: string) => void): IssuerConfig[] {
  const given = (typeof raw === 'object' && raw !== null ? raw : {}) as Readonly<Record<string, unknown>>;
  const name = given['issuer'];
  if (!isSafeUrl(name)) {
    addError(
      `auth: issuer must be a URL that starts with https:// (http:// on this machine only), found ${JSON.stringify(name ?? null)}; example: issuer: https://id.example/realms/park`,
    );
    return [];
  }
  for (const key of Object.keys(given)) {
    if (!KNOWN_OF_ISSUER.includes(key)) {
      addError(`auth: unknown setting ${key} of issuer ${name}; settings: ${KNOWN_OF_ISSUER.join(', ')}`);
    }
  }
  if (given['jwks'] !== undefined && !isSafeUrl(given['jwks'])) {
    addError(
      `auth: jwks of ${name} must be a URL that starts with https:// (http:// on this machine only), found ${JSON.stringify(given['jwks'])}`,
    );
  }
  const algorithms = given['algorithms'] === undefined ? [...ALGORITHMS] : stringsOf(given['algorithms']);
  const unsupported = algorithms.find((one) => !ALGORITHMS.includes(one as Algorithm));
  if (unsupported !== undefined || algorithms.length === 0) {
    addError(
      `auth: algorithms of ${name} must be one or more of ${ALGORITHMS.join(', ')}, found ${JSON.stringify(given['algorithms'])}`,
    );
  }
  const types = given['type'] === undefined ? [ACCESS_TOKEN] : stringsOf(given['type']);
  const listed = [given['type'] ?? []].flat();
  if (types.length === 0 || listed.some((one) => typeof one !== 'string') || types.some((one) => !TYPE.test(one))) {
    addError(
      `auth: type of ${name} must be the header typ of its access tokens, or a list of them, found ${JSON.stringify(given['type'])}; example: type: [at+jwt, JWT]`,
    );
  }
  const roles = (given['roles'] ?? null) as Record<string, string> | null;
  for (const role of Object.values(roles ?? {})) {
    if (!ROLE_NAMES.includes(role as never)) {
      addError(`auth: roles of ${name} must map to ${ROLE_NAMES.join(', ')}, found ${JSON.stringify(role)}`);
    }
  }
  return [
    {
      issuer: name,
      jwks: isSafeUrl(given['jwks']) ? given['jwks'] : null,
      algorithms: algorithms as Algorithm[],
      types,
      rolesClaim: typeof given['rolesClaim'] === 'string' ? given['rolesClaim'] : 'roles',
      roles,
    },
  ];
}

const stringsOf = (value: unknown): string[] =>
  typeof value === 'string' ? [value] : Array.isArray(value) ? value.map(String) : [];
