/** Signing in to the explorer of a hub in a real browser, with an OIDC issuer and with a pasted token: what is shown, stored and cleared. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { sourceConnectors } from '../../connectors/index.ts';
import { readConfig } from '../../connectors/kit/config/config-file.ts';
import { openDemoIssuer } from '../../gateway/trust/tokens/demo-issuer.ts';
import { appendEvents } from '../../schema/database/events/event-log.ts';
import { type BareHub, startBareHub } from '../bare-hub.ts';
import { type OidcIssuer, openIssuer } from '../oidc-issuer.ts';

const AUDIENCE = 'https://hub.example';
const CLIENT = 'isthmus-explorer';
/** Folder for screenshots; without it none are taken. */
const SCREENSHOTS = process.env['ISTHMUS_PICTURES'];

let folder: string;
let issuer: OidcIssuer;
let bareHub: BareHub;
let home: string;
let browser: Browser;
let context: BrowserContext;
let page: Page;
/** Errors in the browser's console, such as policy violations. */
let consoleErrors: string[];
let requestedUrls: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-explorer-'));
  execFileSync(process.execPath, [join(import.meta.dirname, '../../gateway/explorer/build.js'), folder]);
  issuer = await openIssuer(AUDIENCE);
  const config = readConfig(
    `parks:
  - { id: riverside, name: Riverside, region: "500112" }
installations: []
auth:
  audience: ${AUDIENCE}
  demo: true
  issuers: [ { issuer: "${issuer.issuer}" } ]
explorer: { clientId: ${CLIENT}, name: Park ID, parameters: { resource: "${AUDIENCE}" } }
`,
    'isthmus.yaml',
    sourceConnectors,
    {},
  );
  bareHub = await startBareHub({ start: { config, data: folder, explorerFolder: join(folder, 'page') } });
  home = `${bareHub.hub.url}/explorer/`;
  issuer.register({ clientId: CLIENT, redirect: home, origin: bareHub.hub.url });
  const executablePath = process.env['ISTHMUS_CHROMIUM'] ?? '/usr/bin/chromium';
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-background-networking'] });
  if (SCREENSHOTS) mkdirSync(SCREENSHOTS, { recursive: true });
});

afterAll(async () => {
  await browser?.close();
  await bareHub?.close();
  await issuer?.close();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  issuer.audience = AUDIENCE;
  issuer.lifetime = 600;
  issuer.claims = { roles: ['operator'], parks: ['riverside'] };
  await open();
});
afterEach(async () => {
  await context.close();
});

async function open(options: { locale?: string; width?: number } = {}): Promise<void> {
  await context?.close();
  const viewport = { width: options.width ?? 1280, height: 800 };
  context = await browser.newContext({ locale: options.locale ?? 'en-GB', viewport });
  page = await context.newPage();
  consoleErrors = [];
  requestedUrls = [];
  page.on('console', (message) => {
    // Errors of the issuer's pages are ignored.
    if (message.type() === 'error' && !message.location().url.startsWith(issuer.issuer))
      consoleErrors.push(message.text());
  });
  page.on('pageerror', (error) => consoleErrors.push(String(error)));
  page.on('request', (request) => requestedUrls.push(request.url()));
}

/** Takes a wide and a narrow screenshot. */
async function screenshot(name: string): Promise<void> {
  if (!SCREENSHOTS) return;
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 800 });
    await page.waitForTimeout(300);
    await page.screenshot({ path: join(SCREENSHOTS, `${name}-${width}.png`) });
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

const body = (): Promise<string | null> => page.locator('body').textContent();
const signIn = async (name = 'anna'): Promise<void> => {
  await page.goto(home);
  await page.getByRole('button', { name: 'Sign in at Park ID' }).click();
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.locator('.graphiql-execute-button').waitFor();
};
/** The whole text of an editor, including what is scrolled out of view. */
const textOf = (editor: string): Promise<string> =>
  page.evaluate(`document.querySelector('.graphiql-${editor} .CodeMirror')?.CodeMirror.getValue() ?? ''`);
const answer = (): Promise<string> => textOf('response');
const type = async (text: string): Promise<void> => {
  await page.locator('.graphiql-query-editor .CodeMirror').click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText(text);
};
const run = (): Promise<void> => page.locator('.graphiql-execute-button').click();
const tab = (name: string): Promise<void> => page.getByRole('tab', { name, exact: true }).click();
/** The content of localStorage. */
const stored = (): Promise<string> => page.evaluate('JSON.stringify({ ...localStorage })');
/** The token in sessionStorage. */
const storedToken = (): Promise<string> => page.evaluate("sessionStorage.getItem('isthmus:token') ?? ''");
const token = async (role: string, more: { seconds?: number } = {}): Promise<string> =>
  (await openDemoIssuer(folder)).sign({ role, parks: ['riverside'], seconds: more.seconds ?? 600 });
const paste = async (text: string): Promise<void> => {
  await page.getByRole('textbox', { name: /access token/i }).fill(text);
  await page.getByRole('button', { name: 'Use this token' }).click();
};

