import { expect, test } from 'vitest';
import { HUB_PRINCIPAL, type Principal } from './principal.ts';
import { readPrincipal, signPrincipal } from './principal-token.ts';

const binding = { key: Buffer.alloc(32, 7), subgraph: 'parking', body: '{"query":"{ a }"}', now: 1_000_000 };
const principal: Principal = {
  ...HUB_PRINCIPAL,
  subject: 'li',
  scopes: new Set(['parking:read']),
  consents: new Set(['tax']),
};

test('principal token: accepts a token for its subgraph, its request and one minute only', () => {
  const token = signPrincipal(principal, binding);
  expect(readPrincipal(token, binding)).toEqual(principal);
  const [payload = '', signature = ''] = token.split('.');
  const forged = Buffer.from(
    Buffer.from(payload, 'base64url').toString().replace('parking:read', 'parking:plates'),
  ).toString('base64url');
  const invalid: [string, string | undefined, Partial<typeof binding>][] = [
    ['absent', undefined, {}],
    ['empty', '', {}],
    ['no signature', payload, {}],
    ['short signature', `${payload}.${signature.slice(0, 10)}`, {}],
    ['more rights', `${forged}.${signature}`, {}],
    ['another subgraph', token, { subgraph: 'tax' }],
    ['another request', token, { body: '{"query":"{ b }"}' }],
    ['another key', token, { key: Buffer.alloc(32, 8) }],
    ['expired', token, { now: binding.now + 61_000 }],
    ['from the future', token, { now: binding.now - 61_000 }],
    ['three parts', `${token}.x`, {}],
  ];
  for (const [name, token, changes] of invalid) {
    expect(() => readPrincipal(token, { ...binding, ...changes }), name).toThrow(
      'accepts requests from its own gateway only',
    );
  }
});
