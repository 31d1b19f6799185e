import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, type JWTVerifyGetKey, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ALGORITHMS, type IssuerConfig, readAuth } from '../../../connectors/kit/config/sections/auth.ts';
import { createLog } from '../../../connectors/kit/log.ts';
import { manualClock, shiftSystemDate } from '../../../connectors/kit/testing/test-clock.ts';
import { RejectionLog } from './rejection-log.ts';
import { principalOf } from './token-principal.ts';
import { createTokenVerifier, type TokenVerifier, type TrustedIssuer, trustedIssuers } from './verify-token.ts';

/** An OIDC issuer: discovery, a key set that can change, and the number of requests for it. */
class Issuer {
  url = '';
  requests = 0;
  isDown = false;
  readonly keys = new Map<string, { alg: string; privateKey: CryptoKey; publicKey: CryptoKey; jwk: JWK }>();
  #server: Server | null = null;

  async start(): Promise<this> {
    const server = createServer((request, response) => {
      if (this.isDown) {
        request.socket.destroy();
        return;
      }
      response.setHeader('content-type', 'application/json');
      if (request.url?.endsWith('openid-configuration')) {
        response.end(JSON.stringify({ issuer: this.url, jwks_uri: `${this.url}/keys` }));
        return;
      }
      this.requests += 1;
      response.end(JSON.stringify({ keys: [...this.keys.values()].map((key) => key.jwk) }));
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
  /** A signed token; a claim that is undefined is left out. */
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
    const payload = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
    return new SignJWT(payload)
      .setProtectedHeader({ alg: key.alg, kid, typ: 'at+jwt', ...header })
      .sign(key.privateKey);
  }
  close(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }
}

const b64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('bearer tokens', () => {
  let issuer: Issuer;
  let verifier: TokenVerifier;
  const config = (): IssuerConfig[] => [
    ...readAuth({ audience: 'hub', issuers: [{ issuer: issuer.url }] }, () => undefined).issuers,
  ];
  const fresh = () => createTokenVerifier(trustedIssuers({ audience: ['hub'], issuers: config(), demo: false }));
  const take = (token: string) => verifier.verifyAuthorization(`Bearer ${token}`);

  beforeAll(async () => {
    issuer = await new Issuer().start();
    for (const alg of ALGORITHMS) await issuer.addKey(alg, alg);
    verifier = fresh();
  });
  afterAll(() => issuer.close());

  test.each(ALGORITHMS)('accepts %s with keys found by discovery', async (alg) => {
    const principal = await take(await issuer.sign(alg, { parks: ['lakeside'], purpose: 'care' }));
    expect(principal).toMatchObject({ subject: 'li', client: 'app', roles: ['operator'], purpose: 'care' });
    expect(principal?.parks).toEqual(['lakeside']);
    expect(principal?.companies).toBeNull();
    expect(principal?.scopes.has('access:names')).toBe(true);
    expect(principal?.scopes.has('tax:read')).toBe(false);
  });

  test('returns null without a token, and the same principal for the same token', async () => {
    expect(await verifier.verifyAuthorization(undefined)).toBeNull();
    const token = await issuer.sign('ES256');
    expect(await take(token)).toBe(await take(token));
  });

  test('rejects tokens with a wrong algorithm, signature, issuer, audience, time, subject, type or form', async () => {
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
      await expect(verifier.verifyAuthorization(authorization), authorization.slice(0, 12)).rejects.toMatchObject({
        code: 'UNAUTHENTICATED',
      });
    }
    expect((await take(good))?.subject).toBe('li');
  });

  describe('types of tokens', () => {
    const configured = (type?: unknown) => {
      const faults: string[] = [];
      const { issuers } = readAuth(
        { audience: 'hub', issuers: [{ issuer: issuer.url, ...(type === undefined ? {} : { type }) }] },
        (error) => faults.push(error),
      );
      return { faults, verifier: createTokenVerifier(trustedIssuers({ audience: ['hub'], issuers, demo: false })) };
    };
    const verify = async (type: unknown, typ: string | undefined, claims: Record<string, unknown> = {}) =>
      configured(type)
        .verifier.verifyAuthorization(`Bearer ${await issuer.sign('ES256', claims, { typ })}`)
        .then(
          (principal) => principal?.subject,
          (error) => error.code,
        );

    test('accepts one or several types; ignores case and application/ as RFC 7515 does', async () => {
      expect(await verify('JWT', 'JWT')).toBe('li');
      for (const typ of ['JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt', 'application/jwt']) {
        expect(await verify(['at+jwt', 'JWT'], typ), typ).toBe('li');
      }
      for (const typ of ['JWT', 'application/jwt', 'at+jwt+x', undefined]) {
        expect(await verify(undefined, typ), String(typ)).toBe('UNAUTHENTICATED');
      }
      expect(await verify(['at+jwt', 'JWT'], undefined)).toBe('UNAUTHENTICATED');
    });

    test.each([{ at_hash: 'x' }, { c_hash: 'x' }, { typ: 'ID' }, { typ: 'Refresh' }, { token_use: 'id' }])(
      'rejects an ID token of the same typ as access tokens: %j',
      async (claims) => {
        expect(await verify(['at+jwt', 'JWT'], 'JWT', claims)).toBe('UNAUTHENTICATED');
        expect(await verify(['at+jwt', 'JWT'], 'JWT', { typ: 'Bearer', token_use: 'access' })).toBe('li');
      },
    );

    test.each([[[]], [''], [7], [['at+jwt', '']], [['at+jwt', 5]], [{}]])('rejects the setting type %j', (type) => {
      expect(configured(type).faults.join()).toMatch(/auth: type of .* example: type: \[at\+jwt, JWT\]/);
    });
  });

  describe('the log of rejected tokens', () => {
    const logging = (config: Record<string, unknown> = {}) => {
      const lines: { level: string | number; msg: string; leftOut?: number }[] = [];
      const log = createLog((line) => lines.push(JSON.parse(line)), 'info');
      const { issuers } = readAuth({ audience: 'hub', issuers: [{ issuer: issuer.url, ...config }] }, () => undefined);
      return {
        lines,
        verifier: createTokenVerifier(trustedIssuers({ audience: ['hub'], issuers, demo: false }), { log }),
      };
    };
    const at = () => Math.floor(Date.now() / 1000);
    const reasons: [string, () => Promise<string>, RegExp][] = [
      [
        'another type',
        () => issuer.sign('ES256', {}, { typ: 'JWT' }),
        /typ is "JWT", expected at\+jwt\. To accept it, set auth\.issuers\[0\]\.type: \[at\+jwt, JWT\]/,
      ],
      ['no type', () => issuer.sign('ES256', {}, { typ: undefined }), /typ is missing.*auth\.issuers\[0\]\.type/],
      ['another audience', () => issuer.sign('ES256', { aud: 'account' }), /audience is "account".*auth\.audience/],
      ['another issuer', () => issuer.sign('ES256', { iss: 'https://else.example' }), /not configured.*auth\.issuers/],
      [
        'an issuer but for the slash',
        () => issuer.sign('ES256', { iss: `${issuer.url}/` }),
        /auth\.issuers\[0\]\.issuer is .* identical/,
      ],
      ['an expired token', () => issuer.sign('ES256', { exp: at() - 60 }), /expired/],
      ['another algorithm', () => issuer.sign('EdDSA'), /is "EdDSA".*add EdDSA to auth\.issuers\[0\]\.algorithms/],
      [
        'a shared secret',
        async () => `${b64({ alg: 'HS256', typ: 'at+jwt' })}.${b64({ iss: issuer.url })}.AAAA`,
        /algorithm is "HS256".*supports only/,
      ],
      ['an unknown key', () => issuer.sign('ES256', {}, { kid: 'gone' }), /no unique key .*\(kid "gone"/],
      ['no subject', () => issuer.sign('ES256', { sub: undefined }), /claim sub is missing/],
      ['no token at all', async () => 'a.b.c', /not a signed JWT/],
    ];
    test.each(reasons)('states the reason and the setting, never the token: %s', async (_, token, expected) => {
      const { lines, verifier } = logging({ algorithms: ['ES256', 'RS256'] });
      const text = await token();
      const messages = new Set<string>();
      for (let i = 0; i < 3; i++) {
        await verifier.verifyAuthorization(`Bearer ${text}`).catch((error) => messages.add(error.message));
      }
      expect(lines).toHaveLength(1);
      expect(lines[0]?.msg).toMatch(expected);
      expect(lines[0]?.level).toSatisfy((level) => level === 'info' || level === 30);
      // Neither the token nor a claim about a person.
      for (const part of [...text.split('.').filter((part) => part.length > 8), '"li"']) {
        expect(JSON.stringify(lines)).not.toContain(part);
      }
      expect([...messages].join()).toMatch(
        /^(Invalid token\. The reason is in the hub's log|The token has expired)\.$/,
      );
    });

    test('quotes and shortens values from a token', async () => {
      const { lines, verifier } = logging();
      const iss = `x"\n{"level":60} ${'a'.repeat(5_000)}`;
      await verifier.verifyAuthorization(`Bearer ${await issuer.sign('ES256', { iss })}`).catch(() => undefined);
      expect(lines).toHaveLength(1);
      expect(lines[0]?.msg.length).toBeLessThan(400);
      expect(lines[0]?.msg).not.toContain('\n');
    });

    test('limits its lines per minute', async () => {
      const { lines, verifier } = logging();
      for (let i = 0; i < 500; i++)
        await verifier.verifyAuthorization(`Bearer ${'a'.repeat(i + 1)}.b.c`).catch(() => undefined);
      expect(lines.length).toBeGreaterThan(10);
      expect(lines.length).toBeLessThan(100);
    });

    test('reports the number of dropped lines in the next minute', () => {
      let now = 0;
      const lines: { leftOut?: number }[] = [];
      const log = new RejectionLog(
        createLog((line) => lines.push(JSON.parse(line)), 'info'),
        () => now,
      );
      for (let i = 0; i < 100; i++) log.write(`key ${i}`, 'Rejected.');
      expect(lines).toHaveLength(60);
      now = 60_000;
      log.write('another key', 'Rejected.');
      expect(lines.at(-1)?.leftOut).toBe(40);
    });

    test('accepts a token without known roles and names the settings', async () => {
      const { lines, verifier } = logging();
      const token = await issuer.sign('ES256', { roles: ['boss', 'uma_authorization'] });
      for (let i = 0; i < 3; i++) expect((await verifier.verifyAuthorization(`Bearer ${token}`))?.roles).toEqual([]);
      expect(lines.map((line) => line.msg)).toEqual([
        expect.stringMatching(/"boss".*auth\.issuers\[0\]\.rolesClaim.*auth\.issuers\[0\]\.roles/),
      ]);
    });

    test.each([
      ['Basic bGk6c2VjcmV0', /scheme is "Basic", expected Bearer/],
      ['Token s3cret-s3cret', /scheme is "Token", expected Bearer/],
      ['s3cret-s3cret', /unknown scheme/],
      ['Bearer s3cret-s3cret', /no signed JWT/],
      ['Bearer', /no signed JWT/],
    ])('describes other credentials without quoting them: %s', async (authorization, expected) => {
      const { lines, verifier } = logging();
      await expect(verifier.verifyAuthorization(authorization)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
      expect(lines.map((line) => line.msg).join()).toMatch(expected);
      expect(JSON.stringify(lines)).not.toMatch(/s3cret|bGk6/);
    });
  });

  test('finds new keys, fetches once for unknown ones, and keeps keys while the issuer is down', async () => {
    verifier = fresh();
    await take(await issuer.sign('ES256'));
    const before = issuer.requests;
    await take(await issuer.sign('EdDSA'));
    expect(issuer.requests).toBe(before);
    issuer.isDown = true;
    await take(await issuer.sign('RS256', { sub: 'wang' }));
    const unreachable = fresh();
    await expect(unreachable.verifyAuthorization(`Bearer ${await issuer.sign('RS256')}`)).rejects.toMatchObject({
      extensions: { retryable: true },
    });
    issuer.isDown = false;
    // A key added later is found after the pause of 30 s, or by a new verifier.
    await issuer.addKey('next', 'ES256');
    issuer.keys.delete('ES256');
    const token = await issuer.sign('next');
    const requests = issuer.requests;
    for (let i = 0; i < 20; i++) await take(token).catch(() => undefined);
    expect(issuer.requests - requests).toBeLessThanOrEqual(1);
    expect((await fresh().verifyAuthorization(`Bearer ${token}`))?.subject).toBe('li');
  });

  test.each([600_000, -600_000])(
    'caches a verified token for a minute, also if the wall clock is set by %d ms',
    async (by) => {
      const clock = manualClock(new Date());
      const [trusted] = trustedIssuers({ audience: ['hub'], issuers: config(), demo: false });
      let verified = 0;
      const counting: JWTVerifyGetKey = (...given) => {
        verified++;
        return (trusted as TrustedIssuer).keys(...given);
      };
      const counted = createTokenVerifier([{ ...(trusted as TrustedIssuer), keys: counting }], { clock });
      const at = clock.now().getTime() / 1000;
      const token = await issuer.sign('RS256', { iat: Math.floor(at - 3_600), exp: Math.floor(at + 3_600) });
      const ask = () => counted.verifyAuthorization(`Bearer ${token}`);
      await ask();
      clock.adjustWallClock(by);
      clock.advance(59_999);
      await ask();
      expect(verified).toBe(1);
      clock.advance(1);
      await ask();
      expect(verified).toBe(2);
      // The token's expiry follows the wall clock.
      clock.adjustWallClock(2 * 3_600_000);
      await expect(ask()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    },
  );

  test('finds a new key at once after the wall clock was set back', async () => {
    verifier = fresh();
    await take(await issuer.sign('RS256', { sub: 'before' }));
    await issuer.addKey('newest', 'ES256');
    const token = await issuer.sign('newest', {
      iat: Math.floor(Date.now() / 1000) - 3_600,
      exp: Math.floor(Date.now() / 1000) + 3_600,
    });
    const back = shiftSystemDate(-600_000);
    try {
      expect((await take(token))?.subject).toBe('li');
    } finally {
      back();
    }
  });

  test('maps roles, ignores unknown ones, restricts by scope, and sees only the rows in the claims', () => {
    const claims = { sub: 'a', exp: 1, realm: { roles: ['egov', 'boss', '__proto__'] } };
    const portal = principalOf(claims, { rolesClaim: 'realm.roles', roles: { egov: 'portal' } });
    expect(portal.roles).toEqual(['portal']);
    expect(portal.companies).toEqual([]);
    const noRoles = principalOf({ ...claims, roles: ['root', 'constructor'] }, { rolesClaim: 'roles', roles: null });
    expect([noRoles.roles, noRoles.scopes.size, noRoles.parks, noRoles.companies]).toEqual([[], 0, [], []]);
    const narrow = principalOf(
      { sub: 'a', exp: 1, roles: 'company', companies: ['91350100M000100Y43'], scope: 'openid tax:read root:all' },
      { rolesClaim: 'roles', roles: null },
    );
    expect([...narrow.scopes]).toEqual(['tax:read']);
    const operator = principalOf({ sub: 'a', exp: 1, roles: ['operator'] }, { rolesClaim: 'roles', roles: null });
    expect(operator.parks).toEqual([]);
  });
});
