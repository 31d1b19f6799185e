import { expect, test } from 'vitest';
import { type AuthConfig, NO_AUTH, readAuth } from './auth.ts';
import { type ExplorerConfig, readExplorer } from './explorer.ts';

const auth = (...issuers: string[]): AuthConfig =>
  readAuth({ audience: 'hub', issuers: issuers.map((issuer) => ({ issuer })) }, (fault) => {
    throw new Error(fault);
  });
const ONE = 'https://id.example/realms/park';
const OTHER = 'https://login.example';

function read(raw: unknown, given = auth(ONE), anonymous: string | null = null): ExplorerConfig & { faults: string[] } {
  const faults: string[] = [];
  return { ...readExplorer(raw, { auth: given, anonymous }, (one) => faults.push(one)), faults };
}

test('without the setting it is served where somebody can sign in, or the anonymous role is set', () => {
  expect(read(undefined)).toEqual({ on: true, clients: [], faults: [] });
  expect(read(undefined, { ...NO_AUTH, demo: true }).on).toBe(true);
  expect(read(undefined, NO_AUTH, 'developer').on).toBe(true);
  expect(read(undefined, NO_AUTH)).toEqual({ on: false, clients: [], faults: [] });
});

test('false switches it off; true where nobody could use it is a fault', () => {
  expect(read(false)).toEqual({ on: false, clients: [], faults: [] });
  expect(read(true)).toEqual({ on: true, clients: [], faults: [] });
  expect(read(true, NO_AUTH).faults).toEqual([expect.stringContaining('nobody could use it')]);
});

test('a client gets the one issuer, its host as name and the scope openid', () => {
  expect(read({ clientId: 'isthmus-explorer' })).toEqual({
    on: true,
    clients: [{ issuer: ONE, clientId: 'isthmus-explorer', name: 'id.example', scopes: ['openid'], parameters: {} }],
    faults: [],
  });
});

test('takes a list of clients, each with its own scopes and parameters', () => {
  const { clients, faults } = read(
    [
      { issuer: ONE, clientId: 'a', scopes: ['openid', 'offline_access'], name: 'Park ID' },
      { issuer: OTHER, clientId: 'b', scopes: 'api://hub/read', parameters: { resource: 'https://hub.example' } },
    ],
    auth(ONE, OTHER),
  );
  expect(faults).toEqual([]);
  expect(clients.map((one) => [one.name, one.scopes, one.parameters])).toEqual([
    ['Park ID', ['openid', 'offline_access'], {}],
    ['login.example', ['api://hub/read'], { resource: 'https://hub.example' }],
  ]);
});

test.each<[string, unknown, RegExp]>([
  ['a text', 'yes', /explorer must be true, false, or the client.*example: explorer: \{ issuer/],
  ['a number in the list', [7], /a client must be a mapping, found 7.*example/],
  [
    'an unknown key',
    { clientId: 'a', clientSecret: 'x' },
    /clientSecret is not known here; known are issuer, clientId/,
  ],
  ['no client id', { issuer: ONE }, /clientId must be the id of a public client.*found null; example: clientId/],
  ['a foreign issuer', { issuer: OTHER, clientId: 'a' }, /issuer must be one of auth\.issuers \(https:\/\/id\.example/],
  ['an issuer named twice', [{ clientId: 'a' }, { clientId: 'b' }], /is named twice/],
  ['a name that is none', { clientId: 'a', name: 7 }, /name must be what the button says, found 7; example: name/],
  ['scopes that are none', { clientId: 'a', scopes: ['a b'] }, /scopes must be a list of words.*example: scopes/],
  ['parameters that are none', { clientId: 'a', parameters: ['x'] }, /parameters must be texts by name.*example/],
  ['a parameter of the page', { clientId: 'a', parameters: { state: 'x' } }, /parameters may not set state/],
])('names the fault with an example: %s', (_, raw, fault) => {
  expect(read(raw).faults).toEqual([expect.stringMatching(fault)]);
});

test('an issuer must be named where there are several', () => {
  expect(read({ clientId: 'a' }, auth(ONE, OTHER)).faults).toEqual([
    expect.stringMatching(/issuer must be one of auth\.issuers \(.*login\.example\), found null/),
  ]);
});
