/**
 * Signs in at an OIDC issuer: authorization code flow with PKCE (S256), state and nonce, as a public client. Only the access token is
 * used. State for the redirect back is in the tab's session storage; refresh tokens are in memory only.
 */
import * as oauth from 'oauth4webapi';
import type { KeyValueStore } from './examples.ts';
import type { Messages } from './messages.ts';

/** An OIDC client configured in isthmus.yaml, as returned by the hub. */
export interface OidcClient {
  readonly issuer: string;
  readonly clientId: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly parameters: Readonly<Record<string, string>>;
}

/** Result of a sign-in. */
export interface Grant {
  readonly token: string;
  /** Requests the next token; null: the issuer returned no refresh token. */
  readonly refresh: (() => Promise<Grant>) | null;
}

export interface SignInOptions {
  /** URL of the page, registered at the issuer. */
  readonly redirect: string;
  readonly store: KeyValueStore;
  readonly fetch: typeof fetch;
}

interface Pending {
  readonly issuer: string;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/** Key of the pending sign-in in the tab's session storage. */
const PENDING = 'isthmus:sign-in';

/** Whether the URL is a redirect back from an issuer. */
export const isRedirectBack = (address: URL): boolean =>
  address.searchParams.has('state') && (address.searchParams.has('code') || address.searchParams.has('error'));

/** Starts a sign-in. Resolves with the URL to which the browser must navigate. */
export async function beginSignIn(client: OidcClient, { redirect, store, fetch }: SignInOptions): Promise<URL> {
  const server = await discover(client, fetch);
  const endpoint = server.authorization_endpoint ?? '';
  if (!endpoint.startsWith('https://') && !endpoint.startsWith(`${new URL(client.issuer).origin}/`)) {
    throw new Error('its authorization_endpoint is not an https URL');
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

/** The client of the pending sign-in; null: none was started in this tab. */
export function pendingClient(clients: readonly OidcClient[], store: KeyValueStore): OidcClient | null {
  const issuer = pendingOf(store)?.issuer;
  return clients.find((client) => client.issuer === issuer) ?? null;
}

/** Completes the pending sign-in with the parameters of the redirect URL. Rejects if there is none; each can be completed once. */
export async function finishSignIn(client: OidcClient, address: URL, options: SignInOptions): Promise<Grant> {
  const pending = pendingOf(options.store);
  options.store.removeItem(PENDING);
  if (!pending) throw new Error('No sign-in is pending.');
  const server = await discover(client, options.fetch);
  const parameters = oauth.validateAuthResponse(server, asClient(client), address, pending.state);
  const response = await oauth.authorizationCodeGrantRequest(
    server,
    asClient(client),
    oauth.None(),
    parameters,
    options.redirect,
    pending.verifier,
    requestOptions(client, options.fetch),
  );
  const tokens = await oauth.processAuthorizationCodeResponse(server, asClient(client), response, {
    ...(isOpenId(client) ? { expectedNonce: pending.nonce, requireIdToken: true } : {}),
  });
  return toGrant(client, server, tokens, options.fetch);
}

async function discover(client: OidcClient, fetcher: typeof fetch): Promise<oauth.AuthorizationServer> {
  const issuer = new URL(client.issuer);
  const response = await oauth.discoveryRequest(issuer, requestOptions(client, fetcher));
  return oauth.processDiscoveryResponse(issuer, response);
}

function toGrant(
  client: OidcClient,
  server: oauth.AuthorizationServer,
  tokens: oauth.TokenEndpointResponse,
  fetcher: typeof fetch,
  previousRefreshToken?: string,
): Grant {
  // Without a new refresh token in the response the previous one stays valid.
  const refreshToken = tokens.refresh_token ?? previousRefreshToken;
  const refresh = async (): Promise<Grant> => {
    const options = requestOptions(client, fetcher);
    const token = refreshToken as string;
    const response = await oauth.refreshTokenGrantRequest(server, asClient(client), oauth.None(), token, options);
    const next = await oauth.processRefreshTokenResponse(server, asClient(client), response);
    return toGrant(client, server, next, fetcher, refreshToken);
  };
  return { token: tokens.access_token, refresh: refreshToken === undefined ? null : refresh };
}

const asClient = ({ clientId }: OidcClient): oauth.Client => ({ client_id: clientId });
const isOpenId = ({ scopes }: OidcClient): boolean => scopes.includes('openid');

/** HTTP is allowed for issuers on this machine only, which isthmus.yaml ensures. */
const requestOptions = ({ issuer, parameters }: OidcClient, fetcher: typeof fetch) => ({
  [oauth.customFetch]: (url: string, options: object) => fetcher(url, options as RequestInit),
  [oauth.allowInsecureRequests]: issuer.startsWith('http://'),
  additionalParameters: parameters['resource'] ? { resource: parameters['resource'] } : {},
});

function pendingOf(store: KeyValueStore): Pending | null {
  try {
    return JSON.parse(store.getItem(PENDING) ?? 'null') as Pending | null;
  } catch {
    return null;
  }
}

/** Error codes in the redirect URL or from the token endpoint (RFC 6749, OpenID Connect Core, RFC 8707). */
const BUSY = ['temporarily_unavailable', 'server_error'];
const DENIED = [
  'access_denied',
  'login_required',
  'interaction_required',
  'consent_required',
  'account_selection_required',
];

/** The message for a failed sign-in. `origin`: that of the page. */
export function explainSignInError(error: unknown, client: OidcClient, origin: string, messages: Messages): string {
  const { name } = client;
  if (error instanceof oauth.AuthorizationResponseError || error instanceof oauth.ResponseBodyError) {
    const { error: code, error_description: description } = error;
    const text = DENIED.includes(code)
      ? messages.signInDenied(name)
      : BUSY.includes(code)
        ? messages.issuerBusy(name)
        : code === 'invalid_grant'
          ? messages.signInExpired
          : messages.clientRejected(name, code);
    return description ? `${text} ${messages.issuerMessage(description.slice(0, 200))}` : text;
  }
  if (
    error instanceof oauth.OperationProcessingError &&
    error.code === oauth.INVALID_RESPONSE &&
    /state/.test(error.message)
  ) {
    return messages.unknownSignIn;
  }
  // Browsers give no reason for a failed request.
  if (error instanceof TypeError && !('code' in error)) return messages.issuerUnreachable(name, origin);
  return messages.invalidResponse(name, error instanceof Error ? error.message : String(error));
}
