/** The section `explorer` of isthmus.yaml: whether the explorer is served, and at which issuers people sign in to it. */
import type { AuthConfig } from './auth.ts';

/** A public OIDC client by which the explorer's page signs people in (authorization code flow with PKCE). */
export interface ExplorerClient {
  /** One of `auth.issuers`, to the letter. */
  readonly issuer: string;
  readonly clientId: string;
  /** What the button says; the issuer's host where nothing is set. */
  readonly name: string;
  readonly scopes: readonly string[];
  /** Further parameters of the authorization request; `resource` is sent with token requests too. */
  readonly parameters: Readonly<Record<string, string>>;
}

export interface ExplorerConfig {
  /** Whether `/explorer/` is served. */
  readonly on: boolean;
  /** Empty: people paste a token. */
  readonly clients: readonly ExplorerClient[];
}

/** What the page sets itself in an authorization request. */
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

type Fault = (sentence: string) => void;

/**
 * Reads the section as plain values; `fault` takes each sentence. Where it is absent the explorer is served when somebody could sign in
 * (`auth`) or the anonymous role is set.
 */
export function readExplorer(
  raw: unknown,
  { auth, anonymous }: { readonly auth: AuthConfig; readonly anonymous: string | null },
  fault: Fault,
): ExplorerConfig {
  const usable = auth.issuers.length > 0 || auth.demo || anonymous !== null;
  if (raw === undefined || raw === null) return { on: usable, clients: [] };
  if (raw === false) return { on: false, clients: [] };
  if (raw !== true && typeof raw !== 'object') {
    fault(
      `explorer must be true, false, or the client by which people sign in, found ${JSON.stringify(raw)}; example: ${EXAMPLE}`,
    );
    return { on: false, clients: [] };
  }
  if (!usable) {
    fault(
      'explorer is set, but nobody could use it: there is no auth and no anonymous role; set auth.issuers, or explorer: false',
    );
    return { on: false, clients: [] };
  }
  const list = raw === true ? [] : Array.isArray(raw) ? raw : [raw];
  const clients = list.flatMap((one) => readClient(one, auth, fault));
  const twice = clients.find((one, i) => clients.findIndex((other) => other.issuer === one.issuer) !== i);
  if (twice) fault(`explorer: the issuer ${twice.issuer} is named twice`);
  return { on: true, clients };
}

function readClient(raw: unknown, auth: AuthConfig, fault: Fault): ExplorerClient[] {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    fault(`explorer: a client must be a mapping, found ${JSON.stringify(raw)}; example: ${EXAMPLE}`);
    return [];
  }
  const given = raw as Readonly<Record<string, unknown>>;
  for (const name of Object.keys(given)) {
    if (!KNOWN.includes(name)) fault(`explorer: ${name} is not known here; known are ${KNOWN.join(', ')}`);
  }
  const { clientId, name, parameters } = given;
  if (typeof clientId !== 'string' || clientId === '') {
    fault(
      `explorer: clientId must be the id of a public client at the issuer, found ${JSON.stringify(clientId ?? null)}; example: clientId: isthmus-explorer`,
    );
  }
  const issuer = issuerOf(given['issuer'], auth, fault);
  if (name !== undefined && (typeof name !== 'string' || name === '')) {
    fault(`explorer: name must be what the button says, found ${JSON.stringify(name)}; example: name: Park ID`);
  }
  const scopes = scopesOf(given['scopes'], fault);
  if (typeof clientId !== 'string' || issuer === null) return [];
  return [
    {
      issuer,
      clientId,
      name: typeof name === 'string' ? name : new URL(issuer).host,
      scopes,
      parameters: parametersOf(parameters, fault),
    },
  ];
}

/** The issuer may be left out where there is one. */
function issuerOf(given: unknown, { issuers }: AuthConfig, fault: Fault): string | null {
  const names = issuers.map((one) => one.issuer);
  if (given === undefined && names.length === 1) return names[0] as string;
  if (typeof given === 'string' && names.includes(given)) return given;
  fault(
    `explorer: issuer must be one of auth.issuers (${names.join(', ') || 'there are none'}), found ${JSON.stringify(given ?? null)}; example: issuer: ${names[0] ?? 'https://id.example/realms/park'}`,
  );
  return null;
}

function scopesOf(given: unknown, fault: Fault): string[] {
  if (given === undefined) return ['openid'];
  const scopes: unknown[] = typeof given === 'string' ? given.split(' ') : Array.isArray(given) ? given : [null];
  const isScope = (one: unknown): one is string => typeof one === 'string' && /^[!#-[\]-~]+$/.test(one);
  if (scopes.length > 0 && scopes.every(isScope)) return scopes;
  fault(
    `explorer: scopes must be a list of words, found ${JSON.stringify(given)}; example: scopes: [openid, "api://isthmus/read"]`,
  );
  return ['openid'];
}

function parametersOf(given: unknown, fault: Fault): Record<string, string> {
  if (given === undefined || given === null) return {};
  const entries = typeof given === 'object' && !Array.isArray(given) ? Object.entries(given) : null;
  if (!entries?.every(([, value]) => typeof value === 'string')) {
    fault(
      `explorer: parameters must be texts by name, found ${JSON.stringify(given)}; example: parameters: { resource: https://hub.example }`,
    );
    return {};
  }
  const own = entries.find(([name]) => OWN_PARAMETERS.includes(name));
  if (own) fault(`explorer: parameters may not set ${own[0]}: the page sets it itself`);
  return Object.fromEntries(entries) as Record<string, string>;
}
