import { describe, expect, test } from 'vitest';
import { findCredential } from './credential.ts';

const request = (headers: [string, string][] = [], url = '/graphql') => ({
  rawHeaders: headers.flat(),
  // As Node reads them: the first authorization counts.
  headers: Object.fromEntries([...headers].reverse().map(([name, value]) => [name.toLowerCase(), value])),
  url,
});
const find = (params: unknown, headers: [string, string][] = [], url?: string) =>
  findCredential(request(headers, url), params);
const rejection = (params: unknown, headers: [string, string][] = [], url?: string): string => {
  try {
    const found = find(params, headers, url);
    return `accepted: ${found}`;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    // The limit of a WebSocket close reason.
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(123);
    return `${code} ${message}`;
  }
};

describe('credentials in connectionParams', () => {
  test.each([
    [undefined],
    [null],
    [{}],
    [{ authorization: null }],
    [{ headers: {} }],
    [{ headers: { authorization: null, 'content-type': 'application/json' } }],
    [{ locale: 'zh-CN', author: 'li', authority: 1, client: { name: 'portal', version: '1.0' }, 'x-csrf-token': 'a' }],
    [{ authenticated: false }],
  ])('contains no credential: %j', (params) => {
    expect(find(params)).toBeUndefined();
  });

  test.each([
    [{ authorization: 'Bearer a' }],
    [{ Authorization: 'Bearer a' }],
    [{ AUTHORIZATION: 'Bearer a' }],
    [{ headers: { Authorization: 'Bearer a' } }],
    [{ Headers: { authorization: 'Bearer a' } }],
    [{ authorization: 'Bearer a', headers: { Authorization: 'Bearer a' } }],
  ])('contains a valid credential: %j', (params) => {
    expect(find(params)).toBe('Bearer a');
    expect(find(params, [['Authorization', 'Bearer a']])).toBe('Bearer a');
    expect(rejection(params, [['Authorization', 'Bearer b']])).toMatch(/^UNAUTHENTICATED Two different/);
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
  ])('is rejected, not ignored: %j', (params) => {
    expect(rejection(params)).toMatch(/^UNAUTHENTICATED .*connectionParams\..*"Bearer <token>"/);
  });

  test('rejects two different credentials', () => {
    expect(rejection({ authorization: 'Bearer a', Authorization: 'Bearer b' })).toMatch(
      /^UNAUTHENTICATED Two different/,
    );
  });

  test('rejects params that are deeply nested', () => {
    let deep: unknown = 'x';
    for (let i = 0; i < 20_000; i++) deep = { a: deep };
    expect(rejection(deep)).toMatch(/nested too deeply/);
  });
});

describe('credentials in headers and URL', () => {
  test('returns the header authorization unchanged, in any case', () => {
    expect(find(undefined, [['AUTHORIZATION', 'Basic x']])).toBe('Basic x');
    expect(find(undefined, [['authorization', '']])).toBe('');
    expect(find(undefined)).toBeUndefined();
  });

  test('rejects two authorization headers, also equal ones', () => {
    for (const second of ['Bearer a', 'Bearer b']) {
      expect(
        rejection(undefined, [
          ['Authorization', 'Bearer a'],
          ['authorization', second],
        ]),
      ).toMatch(/^UNAUTHENTICATED .*twice/);
    }
  });

  test('rejects other credential headers only without an authorization, since proxies add some', () => {
    expect(rejection(undefined, [['X-Api-Key', 'a']])).toMatch(/^UNAUTHENTICATED Unsupported header x-api-key/);
    expect(
      find(undefined, [
        ['x-api-key', 'a'],
        ['authorization', 'Bearer a'],
      ]),
    ).toBe('Bearer a');
    expect(find(undefined, [['cookie', 'theme=dark']])).toBeUndefined();
  });

  test('rejects a token in the URL or in the subprotocol', () => {
    expect(rejection(undefined, [], '/graphql?query={a}&access_token=a')).toMatch(/in the URL \(access_token\)/);
    expect(find(undefined, [], '/graphql?query={token}&operationName=Auth&variables={"token":1}')).toBeUndefined();
    expect(rejection(undefined, [['Sec-WebSocket-Protocol', 'graphql-transport-ws, bearer.abc']])).toMatch(
      /subprotocol/,
    );
    expect(find(undefined, [['Sec-WebSocket-Protocol', 'graphql-transport-ws']])).toBeUndefined();
  });
});
