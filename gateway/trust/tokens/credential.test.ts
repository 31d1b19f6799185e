import { describe, expect, test } from 'vitest';
import { credentialOf } from './credential.ts';

const request = (headers: [string, string][] = [], url = '/graphql') => ({
  rawHeaders: headers.flat(),
  // As Node reads them: the first authorization counts.
  headers: Object.fromEntries([...headers].reverse().map(([name, value]) => [name.toLowerCase(), value])),
  url,
});
const shown = (params: unknown, headers: [string, string][] = [], url?: string) =>
  credentialOf(request(headers, url), params);
const refused = (params: unknown, headers: [string, string][] = [], url?: string): string => {
  try {
    const found = shown(params, headers, url);
    return `taken: ${found}`;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    // The reason of a closed socket holds no more.
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(123);
    return `${code} ${message}`;
  }
};

describe('connectionParams', () => {
  test.each([
    [undefined],
    [null],
    [{}],
    [{ authorization: null }],
    [{ headers: {} }],
    [{ headers: { authorization: null, 'content-type': 'application/json' } }],
    [{ locale: 'zh-CN', author: 'li', authority: 1, client: { name: 'portal', version: '1.0' }, 'x-csrf-token': 'a' }],
    [{ authenticated: false }],
  ])('holds no credential: %j', (params) => {
    expect(shown(params)).toBeUndefined();
  });

  test.each([
    [{ authorization: 'Bearer a' }],
    [{ Authorization: 'Bearer a' }],
    [{ AUTHORIZATION: 'Bearer a' }],
    [{ headers: { Authorization: 'Bearer a' } }],
    [{ Headers: { authorization: 'Bearer a' } }],
    [{ authorization: 'Bearer a', headers: { Authorization: 'Bearer a' } }],
  ])('is understood: %j', (params) => {
    expect(shown(params)).toBe('Bearer a');
    expect(shown(params, [['Authorization', 'Bearer a']])).toBe('Bearer a');
    expect(refused(params, [['Authorization', 'Bearer b']])).toMatch(/^UNAUTHENTICATED Two different/);
  });

  test.each([
    [{ authToken: 'a' }],
    [{ token: 'a' }],
    [{ accessToken: 'a' }],
    [{ Access_Token: 'a' }],
    [{ 'x-api-key': 'a' }],
    [{ 'X-API-Key': 'a' }],
    [{ apiKey: 'a' }],
    [{ 'x-hasura-admin-secret': 'a' }],
    [{ jwt: 'a' }],
    [{ bearer: 'a' }],
    [{ Cookie: 'a=b' }],
    [{ user: 'li', password: 'a' }],
    [{ credentials: { user: 'li' } }],
    [{ headers: { 'X-Api-Key': 'a' } }],
    [{ headers: { 'x-auth-token': 'a' } }],
    [{ headers: 'Authorization: Bearer a' }],
    [{ headers: [['Authorization', 'Bearer a']] }],
    [{ context: { headers: { authorization: 'Bearer a' } } }],
    [{ ' authorization': 'Bearer a' }],
    [{ 'Proxy-Authorization': 'Bearer a' }],
    [{ id: 'Bearer a' }],
    [{ id: 'eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.AAAA' }],
    [{ authorization: 7 }],
    [{ authorization: ['Bearer a'] }],
    [{ authorization: { toString: 'x' } }],
    [{ [`token${'x'.repeat(500)}`]: 'a' }],
    [{ authorization: 'Bearer a', token: 'b' }],
    [['Bearer a']],
  ])('is refused, not dropped: %j', (params) => {
    expect(refused(params)).toMatch(/^UNAUTHENTICATED connectionParams\..*"Bearer <token>"/);
  });

  test('two that differ are refused', () => {
    expect(refused({ authorization: 'Bearer a', Authorization: 'Bearer b' })).toMatch(/^UNAUTHENTICATED Two different/);
  });

  test('nesting without end is refused', () => {
    let deep: unknown = 'x';
    for (let i = 0; i < 20_000; i++) deep = { a: deep };
    expect(refused(deep)).toMatch(/nested too deeply/);
  });
});

describe('headers and address', () => {
  test('the header is taken as it is, whatever its case', () => {
    expect(shown(undefined, [['AUTHORIZATION', 'Basic x']])).toBe('Basic x');
    expect(shown(undefined, [['authorization', '']])).toBe('');
    expect(shown(undefined)).toBeUndefined();
  });

  test('two headers are refused, also of the same text', () => {
    for (const second of ['Bearer a', 'Bearer b']) {
      expect(
        refused(undefined, [
          ['Authorization', 'Bearer a'],
          ['authorization', second],
        ]),
      ).toMatch(/^UNAUTHENTICATED .*twice/);
    }
  });

  test('another header counts where nothing else is shown, so that proxies may add theirs', () => {
    expect(refused(undefined, [['X-Api-Key', 'a']])).toMatch(/^UNAUTHENTICATED The header x-api-key/);
    expect(
      shown(undefined, [
        ['x-api-key', 'a'],
        ['authorization', 'Bearer a'],
      ]),
    ).toBe('Bearer a');
    expect(shown(undefined, [['cookie', 'theme=dark']])).toBeUndefined();
  });

  test('a token in the address or in a subprotocol is refused', () => {
    expect(refused(undefined, [], '/graphql?query={a}&access_token=a')).toMatch(/access_token in the address/);
    expect(shown(undefined, [], '/graphql?query={token}&operationName=Auth&variables={"token":1}')).toBeUndefined();
    expect(refused(undefined, [['Sec-WebSocket-Protocol', 'graphql-transport-ws, bearer.abc']])).toMatch(/subprotocol/);
    expect(shown(undefined, [['Sec-WebSocket-Protocol', 'graphql-transport-ws']])).toBeUndefined();
  });
});
