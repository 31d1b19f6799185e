/** Pages of another origin in a real browser, through nginx configured as in docs/nginx.md, against a complete hub. */
import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDemoIssuer } from '../../gateway/trust/tokens/demo-issuer.ts';
import { appendTestEvents } from '../bare-hub.ts';
import { startTestHub, type TestHub, waitFor } from '../test-hub.ts';
import { type Hub, MUTATION, QUERY, SUBSCRIPTION } from './clients/client.ts';
import type { ClientName, PageApi } from './clients/page.ts';
import { documentedNginx, type Nginx } from './nginx.ts';

const CLIENTS: readonly ClientName[] = [
  'apolloMultipart',
  'apolloSocket',
  'urqlFetch',
  'urqlSocket',
  'urqlSse',
  'relaySocket',
  'relaySse',
  'graphqlRequest',
];
const ROOT = join(import.meta.dirname, '..', '..');

let testHub: TestHub;
let nginx: Nginx;
let browser: Browser;
let context: BrowserContext;
let listed: Origin;
let unlisted: Origin;
let hub: Hub;
let inputs: (id: string) => Record<string, unknown>;

interface Origin {
  readonly origin: string;
  readonly server: Server;
}
/** Serves the client program and the page of docs/events.md from a separate origin. */
async function serve(program: string): Promise<Origin> {
  const server = createServer((request, response) => {
    const [type, body] =
      request.url === '/page.js'
        ? ['text/javascript', program]
        : request.url === '/events'
          ? ['text/html', example()]
          : ['text/html', '<!doctype html><script type="module" src="/page.js"></script>'];
    response.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, origin: `http://127.0.0.1:${(server.address() as { port: number }).port}` };
}

/** The page of docs/events.md with the address of the hub. */
function example(): string {
  const page = readFileSync(join(ROOT, 'docs', 'events.md'), 'utf8');
  const html = /^```html\n([\s\S]*?)^```/m.exec(page)?.[1] ?? '';
  if (html.split('https://hub.example/graphql').length !== 2)
    throw new Error('docs/events.md contains no HTML example with https://hub.example/graphql.');
  return html.replace('https://hub.example/graphql', hub.url);
}

beforeAll(async () => {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, 'clients', 'page.ts')],
    bundle: true,
    format: 'esm',
    write: false,
    define: { 'process.env.NODE_ENV': '"production"' },
  });
  const program = outputFiles[0]?.text ?? '';
  [listed, unlisted] = [await serve(program), await serve(program)];
  testHub = await startTestHub('embedded', { settings: (text) => `${text}\norigins: [${listed.origin}]\n` });
  nginx = await documentedNginx(new URL(testHub.url).port);
  const issuer = await openDemoIssuer(testHub.data);
  const token = await issuer.sign({ role: 'operator', parks: ['lakeside'], seconds: 3_600 });
  const url = `${nginx.url}/graphql`;
  hub = { url, socketUrl: url.replace('https', 'wss'), token };
  const vehicle = testHub.world.vehicles[0];
  const lot = await waitFor('a car park', 60, async () => {
    const { data } = await testHub.query('{ park(id: "lakeside") { lots { id } } }', {}, { token });
    return data?.park?.lots?.[0]?.id as string | undefined;
  });
  inputs = (id) => ({
    clientMutationId: id,
    lot,
    plate: vehicle?.plate,
    colour: 'BLUE',
    uscc: vehicle?.company,
    validFrom: '2026-01-01T00:00:00Z',
  });
  const executablePath = process.env['ISTHMUS_CHROMIUM'] ?? '/usr/bin/chromium';
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  context = await browser.newContext({ ignoreHTTPSErrors: true });
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await nginx?.stop();
  await testHub?.close();
  for (const one of [listed, unlisted]) {
    one?.server.closeAllConnections();
    await new Promise((resolve) => (one ? one.server.close(resolve) : resolve(null)));
  }
});

/** Opens the page of an origin and waits until its program is loaded. */
async function open({ origin }: Origin): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`${origin}/`);
  await page.waitForFunction(() => 'api' in globalThis);
  return page;
}
/** Appends events and returns their ids. */
async function appendAndGetIds(...foreignIds: string[]): Promise<string[]> {
  const { database } = testHub.hub;
  const { added } = await appendTestEvents(database, foreignIds);
  const positions = added.map((one) => String(one.position));
  const rows: { id: string }[] = await database.plain.query(
    'SELECT id FROM event WHERE position = ANY($1::bigint[]) ORDER BY position',
    [positions],
  );
  return rows.map((row) => row.id);
}
type WithApi = typeof globalThis & { api: PageApi };
const receivedIds = (page: Page, name: ClientName): Promise<string[]> =>
  page.evaluate((one) => (globalThis as WithApi).api.heard[one] ?? [], name);
const errorOf = (page: Page, name: ClientName): Promise<string | null> =>
  page.evaluate((one) => (globalThis as WithApi).api.failed[one] ?? null, name);

