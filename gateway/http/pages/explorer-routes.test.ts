import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import type { Principal } from '../../../connectors/kit/auth/principal.ts';
import { HubError } from '../../../connectors/kit/errors.ts';
import { silentLog } from '../../../connectors/kit/log.ts';
import type { Fetch } from '../../trust/tokens/issuer-keys.ts';
import type { ExplorerRoutes } from '../handlers.ts';
import { type HttpServer, listen } from '../server.ts';
import { createExplorerRoutes } from './explorer-routes.ts';

const ISSUER = 'https://id.example/realms/park';
const CLIENT = { issuer: ISSUER, clientId: 'explorer', name: 'Park ID', scopes: ['openid'], parameters: {} };
const OPERATOR: Principal = {
  subject: 'anna',
  client: 'explorer',
  roles: ['operator'],
  scopes: new Set(['access:read']),
  parks: ['lakeside'],
  companies: null,
  purpose: null,
  consents: new Set(),
  expires: Date.parse('2030-01-01T10:00:00Z'),
};

const folder = mkdtempSync(join(tmpdir(), 'isthmus-page-'));
writeFileSync(join(folder, 'index.html'), '<!doctype html>');
let http: HttpServer | null = null;
afterEach(async () => {
  await http?.close(0);
  http = null;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function serve(explorer: ExplorerRoutes | null): Promise<string> {
  http = await listen({ host: '127.0.0.1', port: 0, log: silentLog });
  http.open({
    graphql: { handle: async () => ({ status: 200, headers: {}, body: '{}' }), stop: async () => undefined },
    ...(explorer ? { explorer } : {}),
    ready: async () => ({ ready: true, body: {} }),
    metrics: async () => ({ type: 'text/plain', body: '' }),
    authenticate: async () => null,
  });
  return `http://127.0.0.1:${http.port}`;
}

const discovery =
  (document: unknown): Fetch =>
  async () =>
    Response.json(document);
const explorer = (fetch: Fetch): ExplorerRoutes =>
  createExplorerRoutes({
    folder,
    clients: [CLIENT],
    fetch,
    authenticate: async ({ headers }) => {
      if (headers.authorization === undefined) return null;
      if (headers.authorization === 'Bearer good') return OPERATOR;
      throw new HubError('UNAUTHENTICATED', 'The token has expired.');
    },
  });

async function connectSources(fetch: Fetch): Promise<string | undefined> {
  const answer = await globalThis.fetch(`${await serve(explorer(fetch))}/explorer/`);
  expect(answer.status).toBe(200);
  const policy = answer.headers.get('content-security-policy') ?? '';
  return policy.split('; ').find((one) => one.startsWith('connect-src'));
}

test('explorer routes: lets the page call its own hub, the issuer and the issuer’s token endpoint only', async () => {
  const document = { issuer: ISSUER, token_endpoint: 'https://tokens.example/token' };
  expect(await connectSources(discovery(document))).toBe(
    "connect-src 'self' https://id.example https://tokens.example",
  );
});

test.each<[string, Fetch]>([
  ['that cannot be fetched', () => Promise.reject(new Error('refused'))],
  ['of another issuer', discovery({ issuer: 'https://evil.example', token_endpoint: 'https://evil.example/token' })],
  ['with an http address', discovery({ issuer: ISSUER, token_endpoint: 'http://evil.example/token' })],
  ['with an invalid address', discovery({ issuer: ISSUER, token_endpoint: "x; script-src 'unsafe-inline'" })],
])('explorer routes: allows only the issuer for a discovery document %s', async (_, fetch) => {
  expect(await connectSources(fetch)).toBe("connect-src 'self' https://id.example");
});

test('explorer routes: serves the issuers for signing in', async () => {
  const answer = await fetch(`${await serve(explorer(discovery({})))}/explorer/settings.json`);
  expect(await answer.json()).toEqual({ clients: [CLIENT] });
});

test('explorer routes: serves the caller of a token, or 401 with the reason', async () => {
  const url = `${await serve(explorer(discovery({})))}/explorer/caller`;
  const ask = (authorization?: string) => fetch(url, authorization ? { headers: { authorization } } : {});
  expect(await (await ask()).json()).toEqual({ caller: null });
  const known = await ask('Bearer good');
  expect(known.headers.get('cache-control')).toBe('no-store');
  expect(await known.json()).toEqual({
    caller: {
      subject: 'anna',
      client: 'explorer',
      roles: ['operator'],
      parks: ['lakeside'],
      companies: null,
      expires: '2030-01-01T10:00:00.000Z',
    },
  });
  const refused = await ask('Bearer bad');
  expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer error="invalid_token"']);
  expect(await refused.json()).toMatchObject({ errors: [{ message: 'The token has expired.' }] });
});

test('explorer routes: responds 404 when the explorer is off', async () => {
  const url = await serve(null);
  for (const path of ['/explorer', '/explorer/', '/explorer/settings.json', '/explorer/caller']) {
    const answer = await fetch(url + path);
    expect([path, answer.status]).toEqual([path, 404]);
    expect(await answer.text()).not.toContain('Try /explorer');
  }
});
