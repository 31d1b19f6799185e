import { expect, test } from 'vitest';
import { type AuthConfig, NO_AUTH, readAuth } from './auth.ts';
import { type ExplorerConfig, readExplorer } from './explorer.ts';

const auth = (...issuers: string[]): AuthConfig =>
  readAuth({ audience: 'hub', issuers: issuers.map((issuer) => ({ issuer })) }, (message) => {
    throw new Error(message);
  });
const ONE = 'https://id.example/realms/park';
const OTHER = 'https://login.example';

function read(raw: unknown, given = auth(ONE), anonymous: string | null = null): ExplorerConfig & { errors: string[] } {
  const errors: string[] = [];
  return { ...readExplorer(raw, { auth: given, anonymous }, (message) => errors.push(message)), errors };
}

test('section explorer: is served by default if callers can authenticate or the anonymous role is set', () => {
  expect(read(undefined)).toEqual({ on: true, clients: [], errors: [] });
  expect(read(undefined, { ...NO_AUTH, demo: true }).on).toBe(true);
  expect(read(undefined, NO_AUTH, 'developer').on).toBe(true);
  expect(read(undefined, NO_AUTH)).toEqual({ on: false, clients: [], errors: [] });
});

test('section explorer: false disables it; true is rejected if no caller can authenticate', () => {
  expect(read(false)).toEqual({ on: false, clients: [], errors: [] });
  expect(read(true)).toEqual({ on: true, clients: [], errors: [] });
  expect(read(true, NO_AUTH).errors).toEqual([expect.stringContaining('no caller can authenticate')]);
});

test('section explorer: a client defaults to the only issuer, its host as name and the scope openid', () => {
  expect(read({ clientId: 'isthmus-explorer' })).toEqual({
    on: true,
    clients: [{ issuer: ONE, clientId: 'isthmus-explorer', name: 'id.example', scopes: ['openid'], parameters: {} }],
    errors: [],
  });
});

test('section explorer: reads a list of clients with their own scopes and parameters', () => {
  const { clients, errors } = read(
    [
      { issuer: ONE, clientId: 'a', scopes: ['openid', 'offline_access'], name: 'Park ID' },
      { issuer: OTHER, clientId: 'b', scopes: 'api://hub/read', parameters: { resource: 'https://hub.example' } },
    ],
    auth(ONE, OTHER),
  );
  expect(errors).toEqual([]);
  expect(clients.map(({ name, scopes, parameters }) => [name, scopes, parameters])).toEqual([
    ['Park ID', ['openid', 'offline_access'], {}],
    ['login.example', ['api://hub/read'], { resource: 'https://hub.example' }],
  ]);
});

test.each<[string, unknown, RegExp]>([
  ['a string', 'yes', /explorer must be true, false, or an OIDC client.*example: explorer: \{ issuer/],
  ['a number in the list', [7], /a client must be a mapping, found 7.*example/],
  [
    'an unknown setting',
    { clientId: 'a', clientSecret: 'x' },
    /unknown setting clientSecret; settings: issuer, clientId/,
  ],
  ['no client id', { issuer: ONE }, /clientId must be the id of a public client.*found null; example: clientId/],
  [
    'an issuer that auth does not list',
    { issuer: OTHER, clientId: 'a' },
    /issuer must be one of auth\.issuers \(https:\/\/id\.example/,
  ],
  ['two clients of one issuer', [{ clientId: 'a' }, { clientId: 'b' }], /is listed twice/],
  ['an invalid name', { clientId: 'a', name: 7 }, /name must be a non-empty string, found 7; example: name/],
  ['invalid scopes', { clientId: 'a', scopes: ['a b'] }, /scopes must be a list of OAuth scopes.*example: scopes/],
  ['invalid parameters', { clientId: 'a', parameters: ['x'] }, /parameters must be a mapping from name.*example/],
  ['a parameter that the page sets', { clientId: 'a', parameters: { state: 'x' } }, /must not contain state/],
])('section explorer: rejects %s with an example', (_, raw, message) => {
  expect(read(raw).errors).toEqual([expect.stringMatching(message)]);
});

test('section explorer: requires an issuer if auth has several', () => {
  expect(read({ clientId: 'a' }, auth(ONE, OTHER)).errors).toEqual([
    expect.stringMatching(/issuer must be one of auth\.issuers \(.*login\.example\), found null/),
  ]);
});