describe('from a listed origin', () => {
  let page: Page;
  beforeAll(async () => {
    page = await open(listed);
  });

  test.each(CLIENTS)('%s queries', async (name) => {
    const data = await page.evaluate(([one, at]) => (globalThis as WithApi).api.query(one, at), [name, hub] as const);
    expect(data).toMatchObject({ parks: [{ id: 'lakeside' }] });
  });

  test.each(CLIENTS)('%s mutates', async (name) => {
    const data = await page.evaluate(([one, at, input]) => (globalThis as WithApi).api.mutate(one, at, input), [
      name,
      hub,
      inputs(`browser ${name}`),
    ] as const);
    expect(data).toMatchObject({ grantParkingPermit: { permit: { state: 'ACTIVE' } } });
  });

  test('all clients with subscriptions receive the same events', async () => {
    const can = await page.evaluate(
      ([names, at]) => names.filter((name) => (globalThis as WithApi).api.subscribe(name, at)),
      [CLIENTS, hub] as const,
    );
    expect(can).toEqual(CLIENTS.filter((one) => one !== 'graphqlRequest'));
    let n = 0;
    for (const name of can)
      await waitFor(`${name} receives an event`, 60, async () => {
        expect(await errorOf(page, name)).toBeNull();
        await appendTestEvents(testHub.hub.database, [`warm ${n++}`]);
        return (await receivedIds(page, name)).length > 0;
      });
    const wanted: string[] = [];
    for (let i = 0; i < 5; i++) wanted.push(...(await appendAndGetIds(`same ${i}`)));
    expect(wanted).toHaveLength(5);
    for (const name of can)
      await waitFor(`${name} receives all events`, 60, async () => {
        const ids = await receivedIds(page, name);
        return ids.filter((id) => wanted.includes(id)).join() === wanted.join();
      });
  });

  test('the page of docs/events.md shows events, also after a disconnect', async () => {
    const own = await context.newPage();
    await own.goto(`${listed.origin}/events`);
    await own.locator('#token').fill(hub.token);
    await own.locator('#token').blur();
    const ids = () => own.locator('#events li').evaluateAll((all) => all.map((one) => one.id));
    let n = 0;
    await waitFor('the first event', 60, async () => {
      await appendTestEvents(testHub.hub.database, [`page ${n++}`]);
      return (await ids()).length > 0;
    });
    await nginx.restart();
    const wanted = [...(await appendAndGetIds('missed 1')), ...(await appendAndGetIds('missed 2', 'missed 3'))];
    await waitFor('what was missed', 60, async () => {
      const all = await ids();
      expect(new Set(all).size).toBe(all.length);
      return all.filter((id) => wanted.includes(id)).join() === wanted.join();
    });
    await own.close();
  });
});

describe('from an unlisted origin', () => {
  let page: Page;
  beforeAll(async () => {
    page = await open(unlisted);
  });

  test.each(CLIENTS)('%s gets nothing', async (name) => {
    const outcome = await page.evaluate(
      async ([one, at, input]) => {
        const { api } = globalThis as WithApi;
        const settle = (work: Promise<unknown>) => work.then(JSON.stringify, () => 'failed');
        return [await settle(api.query(one, at)), await settle(api.mutate(one, at, input))];
      },
      [name, hub, inputs(`foreign ${name}`)] as const,
    );
    expect(outcome).toEqual(['failed', 'failed']);
    const can = await page.evaluate(([one, at]) => (globalThis as WithApi).api.subscribe(one, at), [
      name,
      hub,
    ] as const);
    if (can) await waitFor('an error', 60, () => errorOf(page, name));
    expect(await receivedIds(page, name)).toEqual([]);
  });

  test('no mutation was executed', async () => {
    const count = async (ids: string): Promise<number> => {
      const rows: unknown[] = await testHub.hub.database.plain.query(
        'SELECT 1 FROM mutation WHERE client_mutation_id LIKE $1',
        [ids],
      );
      return rows.length;
    };
    expect([await count('foreign %'), await count('browser %')]).toEqual([0, CLIENTS.length]);
  });
});

describe('curl', () => {
  const run = promisify(execFile);
  const curlArgs = (query: string, variables: object = {}) => [
    '-sk',
    hub.url,
    '-H',
    'content-type: application/json',
    '-H',
    `authorization: Bearer ${hub.token}`,
    '-d',
    JSON.stringify({ query, variables }),
  ];

  test('queries and mutates', async () => {
    expect(JSON.parse((await run('curl', curlArgs(QUERY))).stdout).data.parks[0].id).toBe('lakeside');
    const { stdout } = await run('curl', curlArgs(MUTATION, { input: inputs('curl') }));
    expect(JSON.parse(stdout).data.grantParkingPermit.permit.state).toBe('ACTIVE');
  });

  test.each([
    ['text/event-stream', /^data: \{"data":\{"events".*"id":"/m],
    ['multipart/mixed;subscriptionSpec=1.0', /\{"payload":\{"data":\{"events".*"id":"/],
  ])('subscribes by %s', async (accept, wanted) => {
    const child = spawn('curl', ['-N', '-H', `accept: ${accept}`, ...curlArgs(SUBSCRIPTION)], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      output += part;
    });
    let n = 0;
    try {
      await waitFor('an event', 60, async () => {
        await appendTestEvents(testHub.hub.database, [`curl ${accept} ${n++}`]);
        return wanted.test(output);
      });
    } finally {
      child.kill();
    }
  });
});
