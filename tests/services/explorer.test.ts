/** The explorer in a real browser with the strictest content security policy: queries, a subscription, no external requests. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { buildSchema, graphql } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { referenceOperations } from '../../gateway/explorer/reference-operations.ts';

const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};
const schema = buildSchema(`
  scalar Cursor
  type Query { companies(first: Int, after: Cursor): Companies }
  type Companies { nodes: [Company!]! pageInfo: PageInfo! }
  type Company { uscc: String! name: String }
  type PageInfo { endCursor: String hasNextPage: Boolean! }
  type Subscription { ticks: Int! }
`);
const companies = {
  nodes: [{ uscc: '91500112000060409P', name: 'Moon Hare' }],
  pageInfo: { endCursor: null, hasNextPage: false },
};

/** The caller with an anonymous role: no sign-in required. */
const DEVELOPER = {
  subject: 'anonymous:developer',
  client: 'anonymous',
  roles: ['developer'],
  parks: null,
  companies: null,
  expires: null,
};

let caller: typeof DEVELOPER | null = DEVELOPER;
let clients: unknown[] = [];
let folder: string;
let server: Server;
let sockets: WebSocketServer;
let browser: Browser;
let page: Page;
let origin: string;
const consoleErrors: string[] = [];
const requestedUrls: string[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-explorer-'));
  execFileSync(process.execPath, [join(import.meta.dirname, '../../gateway/explorer/build.js'), folder]);
  server = createServer(async (request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    if (path === '/graphql') {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const { query, variables } = JSON.parse(Buffer.concat(parts).toString()) as {
        query: string;
        variables?: Record<string, unknown>;
      };
      const answer = await graphql({
        schema,
        source: query,
        variableValues: variables ?? {},
        rootValue: { companies },
      });
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      return;
    }
    const body = { '/explorer/settings.json': { clients }, '/explorer/caller': { caller } }[path];
    if (body) {
      response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
      return;
    }
    const name = path === '/explorer/' ? 'index.html' : path.slice('/explorer/'.length);
    response.writeHead(200, {
      'content-type': TYPES[extname(name)] ?? 'application/octet-stream',
      'content-security-policy': "default-src 'self'; style-src 'self'; script-src 'self'",
    });
    response.end(readFileSync(join(folder, 'page', name)));
  });
  sockets = new WebSocketServer({ server, path: '/graphql' });
  useServer({ schema, roots: { subscription: { ticks } } }, sockets);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  const executablePath = process.env['ISTHMUS_CHROMIUM'] ?? '/usr/bin/chromium';
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  page = await browser.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error') consoleErrors.push(message.text());
  });
  page.on('pageerror', (error) => consoleErrors.push(String(error)));
  page.on('request', (request) => requestedUrls.push(request.url()));
}, 60_000);

afterAll(async () => {
  await browser?.close();
  sockets?.close();
  server?.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

async function* ticks(): AsyncGenerator<{ ticks: number }> {
  for (let i = 1; i <= 3; i++) {
    yield { ticks: i };
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const answer = (): Promise<string | null> => page.locator('.graphiql-response .CodeMirror').textContent();

test('explorer in a browser: shows the reference operations as tabs and runs the first', async () => {
  await page.goto(`${origin}/explorer/`);
  await page.locator('.graphiql-execute-button').waitFor();
  const tabs = await page.locator('.graphiql-tab-button').allInnerTexts();
  expect(tabs.slice(0, 6)).toEqual(['Companies', 'Company360', 'ParkNow', 'Sources', 'History', 'Live']);
  expect(tabs).toHaveLength(referenceOperations().length);
  await page.locator('.graphiql-execute-button').click();
  await expect.poll(answer, { timeout: 10_000 }).toContain('Moon Hare');
});

test('explorer in a browser: fills in times relative to now', async () => {
  await page
    .getByRole('tab', { name: 'Company360' })
    .or(page.getByText('Company360', { exact: true }))
    .first()
    .click();
  await expect
    .poll(() => page.locator('.graphiql-editor-tool .CodeMirror').first().textContent(), { timeout: 10_000 })
    .toContain(new Date().toISOString().slice(0, 10));
});

test('explorer in a browser: runs a subscription over WebSocket', async () => {
  await page.locator('.graphiql-query-editor .CodeMirror').click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText('subscription Ticks { ticks }');
  await page.keyboard.press('Control+Enter');
  await expect.poll(answer, { timeout: 10_000 }).toMatch(/"received": 3.*"events": \[\s*3,\s*2,\s*1\s*\]/s);
});

test('explorer in a browser: shows that nobody is signed in, and offers to sign in with a token', async () => {
  await page.getByText('Not signed in').waitFor();
  await page.getByText('role developer').waitFor();
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('textbox', { name: 'Access token' }).waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  expect(await page.getByRole('textbox', { name: 'Access token' }).count()).toBe(0);
});

test('explorer in a browser: violates no content security policy and contacts no other server', () => {
  expect(consoleErrors).toEqual([]);
  expect(requestedUrls.length).toBeGreaterThan(3);
  expect(requestedUrls.filter((url) => !url.startsWith(origin))).toEqual([]);
});

test('explorer in a browser: offers each issuer, and explains when one cannot be reached', async () => {
  caller = null;
  clients = ['one', 'other'].map((name) => ({
    issuer: `http://127.0.0.1:9/${name}`,
    clientId: 'explorer',
    name,
    scopes: ['openid'],
    parameters: {},
  }));
  await page.goto(`${origin}/explorer/`);
  await page.getByRole('button', { name: 'Sign in at one' }).waitFor();
  await page.getByRole('button', { name: 'Sign in at other' }).click();
  await page
    .getByText(`This page cannot call other: it is not reachable, or does not allow calls from ${origin} (CORS).`)
    .waitFor();
  expect(page.url()).toBe(`${origin}/explorer/`);
});
