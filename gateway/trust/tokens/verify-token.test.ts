import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, type JWTVerifyGetKey, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ALGORITHMS, type IssuerConfig, readAuth } from '../../../connectors/kit/config/sections/auth.ts';
import { makeLog } from '../../../connectors/kit/log.ts';
import { setDate, steppedClock } from '../../../connectors/kit/testing/test-clock.ts';
import { RefusalLog } from './rejection-log.ts';
import { principalOf } from './token-principal.ts';
import { makeTokens, type Tokens, type TrustedIssuer, trustedIssuers } from './verify-token.ts';

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

  describe('types of tokens', () => {
    const taking = (type?: unknown) => {
      const faults: string[] = [];
      const { issuers } = readAuth(
        { audience: 'hub', issuers: [{ issuer: issuer.url, ...(type === undefined ? {} : { type }) }] },
        (one) => faults.push(one),
      );
      return { faults, tokens: makeTokens(trustedIssuers({ audience: ['hub'], issuers, demo: false })) };
    };
    const taken = async (type: unknown, typ: string | undefined, claims: Record<string, unknown> = {}) =>
      taking(type)
        .tokens.principal(`Bearer ${await issuer.sign('ES256', claims, { typ })}`)
        .then(
          (one) => one?.subject,
          (error) => error.code,
        );

    test('type takes one or several; case and application/ say nothing, as in RFC 7515', async () => {
      expect(await taken('JWT', 'JWT')).toBe('li');
      for (const typ of ['JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt', 'application/jwt']) {
        expect(await taken(['at+jwt', 'JWT'], typ), typ).toBe('li');
      }
      for (const typ of ['JWT', 'application/jwt', 'at+jwt+x', undefined]) {
        expect(await taken(undefined, typ), String(typ)).toBe('UNAUTHENTICATED');
      }
      expect(await taken(['at+jwt', 'JWT'], undefined)).toBe('UNAUTHENTICATED');
    });

    test.each([{ at_hash: 'x' }, { c_hash: 'x' }, { typ: 'ID' }, { typ: 'Refresh' }, { token_use: 'id' }])(
      'an ID token is refused under a type that it shares with access tokens: %j',
      async (claims) => {
        expect(await taken(['at+jwt', 'JWT'], 'JWT', claims)).toBe('UNAUTHENTICATED');
        expect(await taken(['at+jwt', 'JWT'], 'JWT', { typ: 'Bearer', token_use: 'access' })).toBe('li');
      },
    );

    test.each([[[]], [''], [7], [['at+jwt', '']], [['at+jwt', 5]], [{}]])('the setting type refuses %j', (type) => {
      expect(taking(type).faults.join()).toMatch(/auth: type of .* example: type: \[at\+jwt, JWT\]/);
    });
  });

  describe('the log of refused tokens', () => {
    const logging = (config: Record<string, unknown> = {}) => {
      const lines: { level: string | number; msg: string; leftOut?: number }[] = [];
      const log = makeLog((line) => lines.push(JSON.parse(line)), 'info');
      const { issuers } = readAuth({ audience: 'hub', issuers: [{ issuer: issuer.url, ...config }] }, () => undefined);
      return { lines, tokens: makeTokens(trustedIssuers({ audience: ['hub'], issuers, demo: false }), { log }) };
    };
    const at = () => Math.floor(Date.now() / 1000);
    const reasons: [string, () => Promise<string>, RegExp][] = [
      [
        'another type',
        () => issuer.sign('ES256', {}, { typ: 'JWT' }),
        /typ is "JWT", expected at\+jwt\. To accept it, set auth\.issuers\[0\]\.type: \[at\+jwt, JWT\]/,
      ],
      ['no type', () => issuer.sign('ES256', {}, { typ: undefined }), /names no typ.*auth\.issuers\[0\]\.type/],
      ['another audience', () => issuer.sign('ES256', { aud: 'account' }), /audience is "account".*auth\.audience/],
      ['another issuer', () => issuer.sign('ES256', { iss: 'https://else.example' }), /none of auth\.issuers/],
      [
        'an issuer but for the slash',
        () => issuer.sign('ES256', { iss: `${issuer.url}/` }),
        /auth\.issuers\[0\]\.issuer is .* equal to the letter/,
      ],
      ['an end', () => issuer.sign('ES256', { exp: at() - 60 }), /has expired/],
      ['another algorithm', () => issuer.sign('EdDSA'), /is "EdDSA".*add EdDSA to auth\.issuers\[0\]\.algorithms/],
      [
        'a shared secret',
        async () => `${b64({ alg: 'HS256', typ: 'at+jwt' })}.${b64({ iss: issuer.url })}.AAAA`,
        /algorithm is "HS256".*takes no others/,
      ],
      ['an unknown key', () => issuer.sign('ES256', {}, { kid: 'gone' }), /no one key for it \(kid "gone"/],
      ['no subject', () => issuer.sign('ES256', { sub: undefined }), /claim sub is missing/],
      ['no token at all', async () => 'a.b.c', /no signed JWT/],
    ];
    test.each(reasons)('names the reason and the setting, never the token: %s', async (_, token, expected) => {
      const { lines, tokens } = logging({ algorithms: ['ES256', 'RS256'] });
      const text = await token();
      const told = new Set<string>();
      for (let i = 0; i < 3; i++) {
        await tokens.principal(`Bearer ${text}`).catch((error) => told.add(error.message));
      }
      expect(lines).toHaveLength(1);
      expect(lines[0]?.msg).toMatch(expected);
      expect(lines[0]?.level).toSatisfy((level) => level === 'info' || level === 30);
      // Neither the token nor a claim of a person.
      for (const part of [...text.split('.').filter((one) => one.length > 8), '"li"']) {
        expect(JSON.stringify(lines)).not.toContain(part);
      }
      expect([...told].join()).toMatch(/^The token (is not valid for this hub|has expired)\.$/);
    });

    test('what a stranger wrote into a token stands in it shortened and quoted', async () => {
      const { lines, tokens } = logging();
      const iss = `x"\n{"level":60} ${'a'.repeat(5_000)}`;
      await tokens.principal(`Bearer ${await issuer.sign('ES256', { iss })}`).catch(() => undefined);
      expect(lines).toHaveLength(1);
      expect(lines[0]?.msg.length).toBeLessThan(400);
      expect(lines[0]?.msg).not.toContain('\n');
    });

    test('a flood does not fill it', async () => {
      const { lines, tokens } = logging();
      for (let i = 0; i < 500; i++) await tokens.principal(`Bearer ${'a'.repeat(i + 1)}.b.c`).catch(() => undefined);
      expect(lines.length).toBeGreaterThan(10);
      expect(lines.length).toBeLessThan(100);
    });

    test('the minute after a flood says how many lines it left out', () => {
      let now = 0;
      const lines: { leftOut?: number }[] = [];
      const log = new RefusalLog(
        makeLog((line) => lines.push(JSON.parse(line)), 'info'),
        () => now,
      );
      for (let i = 0; i < 100; i++) log.write(`mark ${i}`, 'Refused.');
      expect(lines).toHaveLength(60);
      now = 60_000;
      log.write('another mark', 'Refused.');
      expect(lines.at(-1)?.leftOut).toBe(40);
    });

    test('a token whose roles mean nothing here is taken, and the log names the settings', async () => {
      const { lines, tokens } = logging();
      const token = await issuer.sign('ES256', { roles: ['boss', 'uma_authorization'] });
      for (let i = 0; i < 3; i++) expect((await tokens.principal(`Bearer ${token}`))?.roles).toEqual([]);
      expect(lines.map((one) => one.msg)).toEqual([
        expect.stringMatching(/"boss".*auth\.issuers\[0\]\.rolesClaim.*auth\.issuers\[0\]\.roles/),
      ]);
    });

    test.each([
      ['Basic bGk6c2VjcmV0', /scheme is "Basic", expected Bearer/],
      ['Token s3cret-s3cret', /scheme is "Token", expected Bearer/],
      ['s3cret-s3cret', /no scheme that is known/],
      ['Bearer s3cret-s3cret', /no signed JWT/],
      ['Bearer', /no signed JWT/],
    ])('of a credential of another form it names the form alone: %s', async (authorization, expected) => {
      const { lines, tokens } = logging();
      await expect(tokens.principal(authorization)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
      expect(lines.map((one) => one.msg).join()).toMatch(expected);
      expect(JSON.stringify(lines)).not.toMatch(/s3cret|bGk6/);
    });
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

  test.each([600_000, -600_000])(
    'a token is believed for a minute and verified again then, also with the wall clock set by %d ms',
    async (by) => {
      const clock = steppedClock(new Date());
      const [trusted] = trustedIssuers({ audience: ['hub'], issuers: config(), demo: false });
      let verified = 0;
      const counting: JWTVerifyGetKey = (...given) => {
        verified++;
        return (trusted as TrustedIssuer).keys(...given);
      };
      const counted = makeTokens([{ ...(trusted as TrustedIssuer), keys: counting }], { clock });
      const at = clock.now().getTime() / 1000;
      const token = await issuer.sign('RS256', { iat: Math.floor(at - 3_600), exp: Math.floor(at + 3_600) });
      const ask = () => counted.principal(`Bearer ${token}`);
      await ask();
      clock.set(by);
      clock.pass(59_999);
      await ask();
      expect(verified).toBe(1);
      clock.pass(1);
      await ask();
      expect(verified).toBe(2);
      // The token's own end is a moment that its issuer names: the wall clock decides.
      clock.set(2 * 3_600_000);
      await expect(ask()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    },
  );

  test('a key that is new is found at once when the wall clock was set back', async () => {
    tokens = fresh();
    await take(await issuer.sign('RS256', { sub: 'before' }));
    await issuer.addKey('newest', 'ES256');
    const token = await issuer.sign('newest', {
      iat: Math.floor(Date.now() / 1000) - 3_600,
      exp: Math.floor(Date.now() / 1000) + 3_600,
    });
    const back = setDate(-600_000);
    try {
      expect((await take(token))?.subject).toBe('li');
    } finally {
      back();
    }
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
