/** The section `explorer` of isthmus.yaml: whether the explorer is served, and the OIDC clients for its sign-in. */
import type { AuthConfig } from './auth.ts';

/** A public OIDC client for sign-in on the explorer page (authorization code flow with PKCE). */
export interface ExplorerClient {
  /** One of `auth.issuers`. */
  readonly issuer: string;
  readonly clientId: string;
  /** Label of the sign-in button; default: the issuer's host. */
  readonly name: string;
  readonly scopes: readonly string[];
  /** Additional parameters of the authorization request; `resource` is sent with token requests too. */
  readonly parameters: Readonly<Record<string, string>>;
}

export interface ExplorerConfig {
  /** Whether `/explorer/` is served. */
  readonly on: boolean;
  /** Empty: users paste a token. */
  readonly clients: readonly ExplorerClient[];
}

/** Parameters of the authorization request that the page sets. */
const OWN_PARAMETERS = [
  'client_id',
  'client_secret',
  'code_challenge',
  'code_challenge_method',
  'nonce',
  'redirect_uri',
  'response_mode',
  'response_type',
  'scope',
  'state',
];
const KNOWN = ['issuer', 'clientId', 'name', 'scopes', 'parameters'];
const EXAMPLE = 'explorer: { issuer: https://id.example/realms/park, clientId: isthmus-explorer }';

type AddError = (message: string) => void;

/**
 * Reads the section. Reports every error to `addError`. Without the section the explorer is served if callers can authenticate
 * (`auth`) or the anonymous role is set.
 */
export function readExplorer(
  raw: unknown,
  { auth, anonymous }: { readonly auth: AuthConfig; readonly anonymous: string | null },
  addError: AddError,
): ExplorerConfig {
  const isUsable = auth.issuers.length > 0 || auth.demo || anonymous !== null;
  if (raw === undefined || raw === null) return { on: isUsable, clients: [] };
  if (raw === false) return { on: false, clients: [] };
  if (raw !== true && typeof raw !== 'object') {
    addError(`explorer must be true, false, or an OIDC client, found ${JSON.stringify(raw)}; example: ${EXAMPLE}`);
    return { on: false, clients: [] };
  }
  if (!isUsable) {
    addError(
      'explorer is enabled, but no caller can authenticate: auth and anonymous are not set; set auth.issuers, or explorer: false',
    );
    return { on: false, clients: [] };
  }
  const list = raw === true ? [] : Array.isArray(raw) ? raw : [raw];
  const clients = list.flatMap((client) => readClient(client, auth, addError));
  const duplicate = clients.find((one, i) => clients.findIndex((other) => other.issuer === one.issuer) !== i);
  if (duplicate) addError(`explorer: issuer ${duplicate.issuer} is listed twice`);
  return { on: true, clients };
}

function readClient(raw: unknown, auth: AuthConfig, addError: AddError): ExplorerClient[] {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    addError(`explorer: a client must be a mapping, found ${JSON.stringify(raw)}; example: ${EXAMPLE}`);
    return [];
  }
  const given = raw as Readonly<Record<string, unknown>>;
  for (const name of Object.keys(given)) {
    if (!KNOWN.includes(name)) addError(`explorer: unknown setting ${name}; settings: ${KNOWN.join(', ')}`);
  }
  const { clientId, name, parameters } = given;
  if (typeof clientId !== 'string' || clientId === '') {
    addError(
      `explorer: clientId must be the id of a public client of the issuer, found ${JSON.stringify(clientId ?? null)}; example: clientId: isthmus-explorer`,
    );
  }
  const issuer = issuerOf(given['issuer'], auth, addError);
  if (name !== undefined && (typeof name !== 'string' || name === '')) {
    addError(`explorer: name must be a non-empty string, found ${JSON.stringify(name)}; example: name: Park ID`);
  }
  const scopes = scopesOf(given['scopes'], addError);
  if (typeof clientId !== 'string' || issuer === null) return [];
  return [
    {
      issuer,
      clientId,
      name: typeof name === 'string' ? name : new URL(issuer).host,
      scopes,
      parameters: parametersOf(parameters, addError),
    },
  ];
}

/** The client's issuer, which may be omitted if `auth` has exactly one; null after an error. */
function issuerOf(given: unknown, { issuers }: AuthConfig, addError: AddError): string | null {
  const names = issuers.map((one) => one.issuer);
  if (given === undefined && names.length === 1) return names[0] as string;
  if (typeof given === 'string' && names.includes(given)) return given;
  addError(
    `explorer: issuer must be one of auth.issuers (${names.join(', ') || 'none configured'}), found ${JSON.stringify(given ?? null)}; example: issuer: ${names[0] ?? 'https://id.example/realms/park'}`,
  );
  return null;
}

function scopesOf(given: unknown, addError: AddError): string[] {
  if (given === undefined) return ['openid'];
  const scopes: unknown[] = typeof given === 'string' ? given.split(' ') : Array.isArray(given) ? given : [null];
  /** RFC 6749, section 3.3. */
  const isScope = (scope: unknown): scope is string => typeof scope === 'string' && /^[!#-[\]-~]+$/.test(scope);
  if (scopes.length > 0 && scopes.every(isScope)) return scopes;
  addError(
    `explorer: scopes must be a list of OAuth scopes, found ${JSON.stringify(given)}; example: scopes: [openid, "api://isthmus/read"]`,
  );
  return ['openid'];
}

function parametersOf(given: unknown, addError: AddError): Record<string, string> {
  if (given === undefined || given === null) return {};
  const entries = typeof given === 'object' && !Array.isArray(given) ? Object.entries(given) : null;
  if (!entries?.every(([, value]) => typeof value === 'string')) {
    addError(
      `explorer: parameters must be a mapping from name to string, found ${JSON.stringify(given)}; example: parameters: { resource: https://hub.example }`,
    );
    return {};
  }
  const reserved = entries.find(([name]) => OWN_PARAMETERS.includes(name));
  if (reserved) addError(`explorer: parameters must not contain ${reserved[0]}, which the page sets`);
  return Object.fromEntries(entries) as Record<string, string>;
}
