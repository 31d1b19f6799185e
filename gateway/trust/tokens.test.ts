import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ALGORITHMS, type IssuerConfig, readAuth } from '../../connectors/kit/auth.ts';
import { principalOf } from './principal.ts';
import { makeTokens, type Tokens, trustedIssuers } from './tokens.ts';

/** An OIDC issuer on a port of its own: discovery, a key set that can change, and a count of what was asked. */
class Issuer {
  url = '';
  asked = 0;
  dark = false;
  readonly keys = new Map<string, { alg: string; privateKey: CryptoKey; publicKey: CryptoKey; jwk: JWK }>();
  #server: Server | null = null;

  async start(): Promise<this> {
    const server = createServer((request, response) => {
      if (this.dark) {
        request.socket.destroy();
        return;
      }
      response.setHeader('content-type', 'application/json');
      if (request.url?.endsWith('openid-configuration')) {
        response.end(JSON.stringify({ issuer: this.url, jwks_uri: `${this.url}/keys` }));
        return;
      }
      this.asked += 1;
      response.end(JSON.stringify({ keys: [...this.keys.values()].map((one) => one.jwk) }));
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    return this;
  }
  async addKey(kid: string, alg: string): Promise<void> {
    const pair = await generateKeyPair(alg, { extractable: true });
    this.keys.set(kid, { alg, ...pair, jwk: { ...(await exportJWK(pair.publicKey)), kid, alg, use: 'sig' } });
  }
  /** A token; `claims` undefined takes one away. */
  sign(kid: string, claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}): Promise<string> {
    const key = this.keys.get(kid);
    if (!key) throw new Error(`no key ${kid}`);
    const at = Math.floor(Date.now() / 1000);
    const all = {
      iss: this.url,
      aud: 'hub',
      sub: 'li',
      azp: 'app',
      iat: at,
      exp: at + 600,
      roles: ['operator'],
      ...claims,
    };
    const left = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
    return new SignJWT(left).setProtectedHeader({ alg: key.alg, kid, typ: 'at+jwt', ...header }).sign(key.privateKey);
  }
  close(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }
}

const b64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('bearer tokens', () => {
  let issuer: Issuer;
  let tokens: Tokens;
  const config = (): IssuerConfig[] => [
    ...readAuth({ audience: 'hub', issuers: [{ issuer: issuer.url }] }, () => undefined).issuers,
  ];
  const fresh = () => makeTokens(trustedIssuers({ audience: ['hub'], issuers: config(), demo: false }));
  const take = (token: string) => tokens.principal(`Bearer ${token}`);

  beforeAll(async () => {
    issuer = await new Issuer().start();
    for (const alg of ALGORITHMS) await issuer.addKey(alg, alg);
    tokens = fresh();
  });
  afterAll(() => issuer.close());

  test.each(ALGORITHMS)('%s is taken, its keys found by discovery', async (alg) => {
    const principal = await take(await issuer.sign(alg, { parks: ['lakeside'], purpose: 'care' }));
    expect(principal).toMatchObject({ subject: 'li', client: 'app', roles: ['operator'], purpose: 'care' });
    expect(principal?.parks).toEqual(['lakeside']);
    expect(principal?.companies).toBeNull();
    expect(principal?.scopes.has('access:names')).toBe(true);
    expect(principal?.scopes.has('tax:read')).toBe(false);
  });

  test('no token is nobody; the same token is the same principal', async () => {
    expect(await tokens.principal(undefined)).toBeNull();
    const token = await issuer.sign('ES256');
    expect(await take(token)).toBe(await take(token));
  });

  test('what is not right is refused', async () => {
    const at = Math.floor(Date.now() / 1000);
    const good = await issuer.sign('RS256');
    const [head, body, signature] = good.split('.') as [string, string, string];
    const rsa = issuer.keys.get('RS256');
    const spki = await exportSPKI(rsa?.publicKey as CryptoKey);
    const jwk = JSON.stringify(rsa?.jwk);
    const hmac = (key: string): string => {
      const text = `${b64({ alg: 'HS256', kid: 'RS256', typ: 'at+jwt' })}.${body}`;
      return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
    };
    const own = await generateKeyPair('ES256', { extractable: true });
    const ownJwk = await exportJWK(own.publicKey);
    const claims = { iss: issuer.url, aud: 'hub', sub: 'li', iat: at, exp: at + 600, roles: ['operator'] };
    const foreign = (header: Record<string, unknown>) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', ...header }).sign(own.privateKey);
    const bad: Record<string, string> = {
      'alg none, no signature': `${b64({ alg: 'none', typ: 'at+jwt' })}.${body}.`,
      'alg none with a signature': `${b64({ alg: 'none', typ: 'at+jwt' })}.${body}.${signature}`,
      'alg NonE': `${b64({ alg: 'NonE', typ: 'at+jwt' })}.${body}.AA`,
      'HMAC with the public key as PEM': hmac(spki),
      'HMAC with the public key as JWK': hmac(jwk),
      'wrong audience': await issuer.sign('RS256', { aud: 'other' }),
      'no audience': await issuer.sign('RS256', { aud: undefined }),
      'wrong issuer': await issuer.sign('RS256', { iss: 'https://evil.example' }),
      'no issuer': await issuer.sign('RS256', { iss: undefined }),
      expired: await issuer.sign('RS256', { exp: at - 60 }),
      'no end': await issuer.sign('RS256', { exp: undefined }),
      'not yet valid': await issuer.sign('RS256', { nbf: at + 60 }),
      'issued in the future': await issuer.sign('RS256', { iat: at + 600, exp: at + 1200 }),
      'no subject': await issuer.sign('RS256', { sub: undefined }),
      'empty subject': await issuer.sign('RS256', { sub: '' }),
      'an ID token': await issuer.sign('RS256', {}, { typ: 'JWT' }),
      'no type': await issuer.sign('RS256', {}, { typ: undefined }),
      'key in the header': await foreign({ jwk: ownJwk }),
      'key address in the header': await foreign({ jku: `${issuer.url}/keys`, kid: 'ES256' }),
      'known kid, other key': await foreign({ kid: 'ES256' }),
      'kid as a path': await foreign({ kid: '../../../../dev/null' }),
      'unknown critical header': `${b64({ alg: 'RS256', kid: 'RS256', typ: 'at+jwt', crit: ['x'], x: 1 })}.${body}.${signature}`,
      'roles changed': `${head}.${b64({ ...claims, roles: ['developer'] })}.${signature}`,
      'signature cut': `${head}.${body}.${signature.slice(0, -4)}`,
      'not JSON': `${head}.AAAA.${signature}`,
      'five parts': `${good}.a.b`,
      'very long': `${head}.${'A'.repeat(100_000)}.${signature}`,
    };
    for (const [name, token] of Object.entries(bad)) {
      await expect(take(token), name).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    }
    for (const authorization of [
      '',
      'Bearer',
      'Basic bGk6bGk=',
      good,
      `Bearer  ${good}`,
      `Bearer ${good}, Bearer ${good}`,
    ]) {
      await expect(tokens.principal(authorization), authorization.slice(0, 12)).rejects.toMatchObject({
        code: 'UNAUTHENTICATED',
      });
    }
    expect((await take(good))?.subject).toBe('li');
  });

  test('new keys are found, unknown ones are asked for once, keys are kept while the issuer is away', async () => {
    tokens = fresh();
    await take(await issuer.sign('ES256'));
    const before = issuer.asked;
    await take(await issuer.sign('EdDSA'));
    expect(issuer.asked).toBe(before);
    issuer.dark = true;
    await take(await issuer.sign('RS256', { sub: 'wang' }));
    const unreachable = fresh();
    await expect(unreachable.principal(`Bearer ${await issuer.sign('RS256')}`)).rejects.toMatchObject({
      extensions: { retryable: true },
    });
    issuer.dark = false;
    // A key added after the set was fetched: another fetch is due once the pause of thirty seconds is over, which a new door shows.
    await issuer.addKey('next', 'ES256');
    issuer.keys.delete('ES256');
    const token = await issuer.sign('next');
    const asked = issuer.asked;
    for (let i = 0; i < 20; i++) await take(token).catch(() => undefined);
    expect(issuer.asked - asked).toBeLessThanOrEqual(1);
    expect((await fresh().principal(`Bearer ${token}`))?.subject).toBe('li');
  });

  test('roles come from the issuer’s own words; unknown ones hold nothing; scope narrows; rows must be named', () => {
    const claims = { sub: 'a', exp: 1, realm: { roles: ['egov', 'boss', '__proto__'] } };
    const portal = principalOf(claims, { rolesClaim: 'realm.roles', roles: { egov: 'portal' } });
    expect(portal.roles).toEqual(['portal']);
    expect(portal.companies).toEqual([]);
    const nobody = principalOf({ ...claims, roles: ['root', 'constructor'] }, { rolesClaim: 'roles', roles: null });
    expect([nobody.roles, nobody.scopes.size, nobody.parks, nobody.companies]).toEqual([[], 0, [], []]);
    const narrow = principalOf(
      { sub: 'a', exp: 1, roles: 'company', companies: ['91350100M000100Y43'], scope: 'openid tax:read root:all' },
      { rolesClaim: 'roles', roles: null },
    );
    expect([...narrow.scopes]).toEqual(['tax:read']);
    const operator = principalOf({ sub: 'a', exp: 1, roles: ['operator'] }, { rolesClaim: 'roles', roles: null });
    expect(operator.parks).toEqual([]);
  });
});
