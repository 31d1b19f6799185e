import { expect, test } from 'vitest';
import { HUB_PRINCIPAL, type Principal } from './principal.ts';
import { readPrincipal, signPrincipal } from './principal-token.ts';

const journey = { key: Buffer.alloc(32, 7), subgraph: 'parking', body: '{"query":"{ a }"}', now: 1_000_000 };
const who: Principal = {
  ...HUB_PRINCIPAL,
  subject: 'li',
  scopes: new Set(['parking:read']),
  consents: new Set(['tax']),
};

test('a principal arrives as it left, for that subgraph, that request and that minute only', () => {
  const value = signPrincipal(who, journey);
  expect(readPrincipal(value, journey)).toEqual(who);
  const [packed = '', seal = ''] = value.split('.');
  const forged = Buffer.from(
    Buffer.from(packed, 'base64url').toString().replace('parking:read', 'parking:plates'),
  ).toString('base64url');
  const refused: [string, string | undefined, Partial<typeof journey>][] = [
    ['none', undefined, {}],
    ['empty', '', {}],
    ['no seal', packed, {}],
    ['short seal', `${packed}.${seal.slice(0, 10)}`, {}],
    ['more rights', `${forged}.${seal}`, {}],
    ['another subgraph', value, { subgraph: 'tax' }],
    ['another request', value, { body: '{"query":"{ b }"}' }],
    ['another key', value, { key: Buffer.alloc(32, 8) }],
    ['later', value, { now: journey.now + 61_000 }],
    ['from the future', value, { now: journey.now - 61_000 }],
    ['three parts', `${value}.x`, {}],
  ];
  for (const [name, given, other] of refused) {
    expect(() => readPrincipal(given, { ...journey, ...other }), name).toThrow('answers its own gateway only');
  }
});
