/** When the hub serves the explorer, depending on isthmus.yaml, and who may introspect the graph there. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { sourceConnectors } from '../connectors/index.ts';
import { readConfig } from '../connectors/kit/config/config-file.ts';
import { openDemoIssuer } from '../gateway/trust/tokens/demo-issuer.ts';
import { type BareHub, startBareHub } from './bare-hub.ts';

const folder = mkdtempSync(join(tmpdir(), 'isthmus-page-'));
writeFileSync(join(folder, 'index.html'), '<!doctype html><title>page</title>');
const AUTH =
  'auth: { audience: "https://hub.example", demo: true, issuers: [ { issuer: "https://id.example/realms/park" } ] }';

let bareHub: BareHub | null = null;
afterEach(async () => {
  await bareHub?.close();
  bareHub = null;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The address of a hub with these lines in isthmus.yaml. */
async function hub(...lines: string[]): Promise<string> {
  const text = ['parks: [ { id: lakeside, name: Lakeside, region: "500112" } ]', 'installations: []', ...lines].join(
    '\n',
  );
  const config = readConfig(text, 'isthmus.yaml', sourceConnectors, {});
  bareHub = await startBareHub({ start: { config, data: folder, explorerFolder: folder } });
  return bareHub.hub.url;
}
const status = async (url: string): Promise<number> => (await fetch(url)).status;

test('section explorer: serves no explorer without auth and without an anonymous role', async () => {
  const url = await hub();
  for (const path of ['/explorer', '/explorer/', '/explorer/index.html', '/explorer/settings.json', '/explorer/caller'])
    expect([path, await status(url + path)]).toEqual([path, 404]);
});

test('section explorer: serves the explorer with auth, and not with explorer: false', async () => {
  expect(await status(`${await hub(AUTH, 'explorer: false')}/explorer/`)).toBe(404);
  await bareHub?.close();
  const url = await hub(AUTH, 'explorer: { clientId: isthmus-explorer }');
  const page = await fetch(`${url}/explorer/`);
  expect(await page.text()).toContain('<title>page</title>');
  expect(page.headers.get('content-security-policy')).toContain("connect-src 'self' https://id.example;");
  expect(await (await fetch(`${url}/explorer/settings.json`)).json()).toEqual({
    clients: [
      {
        issuer: 'https://id.example/realms/park',
        clientId: 'isthmus-explorer',
        name: 'id.example',
        scopes: ['openid'],
        parameters: {},
      },
    ],
  });
});

test('explorer: reports the caller, and allows introspection only with a role', async () => {
  const url = await hub(AUTH);
  const token = await (await openDemoIssuer(folder)).sign({ role: 'analyst', seconds: 60 });
  const authorization = `Bearer ${token}`;
  const caller = async (headers: Record<string, string>) =>
    ((await (await fetch(`${url}/explorer/caller`, { headers })).json()) as { caller: unknown }).caller;
  expect(await caller({})).toBeNull();
  expect(await caller({ authorization })).toMatchObject({ subject: 'demo:analyst', roles: ['analyst'] });
  const introspect = async (headers: Record<string, string>) => {
    const body = JSON.stringify({ query: '{ __schema { queryType { name } } }' });
    const answer = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });
    return answer.text();
  };
  expect(await introspect({})).toContain('Introspection is off');
  expect(await introspect({ authorization })).toContain('"queryType":{"name":"Query"}');
});

test('explorer: needs no token on this machine with an anonymous role', async () => {
  const url = await hub('anonymous: developer');
  const answer = await fetch(`${url}/explorer/caller`);
  expect(await answer.json()).toMatchObject({ caller: { roles: ['developer'], expires: null } });
  expect(await status(`${url}/explorer/`)).toBe(200);
});
