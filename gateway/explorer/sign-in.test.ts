import { expect, test } from 'vitest';
import { wordsFor } from './page/messages.ts';
import { begin, type Client, explain, finish, isReturn, pendingClient } from './page/sign-in.ts';
import { memoryStore } from './testing.ts';

const words = wordsFor('en');
const CLIENT: Client = {
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
/** An issuer whose token endpoint answers so. */
function issuer(token: () => Response = () => Response.json({}), discovery: object = DISCOVERY) {
  const store = memoryStore();
  const sent: Sent[] = [];
  const fetch = async (url: string, options?: { body?: unknown }): Promise<Response> => {
    sent.push({ url, body: new URLSearchParams(String(options?.body ?? '')) });
    return url.endsWith('/.well-known/openid-configuration') ? Response.json(discovery) : token();
  };
  return { options: { redirect, store, fetch: fetch as never }, sent, held: store.held };
}
const back = (parameters: Record<string, string>): URL => new URL(`${redirect}?${new URLSearchParams(parameters)}`);
/** What people read of a sign-in that ends so. */
async function fault(parameters: Record<string, string>, token?: () => Response): Promise<string> {
  const { options } = issuer(token);
  const state = (await begin(CLIENT, options)).searchParams.get('state') ?? '';
  return finish(CLIENT, back({ state, ...parameters }), options).then(
    () => 'no fault',
    (error: unknown) => explain(error, CLIENT, 'https://hub.example', words),
  );
}

test('goes to the issuer as a public client with PKCE, state and nonce', async () => {
  const { options, held } = issuer();
  const address = await begin(CLIENT, options);
  expect(address.href).toMatch(/^https:\/\/id\.example\/park\/authorize\?tenant=1&/);
  const asked = Object.fromEntries(address.searchParams);
  expect(asked).toMatchObject({
    client_id: 'explorer',
    response_type: 'code',
    redirect_uri: redirect,
    scope: 'openid tax:read',
    code_challenge_method: 'S256',
    resource: 'https://hub.example',
  });
  const pending = JSON.parse([...held.values()].join()) as Record<string, string>;
  expect([asked['state'], asked['nonce']]).toEqual([pending['state'], pending['nonce']]);
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(pending['verifier']));
  expect(asked['code_challenge']).toBe(Buffer.from(digest).toString('base64url'));
});

test('does not go to an address that is not https, or that runs', async () => {
  for (const endpoint of ['http://evil.example/authorize', 'javascript:alert(1)', undefined]) {
    const { options } = issuer(undefined, { ...DISCOVERY, authorization_endpoint: endpoint });
    await expect(begin(CLIENT, options)).rejects.toThrow('authorization_endpoint');
  }
});

test('takes the access token and nothing else; the next one comes by the refresh token', async () => {
  const given = [
    { access_token: 'first', refresh_token: 'again', token_type: 'Bearer' },
    { access_token: 'second', token_type: 'Bearer' },
    { access_token: 'third', token_type: 'Bearer' },
  ];
  const { options, sent } = issuer(() => Response.json(given.shift()));
  const plain = { ...CLIENT, scopes: [] };
  const state = (await begin(plain, options)).searchParams.get('state') ?? '';
  const address = back({ state, code: 'c' });
  expect([isReturn(address), isReturn(new URL(redirect))]).toEqual([true, false]);
  expect(pendingClient([plain], options.store)).toBe(plain);
  const first = await finish(plain, address, options);
  const second = await first.refresh?.();
  const third = await second?.refresh?.();
  expect([first.token, second?.token, third?.token]).toEqual(['first', 'second', 'third']);
  const bodies = sent.filter((one) => one.url === DISCOVERY.token_endpoint).map((one) => Object.fromEntries(one.body));
  expect(bodies).toMatchObject([
    { grant_type: 'authorization_code', code: 'c', redirect_uri: redirect, code_verifier: expect.any(String) },
    { grant_type: 'refresh_token', refresh_token: 'again', resource: 'https://hub.example' },
    { grant_type: 'refresh_token', refresh_token: 'again' },
  ]);
});

test('is ended once, and only where it was begun', async () => {
  const { options } = issuer();
  const state = (await begin(CLIENT, options)).searchParams.get('state') ?? '';
  await expect(finish(CLIENT, back({ state, error: 'access_denied' }), options)).rejects.toThrow();
  expect(pendingClient([CLIENT], options.store)).toBeNull();
  await expect(finish(CLIENT, back({ state, code: 'c' }), options)).rejects.toThrow('No sign-in was begun');
});

test('an answer with another state is none of this tab’s, whatever it says', async () => {
  expect(await fault({ state: 'foreign', code: 'c' })).toBe(words.notBegun);
  expect(await fault({ state: 'foreign', error: 'x', error_description: 'call 555' })).toBe(words.notBegun);
});

test('faults of the issuer are told in plain words, with its own', async () => {
  expect(await fault({ error: 'access_denied' })).toBe(words.denied('Park ID'));
  expect(await fault({ error: 'temporarily_unavailable' })).toBe(words.busy('Park ID'));
  expect(await fault({ error: 'invalid_target', error_description: 'unknown resource' })).toBe(
    `${words.misfit('Park ID', 'invalid_target')} ${words.issuerSays('unknown resource')}`,
  );
  const refuse = (error: string) => () => Response.json({ error }, { status: 400 });
  expect(await fault({ code: 'c' }, refuse('invalid_grant'))).toBe(words.expired);
  expect(await fault({ code: 'c' }, refuse('invalid_client'))).toBe(words.misfit('Park ID', 'invalid_client'));
  const away = () => {
    throw new TypeError('Failed to fetch');
  };
  expect(await fault({ code: 'c' }, away)).toBe(words.unreachable('Park ID', 'https://hub.example'));
  const noIdToken = () => Response.json({ access_token: 'a', token_type: 'Bearer' });
  expect(await fault({ code: 'c' }, noIdToken)).toMatch(/^Park ID answered something that is not valid: .*id_token/);
});
