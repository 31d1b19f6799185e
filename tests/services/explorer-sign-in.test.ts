/** Signing in to the explorer of a real hub, in a real browser: at an OIDC issuer and by a pasted token; what is shown, kept and forgotten. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { islands } from '../../connectors/index.ts';
import { readConfig } from '../../connectors/kit/config/config-file.ts';
import { openDemoIssuer } from '../../gateway/trust/tokens/demo-issuer.ts';
import { appendEvents } from '../../schema/database/events/event-log.ts';
import { type LiveHub, liveHub } from '../live-hub.ts';
import { type OidcIssuer, openIssuer } from '../oidc-issuer.ts';

const AUDIENCE = 'https://hub.example';
const CLIENT = 'isthmus-explorer';
/** Where pictures go, for who wants to look; absent: none are taken. */
const PICTURES = process.env['ISTHMUS_PICTURES'];

let folder: string;
let issuer: OidcIssuer;
let live: LiveHub;
let home: string;
let browser: Browser;
let context: BrowserContext;
let page: Page;
/** What the browser complained of: policies above all. */
let complaints: string[];
let asked: string[];

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
    islands,
    {},
  );
  live = await liveHub({ start: { config, data: folder, explorerFolder: join(folder, 'page') } });
  home = `${live.hub.url}/explorer/`;
  issuer.register({ clientId: CLIENT, redirect: home, origin: live.hub.url });
  const executablePath = process.env['ISTHMUS_CHROMIUM'] ?? '/usr/bin/chromium';
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-background-networking'] });
  if (PICTURES) mkdirSync(PICTURES, { recursive: true });
});

