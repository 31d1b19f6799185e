/**
 * Signing in at an OIDC issuer: authorization code flow with PKCE (S256), state and nonce, as a public client. Only the access token is
 * used. What is needed when the browser comes back is in the tab's session storage; refresh tokens are in memory only.
 */
import * as oauth from 'oauth4webapi';
import type { Store } from './examples.ts';
import type { Words } from './messages.ts';

/** A client of isthmus.yaml, as the hub tells it. */
export interface Client {
  readonly issuer: string;
  readonly clientId: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly parameters: Readonly<Record<string, string>>;
}

/** What the issuer gave. */
export interface Grant {
  readonly token: string;
  /** Asks for the next token; null: the issuer gave no refresh token. */
  readonly refresh: (() => Promise<Grant>) | null;
}

export interface SignInOptions {
  /** The page's own address, registered at the issuer. */
  readonly redirect: string;
  readonly store: Store;
  readonly fetch: typeof fetch;
}

interface Pending {
  readonly issuer: string;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

const PENDING = 'isthmus:sign-in';

/** Whether the browser comes back from an issuer. */
export const isReturn = (address: URL): boolean =>
  address.searchParams.has('state') && (address.searchParams.has('code') || address.searchParams.has('error'));

/** Begins a sign-in; the address that the browser is to go to. */
export async function begin(client: Client, { redirect, store, fetch }: SignInOptions): Promise<URL> {
  const server = await discover(client, fetch);
  const endpoint = server.authorization_endpoint ?? '';
  if (!endpoint.startsWith('https://') && !endpoint.startsWith(`${new URL(client.issuer).origin}/`)) {
    throw new Error('its authorization_endpoint is not an address by https');
  }
  const address = new URL(endpoint);
  const pending: Pending = {
    issuer: client.issuer,
    state: oauth.generateRandomState(),
    nonce: oauth.generateRandomNonce(),
    verifier: oauth.generateRandomCodeVerifier(),
  };
  const parameters = {
    ...client.parameters,
    client_id: client.clientId,
    response_type: 'code',
    redirect_uri: redirect,
    scope: client.scopes.join(' '),
    state: pending.state,
    code_challenge: await oauth.calculatePKCECodeChallenge(pending.verifier),
    code_challenge_method: 'S256',
    ...(isOpenId(client) ? { nonce: pending.nonce } : {}),
  };
  for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
  store.setItem(PENDING, JSON.stringify(pending));
  return address;
}

/** The client at which the sign-in under way was begun; null: none was begun in this tab. */
export function pendingClient(clients: readonly Client[], store: Store): Client | null {
  const issuer = pendingOf(store)?.issuer;
  return clients.find((one) => one.issuer === issuer) ?? null;
}

/** Ends the sign-in that was begun in this tab with what the issuer says in the address. It can be ended once. */
export async function finish(client: Client, address: URL, options: SignInOptions): Promise<Grant> {
  const pending = pendingOf(options.store);
  options.store.removeItem(PENDING);
  if (!pending) throw new Error('No sign-in was begun.');
  const server = await discover(client, options.fetch);
  const answer = oauth.validateAuthResponse(server, asClient(client), address, pending.state);
  const response = await oauth.authorizationCodeGrantRequest(
    server,
    asClient(client),
    oauth.None(),
    answer,
    options.redirect,
    pending.verifier,
    requestOptions(client, options.fetch),
  );
  const given = await oauth.processAuthorizationCodeResponse(server, asClient(client), response, {
    ...(isOpenId(client) ? { expectedNonce: pending.nonce, requireIdToken: true } : {}),
  });
  return grantOf(client, server, given, options.fetch);
}

async function discover(client: Client, fetching: typeof fetch): Promise<oauth.AuthorizationServer> {
  const issuer = new URL(client.issuer);
  const response = await oauth.discoveryRequest(issuer, requestOptions(client, fetching));
  return oauth.processDiscoveryResponse(issuer, response);
}

function grantOf(
  client: Client,
  server: oauth.AuthorizationServer,
  given: oauth.TokenEndpointResponse,
  fetching: typeof fetch,
  before?: string,
): Grant {
  // An issuer that gives no new refresh token lets the old one be used again.
  const refreshToken = given.refresh_token ?? before;
  const refresh = async (): Promise<Grant> => {
    const options = requestOptions(client, fetching);
    const token = refreshToken as string;
    const response = await oauth.refreshTokenGrantRequest(server, asClient(client), oauth.None(), token, options);
    const next = await oauth.processRefreshTokenResponse(server, asClient(client), response);
    return grantOf(client, server, next, fetching, refreshToken);
  };
  return { token: given.access_token, refresh: refreshToken === undefined ? null : refresh };
}

const asClient = ({ clientId }: Client): oauth.Client => ({ client_id: clientId });
const isOpenId = ({ scopes }: Client): boolean => scopes.includes('openid');

/** Issuers on this machine may be asked over http; isthmus.yaml takes no others. */
const requestOptions = ({ issuer, parameters }: Client, fetching: typeof fetch) => ({
  [oauth.customFetch]: (url: string, options: object) => fetching(url, options as RequestInit),
  [oauth.allowInsecureRequests]: issuer.startsWith('http://'),
  additionalParameters: parameters['resource'] ? { resource: parameters['resource'] } : {},
});

function pendingOf(store: Store): Pending | null {
  try {
    return JSON.parse(store.getItem(PENDING) ?? 'null') as Pending | null;
  } catch {
    return null;
  }
}

/** Errors that stand in the address or in the answer of the token endpoint (RFC 6749, OpenID Connect Core, RFC 8707). */
const BUSY = ['temporarily_unavailable', 'server_error'];
const DENIED = [
  'access_denied',
  'login_required',
  'interaction_required',
  'consent_required',
  'account_selection_required',
];

/** What went wrong at the issuer, for people. */
export function explain(error: unknown, client: Client, origin: string, words: Words): string {
  const { name } = client;
  if (error instanceof oauth.AuthorizationResponseError || error instanceof oauth.ResponseBodyError) {
    const { error: code, error_description: description } = error;
    const what = DENIED.includes(code)
      ? words.denied(name)
      : BUSY.includes(code)
        ? words.busy(name)
        : code === 'invalid_grant'
          ? words.expired
          : words.misfit(name, code);
    return description ? `${what} ${words.issuerSays(description.slice(0, 200))}` : what;
  }
  if (
    error instanceof oauth.OperationProcessingError &&
    error.code === oauth.INVALID_RESPONSE &&
    /state/.test(error.message)
  ) {
    return words.notBegun;
  }
  // Browsers say nothing more of a call that failed than that it did.
  if (error instanceof TypeError && !('code' in error)) return words.unreachable(name, origin);
  return words.invalid(name, error instanceof Error ? error.message : String(error));
}
