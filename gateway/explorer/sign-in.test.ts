import { expect, test } from 'vitest';
import { messagesFor } from './page/messages.ts';
import {
  beginSignIn,
  explainSignInError,
  finishSignIn,
  isRedirectBack,
  type OidcClient,
  pendingClient,
} from './page/sign-in.ts';
import { createMemoryStore } from './testing/memory-store.ts';

const messages = messagesFor('en');
const CLIENT: OidcClient = {
  issuer: 'https://id.example/park',
  clientId: 'explorer',
  name: 'Park ID',
  scopes: ['openid', 'tax:read'],
  parameters: { resource: 'https://hub.example' },
};
const redirect = 'https://hub.example/explorer/';
const DISCOVERY = {
  issuer: CLIENT.issuer,
  authorization_endpoint: 'https://id.example/park/authorize?tenant=1',
  token_endpoint: 'https://id.example/park/token',
};

interface Sent {
  readonly url: string;
  readonly body: URLSearchParams;
}
/** An issuer with that response of its token endpoint. */
function createIssuer(token: () => Response = () => Response.json({}), discovery: object = DISCOVERY) {
  const store = createMemoryStore();
  const sent: Sent[] = [];
  const fetch = async (url: string, options?: { body?: unknown }): Promise<Response> => {
    sent.push({ url, body: new URLSearchParams(String(options?.body ?? '')) });
    return url.endsWith('/.well-known/openid-configuration') ? Response.json(discovery) : token();
  };
  return { options: { redirect, store, fetch: fetch as never }, sent, entries: store.entries };
}
const redirectBack = (parameters: Record<string, string>): URL =>
  new URL(`${redirect}?${new URLSearchParams(parameters)}`);
/** The message of a sign-in that ends with these parameters. */
async function errorMessage(parameters: Record<string, string>, token?: () => Response): Promise<string> {
  const { options } = createIssuer(token);
  const state = (await beginSignIn(CLIENT, options)).searchParams.get('state') ?? '';
  return finishSignIn(CLIENT, redirectBack({ state, ...parameters }), options).then(
    () => 'no error',
    (error: unknown) => explainSignInError(error, CLIENT, 'https://hub.example', messages),
  );
}

test('explorer sign-in: redirects to the issuer as a public client with PKCE, state and nonce', async () => {
  const { options, entries } = createIssuer();
  const address = await beginSignIn(CLIENT, options);
  expect(address.href).toMatch(/^https:\/\/id\.example\/park\/authorize\?tenant=1&/);
  const parameters = Object.fromEntries(address.searchParams);
  expect(parameters).toMatchObject({
    client_id: 'explorer',
    response_type: 'code',
    redirect_uri: redirect,
    scope: 'openid tax:read',
    code_challenge_method: 'S256',
    resource: 'https://hub.example',
  });
  const pending = JSON.parse([...entries.values()].join()) as Record<string, string>;
  expect([parameters['state'], parameters['nonce']]).toEqual([pending['state'], pending['nonce']]);
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(pending['verifier']));
  expect(parameters['code_challenge']).toBe(Buffer.from(digest).toString('base64url'));
});

test('explorer sign-in: rejects an authorization endpoint that is not https', async () => {
  for (const endpoint of ['http://evil.example/authorize', 'javascript:alert(1)', undefined]) {
    const { options } = createIssuer(undefined, { ...DISCOVERY, authorization_endpoint: endpoint });
    await expect(beginSignIn(CLIENT, options)).rejects.toThrow('authorization_endpoint');
  }
});

test('explorer sign-in: uses the access token only, and gets the next one with the refresh token', async () => {
  const responses = [
    { access_token: 'first', refresh_token: 'again', token_type: 'Bearer' },
    { access_token: 'second', token_type: 'Bearer' },
    { access_token: 'third', token_type: 'Bearer' },
  ];
  const { options, sent } = createIssuer(() => Response.json(responses.shift()));
  const plain = { ...CLIENT, scopes: [] };
  const state = (await beginSignIn(plain, options)).searchParams.get('state') ?? '';
  const address = redirectBack({ state, code: 'c' });
  expect([isRedirectBack(address), isRedirectBack(new URL(redirect))]).toEqual([true, false]);
  expect(pendingClient([plain], options.store)).toBe(plain);
  const first = await finishSignIn(plain, address, options);
  const second = await first.refresh?.();
  const third = await second?.refresh?.();
  expect([first.token, second?.token, third?.token]).toEqual(['first', 'second', 'third']);
  const bodies = sent.filter(({ url }) => url === DISCOVERY.token_endpoint).map(({ body }) => Object.fromEntries(body));
  expect(bodies).toMatchObject([
    { grant_type: 'authorization_code', code: 'c', redirect_uri: redirect, code_verifier: expect.any(String) },
    { grant_type: 'refresh_token', refresh_token: 'again', resource: 'https://hub.example' },
    { grant_type: 'refresh_token', refresh_token: 'again' },
  ]);
});

test('explorer sign-in: a sign-in can be completed once, in the tab where it was started', async () => {
  const { options } = createIssuer();
  const state = (await beginSignIn(CLIENT, options)).searchParams.get('state') ?? '';
  await expect(finishSignIn(CLIENT, redirectBack({ state, error: 'access_denied' }), options)).rejects.toThrow();
  expect(pendingClient([CLIENT], options.store)).toBeNull();
  await expect(finishSignIn(CLIENT, redirectBack({ state, code: 'c' }), options)).rejects.toThrow(
    'No sign-in is pending',
  );
});

test('explorer sign-in: rejects a response with another state, whatever it contains', async () => {
  expect(await errorMessage({ state: 'foreign', code: 'c' })).toBe(messages.unknownSignIn);
  expect(await errorMessage({ state: 'foreign', error: 'x', error_description: 'call 555' })).toBe(
    messages.unknownSignIn,
  );
});

test('explorer sign-in: errors of the issuer have a message of the page, with that of the issuer', async () => {
  expect(await errorMessage({ error: 'access_denied' })).toBe(messages.signInDenied('Park ID'));
  expect(await errorMessage({ error: 'temporarily_unavailable' })).toBe(messages.issuerBusy('Park ID'));
  expect(await errorMessage({ error: 'invalid_target', error_description: 'unknown resource' })).toBe(
    `${messages.clientRejected('Park ID', 'invalid_target')} ${messages.issuerMessage('unknown resource')}`,
  );
  const reject = (error: string) => () => Response.json({ error }, { status: 400 });
  expect(await errorMessage({ code: 'c' }, reject('invalid_grant'))).toBe(messages.signInExpired);
  expect(await errorMessage({ code: 'c' }, reject('invalid_client'))).toBe(
    messages.clientRejected('Park ID', 'invalid_client'),
  );
  const fail = () => {
    throw new TypeError('Failed to fetch');
  };
  expect(await errorMessage({ code: 'c' }, fail)).toBe(messages.issuerUnreachable('Park ID', 'https://hub.example'));
  const noIdToken = () => Response.json({ access_token: 'a', token_type: 'Bearer' });
  expect(await errorMessage({ code: 'c' }, noIdToken)).toMatch(/^Park ID returned an invalid response: .*id_token/);
});