afterAll(async () => {
  await browser?.close();
  await live?.close();
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
  complaints = [];
  asked = [];
  page.on('console', (message) => {
    // The issuer's pages are none of ours.
    if (message.type() === 'error' && !message.location().url.startsWith(issuer.issuer))
      complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => asked.push(request.url()));
}

/** Looks wide and narrow. */
async function picture(name: string): Promise<void> {
  if (!PICTURES) return;
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 800 });
    await page.waitForTimeout(300);
    await page.screenshot({ path: join(PICTURES, `${name}-${width}.png`) });
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
/** The text of an editor; what is scrolled away is in it too. */
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
/** What the browser has written down for longer than the tab lives. */
const stored = (): Promise<string> => page.evaluate('JSON.stringify({ ...localStorage })');
/** The token of the tab. */
const held = (): Promise<string> => page.evaluate("sessionStorage.getItem('isthmus:token') ?? ''");
const token = async (role: string, more: { seconds?: number } = {}): Promise<string> =>
  (await openDemoIssuer(folder)).sign({ role, parks: ['riverside'], seconds: more.seconds ?? 600 });
const paste = async (text: string): Promise<void> => {
  await page.getByRole('textbox', { name: /access token/i }).fill(text);
  await page.getByRole('button', { name: 'Use this token' }).click();
};

/** Appends so many events of the park to the log. */
let written = 0;
const happen = (count: number): Promise<unknown> =>
  live.database.transaction((tx) =>
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
/** Where the log ends now. */
async function cursor(): Promise<string> {
  await happen(1);
  const response = await fetch(live.url, {
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
/** Subscribes behind the cursor. */
async function follow(after: string): Promise<void> {
  await tab('Live');
  await page.locator('.graphiql-editor-tool .CodeMirror').first().click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText(JSON.stringify({ after }));
  await run();
}

test('signs in at the issuer, answers, follows 150 events and keeps 100 of them, signs out', async () => {
  await page.goto(home);
  await page.getByRole('button', { name: 'Sign in at Park ID' }).waitFor();
  expect(await body()).not.toMatch(/riverside/i);
  expect(await page.locator('.graphiql-container').count()).toBe(0);
  await picture('signed-out');

  await signIn();
  expect(page.url()).toBe(home);
  expect(await body()).toMatch(/anna\s*role operator\s*parks riverside\s*until \d/);
  await tab('ParkNow');
  await run();
  await expect.poll(answer).toContain('Riverside');
  await picture('signed-in');

  const after = await cursor();
  await follow(after);
  for (let i = 0; i < 15; i++) await happen(10);
  await expect.poll(async () => (await view()).received).toBe(150);
  const { shown, events } = await view();
  expect([shown, events.length]).toEqual([100, 100]);
  await picture('following');

  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are signed out here.').waitFor();
  expect(await body()).not.toMatch(/riverside/i);
  expect(await page.locator('.graphiql-container').count()).toBe(0);
  expect(await page.evaluate('JSON.stringify({ ...sessionStorage })')).toBe('{}');
  expect(await stored()).not.toMatch(/riverside/i);
  expect(complaints).toEqual([]);
  expect(asked.filter((url) => !url.startsWith(live.hub.url) && !url.startsWith(issuer.issuer))).toEqual([]);
});

test('keeps the token out of the address and of what the browser writes down, and uses the access token alone', async () => {
  await signIn();
  await tab('ParkNow');
  await run();
  await expect.poll(answer).toContain('Riverside');
  expect(await stored()).not.toMatch(/eyJ/);
  expect(asked.filter((url) => /eyJ/.test(url))).toEqual([]);
  const header = JSON.parse(Buffer.from((await held()).split('.')[0] ?? '', 'base64url').toString()) as { typ: string };
  expect(header.typ).toBe('at+jwt');
  await page.reload();
  await page.locator('.graphiql-execute-button').waitFor();
  expect(await body()).toContain('anna');
  // Another tab is another session.
  const other = await context.newPage();
  await other.goto(home);
  await other.getByRole('button', { name: 'Sign in at Park ID' }).waitFor();
});

test('the examples hold what the installation has, and say what to fill in', async () => {
  await signIn();
  await expect.poll(() => textOf('editor-tool')).toBe('{\n  "first": 10\n}');
  await tab('ParkNow');
  await expect.poll(() => textOf('editor-tool')).toBe('{\n  "id": "riverside"\n}');
  await tab('Company360');
  await expect.poll(() => textOf('editor-tool')).toContain('fill in: the credit code (USCC)');
  expect(await textOf('editor-tool')).toContain(new Date().toISOString().slice(0, 10));
});

test('the documentation and completion are there for who is signed in', async () => {
  await signIn();
  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  await page.getByText('A GraphQL schema provides a root type').waitFor();
  await page.getByRole('link', { name: 'Query', exact: true }).click();
  await page.getByText('All parks of this hub.').waitFor();
  await picture('documentation');
});

test('goes on by the refresh token: a subscription outlives the token that it began with, and loses nothing', async () => {
  issuer.lifetime = 8;
  await signIn();
  const first = await held();
  await follow(await cursor());
  const begin = written;
  await happen(3);
  await expect.poll(async () => (await view()).received).toBe(3);
  issuer.lifetime = 600;
  await expect.poll(held).not.toBe(first);
  const { exp } = JSON.parse(Buffer.from(first.split('.')[1] ?? '', 'base64url').toString()) as { exp: number };
  while (Date.now() < exp * 1_000 + 500) {
    await happen(1);
    await page.waitForTimeout(500);
  }
  await happen(3);
  await expect.poll(async () => (await view()).received).toBe(written - begin);
  expect(await page.getByRole('alert').count()).toBe(0);
});

test('a pasted token is taken as the hub takes it, and asks for queries and subscriptions', async () => {
  await page.goto(home);
  await paste(` Bearer ${await token('operator')}\n`);
  await page.locator('.graphiql-execute-button').waitFor();
  expect(await body()).toMatch(/demo:operator\s*role operator/);
  await follow(await cursor());
  await happen(2);
  await expect.poll(async () => (await view()).received).toBe(2);
  expect(await stored()).not.toMatch(/eyJ/);
  expect(page.url()).toBe(home);
});

test('a refused token shows what the hub says, and nothing else', async () => {
  await page.goto(home);
  await paste('rubbish');
  await page
    .getByText('The hub refuses the token: The authorization must be "Bearer <token>", a signed token.')
    .waitFor();
  await picture('refused');
  await paste(await token('operator', { seconds: -60 }));
  await page.getByText('The hub refuses the token: The token has expired.').waitFor();
  await paste('雪雪');
  await page.getByText('This is no token').waitFor();
  expect(await page.locator('.graphiql-container').count()).toBe(0);
  expect(await page.evaluate('JSON.stringify({ ...sessionStorage })')).toBe('{}');
});

test('when the token ends the page says so, keeps what was written, and goes on after another sign-in', async () => {
  await page.goto(home);
  await paste(await token('operator', { seconds: 10 }));
  await page.locator('.graphiql-execute-button').waitFor();
  await follow(await cursor());
  await happen(1);
  await expect.poll(async () => (await view()).received).toBe(1);
  await page.getByRole('alert').getByText('Your sign-in ended at').waitFor({ timeout: 15_000 });
  await expect.poll(async () => (await view()).ended?.message).toContain('Your sign-in ended at');
  expect((await view()).events).toHaveLength(1);
  await type('query Mine { parks { name } }');
  await run();
  await expect.poll(answer).toContain('Your sign-in ended at');
  expect(await answer()).not.toContain('stack');
  await picture('ended');
  await page.getByRole('button', { name: 'Sign in again' }).click();
  await paste(await token('operator'));
  await page.getByText(/^until/).waitFor();
  await run();
  await expect.poll(answer).toContain('Riverside');
});

test('says in plain words what went wrong at the issuer', async () => {
  await page.goto(home);
  await page.getByRole('button', { name: 'Sign in at Park ID' }).click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page
    .getByText('The sign-in was cancelled, or Park ID refused it. It says: “The user has cancelled.”')
    .waitFor();
  expect(page.url()).toBe(home);
  await picture('cancelled');

  await page.goto(`${home}?code=stolen&state=foreign&iss=${encodeURIComponent(issuer.issuer)}`);
  await page.getByText('This sign-in was not begun in this tab, or it is over.').waitFor();
  expect(page.url()).toBe(home);
  expect(await page.locator('.graphiql-container').count()).toBe(0);
});

test('a token of the issuer that the hub does not take is refused in the hub’s words', async () => {
  issuer.audience = 'https://other.example';
  await page.goto(home);
  await page.getByRole('button', { name: 'Sign in at Park ID' }).click();
  await page.getByLabel('Name').fill('anna');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText(/^The hub refuses the token: /).waitFor();
  expect(await page.locator('.graphiql-container').count()).toBe(0);
});

test('speaks Chinese where the browser does', async () => {
  await open({ locale: 'zh-CN' });
  await page.goto(home);
  await page.getByRole('button', { name: '通过 Park ID 登录' }).waitFor();
  await page.getByText('登录后即可查询本枢纽的数据。').waitFor();
  await picture('chinese');
});