/** Appends that many events of the park to the log. */
let written = 0;
const appendParkEvents = (count: number): Promise<unknown> =>
  bareHub.database.transaction((tx) =>
    appendEvents(
      tx,
      { installation: 'riverside-parking', connector: 'parking', park: 'riverside', at: new Date() },
      Array.from({ length: count }, () => ({
        foreignId: `event${++written}`,
        time: new Date(),
        kind: 'OCCUPANCY_CHANGED',
        data: { occupied: written },
      })),
    ),
  );
/** A cursor at the end of the log. */
async function cursor(): Promise<string> {
  await appendParkEvents(1);
  const response = await fetch(bareHub.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${await token('operator')}` },
    body: JSON.stringify({ query: '{ events(last: 1) { pageInfo { endCursor } } }' }),
  });
  const { data } = (await response.json()) as { data: { events: { pageInfo: { endCursor: string } } } };
  return data.events.pageInfo.endCursor;
}
interface View {
  readonly received: number;
  readonly shown: number;
  readonly ended?: { readonly message: string };
  readonly events: { readonly kind: string }[];
}
const view = async (): Promise<View> => JSON.parse((await answer()) || '{}') as View;
/** Subscribes to the events after the cursor. */
async function follow(after: string): Promise<void> {
  await tab('Live');
  await page.locator('.graphiql-editor-tool .CodeMirror').first().click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText(JSON.stringify({ after }));
  await run();
}

test('explorer in a browser: signs in at the issuer, runs a query, receives 150 events and shows the last 100, signs out', async () => {
  await page.goto(home);
  await page.getByRole('button', { name: 'Sign in at Park ID' }).waitFor();
  expect(await body()).not.toMatch(/riverside/i);
  expect(await page.locator('.graphiql-container').count()).toBe(0);
  await screenshot('signed-out');

  await signIn();
  expect(page.url()).toBe(home);
  expect(await body()).toMatch(/anna\s*role operator\s*parks riverside\s*until \d/);
  await tab('ParkNow');
  await run();
  await expect.poll(answer).toContain('Riverside');
  await screenshot('signed-in');

  const after = await cursor();
  await follow(after);
  for (let i = 0; i < 15; i++) await appendParkEvents(10);
  await expect.poll(async () => (await view()).received).toBe(150);
  const { shown, events } = await view();
  expect([shown, events.length]).toEqual([100, 100]);
  await screenshot('following');

  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are signed out here.').waitFor();
  expect(await body()).not.toMatch(/riverside/i);
  expect(await page.locator('.graphiql-container').count()).toBe(0);
  expect(await page.evaluate('JSON.stringify({ ...sessionStorage })')).toBe('{}');
  expect(await stored()).not.toMatch(/riverside/i);
  expect(consoleErrors).toEqual([]);
  expect(requestedUrls.filter((url) => !url.startsWith(bareHub.hub.url) && !url.startsWith(issuer.issuer))).toEqual([]);
});

test('explorer in a browser: stores nothing after sign-out, although the editor stores a change half a second later', async () => {
  await signIn();
  await tab('ParkNow');
  await type('query Mine { parks { name } } # of the caller');
  await expect.poll(stored).toContain('of the caller');
  await page.route(home, async (route) => {
    // As long as the reload takes, the page is still running.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await route.continue();
  });
  await page.keyboard.insertText(' # edited at last');
  await page.waitForTimeout(150);
  // Playwright's own click waits for the reload.
  const atSignOut: string = await page.evaluate(
    "document.querySelector('.isthmus-actions button').click(), JSON.stringify({ ...localStorage })",
  );
  await page.getByText('You are signed out here.').waitFor();
  expect(atSignOut).not.toContain('edited at last');
  expect(await stored()).toBe(atSignOut);
});

test('explorer in a browser: keeps the token out of URLs and localStorage, and uses only the access token', async () => {
  await signIn();
  await tab('ParkNow');
  await run();
  await expect.poll(answer).toContain('Riverside');
  expect(await stored()).not.toMatch(/eyJ/);
  expect(requestedUrls.filter((url) => /eyJ/.test(url))).toEqual([]);
  const header = JSON.parse(Buffer.from((await storedToken()).split('.')[0] ?? '', 'base64url').toString()) as {
    typ: string;
  };
  expect(header.typ).toBe('at+jwt');
  await page.reload();
  await page.locator('.graphiql-execute-button').waitFor();
  expect(await body()).toContain('anna');
  // Another tab has its own session.
  const other = await context.newPage();
  await other.goto(home);
  await other.getByRole('button', { name: 'Sign in at Park ID' }).waitFor();
});

test('explorer in a browser: fills in the variables of the examples, or says what to fill in', async () => {
  await signIn();
  await expect.poll(() => textOf('editor-tool')).toBe('{\n  "first": 10\n}');
  await tab('ParkNow');
  await expect.poll(() => textOf('editor-tool')).toBe('{\n  "id": "riverside"\n}');
  await tab('Company360');
  await expect.poll(() => textOf('editor-tool')).toContain('fill in: the credit code (USCC)');
  expect(await textOf('editor-tool')).toContain(new Date().toISOString().slice(0, 10));
});

test('explorer in a browser: shows the documentation when signed in', async () => {
  await signIn();
  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  await page.getByText('A GraphQL schema provides a root type').waitFor();
  await page.getByRole('link', { name: 'Query', exact: true }).click();
  await page.getByText('All parks.', { exact: true }).first().waitFor();
  await screenshot('documentation');
});

test('explorer in a browser: refreshes the token: a subscription outlives its first token without losing events', async () => {
  issuer.lifetime = 8;
  await signIn();
  const first = await storedToken();
  await follow(await cursor());
  const begin = written;
  await appendParkEvents(3);
  await expect.poll(async () => (await view()).received).toBe(3);
  issuer.lifetime = 600;
  await expect.poll(storedToken).not.toBe(first);
  const { exp } = JSON.parse(Buffer.from(first.split('.')[1] ?? '', 'base64url').toString()) as { exp: number };
  while (Date.now() < exp * 1_000 + 500) {
    await appendParkEvents(1);
    await page.waitForTimeout(500);
  }
  await appendParkEvents(3);
  await expect.poll(async () => (await view()).received).toBe(written - begin);
  expect(await page.getByRole('alert').count()).toBe(0);
});

test('explorer in a browser: uses a pasted token for queries and subscriptions', async () => {
  await page.goto(home);
  await paste(` Bearer ${await token('operator')}\n`);
  await page.locator('.graphiql-execute-button').waitFor();
  expect(await body()).toMatch(/demo:operator\s*role operator/);
  await follow(await cursor());
  await appendParkEvents(2);
  await expect.poll(async () => (await view()).received).toBe(2);
  expect(await stored()).not.toMatch(/eyJ/);
  expect(page.url()).toBe(home);
});

test('explorer in a browser: shows the hub’s reason for a rejected token, and nothing else', async () => {
  await page.goto(home);
  await paste('rubbish');
  await page
    .getByText('The hub rejected the token: Invalid authorization: expected "Bearer <token>" with a signed JWT.')
    .waitFor();
  await screenshot('refused');
  await paste(await token('operator', { seconds: -60 }));
  await page.getByText('The hub rejected the token: The token has expired.').waitFor();
  await paste('雪雪');
  await page.getByText('Invalid token: it contains').waitFor();
  expect(await page.locator('.graphiql-container').count()).toBe(0);
  expect(await page.evaluate('JSON.stringify({ ...sessionStorage })')).toBe('{}');
});

test('explorer in a browser: reports an expired token, keeps the editor text, and continues after signing in again', async () => {
  await page.goto(home);
  await paste(await token('operator', { seconds: 10 }));
  await page.locator('.graphiql-execute-button').waitFor();
  await follow(await cursor());
  await appendParkEvents(1);
  await expect.poll(async () => (await view()).received).toBe(1);
  await page.getByRole('alert').getByText('Your sign-in expired at').waitFor({ timeout: 15_000 });
  await expect.poll(async () => (await view()).ended?.message).toContain('Your sign-in expired at');
  expect((await view()).events).toHaveLength(1);
  await type('query Mine { parks { name } }');
  await run();
  await expect.poll(answer).toContain('Your sign-in expired at');
  expect(await answer()).not.toContain('stack');
  await screenshot('ended');
  await page.getByRole('button', { name: 'Sign in again' }).click();
  await paste(await token('operator'));
  await page.getByText(/^until/).waitFor();
  await run();
  await expect.poll(answer).toContain('Riverside');
});

test('explorer in a browser: explains errors at the issuer in plain words', async () => {
  await page.goto(home);
  await page.getByRole('button', { name: 'Sign in at Park ID' }).click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page
    .getByText('The sign-in was cancelled, or Park ID rejected it. Its message: “The user has cancelled.”')
    .waitFor();
  expect(page.url()).toBe(home);
  await screenshot('cancelled');

  await page.goto(`${home}?code=stolen&state=foreign&iss=${encodeURIComponent(issuer.issuer)}`);
  await page.getByText('This sign-in was not started in this tab, or it is already completed.').waitFor();
  expect(page.url()).toBe(home);
  expect(await page.locator('.graphiql-container').count()).toBe(0);
});

test('explorer in a browser: shows the hub’s reason when it rejects a token of the issuer', async () => {
  issuer.audience = 'https://other.example';
  await page.goto(home);
  await page.getByRole('button', { name: 'Sign in at Park ID' }).click();
  await page.getByLabel('Name').fill('anna');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText(/^The hub rejected the token: /).waitFor();
  expect(await page.locator('.graphiql-container').count()).toBe(0);
});

test('explorer in a browser: uses Chinese for Chinese browsers', async () => {
  await open({ locale: 'zh-CN' });
  await page.goto(home);
  await page.getByRole('button', { name: '通过 Park ID 登录' }).waitFor();
  await page.getByText('登录后即可查询本枢纽的数据。').waitFor();
  await screenshot('chinese');
});
