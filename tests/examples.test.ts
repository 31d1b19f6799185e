/** Runs each program of examples/ unchanged against a hub and compares its output with the hub's data. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildSchema, parse, validate } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../schema/database/embedded/free-port.ts';
import { appendTestEvents, loggedEventIds } from './bare-hub.ts';
import { type OnboardingTest, startOnboardingTest } from './onboarding.ts';
import { runCommand } from './run-command.ts';
import { isthmusArgs } from './run-isthmus.ts';
import { startTestHub, type TestHub, waitFor } from './test-hub.ts';

const ROOT = join(import.meta.dirname, '..');
const EXAMPLES = join(ROOT, 'examples');
const api = buildSchema(readFileSync(join(ROOT, 'schema', 'api.graphql'), 'utf8'), { assumeValidSDL: true });

/** The interpreter, null when there is none of at least 3.8. */
const python = ((): string | null => {
  try {
    const version = execFileSync('python3', ['-c', 'import sys; print(sys.version_info >= (3, 8))'], {
      encoding: 'utf8',
    });
    return version.trim() === 'True' ? 'python3' : null;
  } catch {
    return null;
  }
})();

interface Started {
  readonly child: ChildProcess;
  out: string;
  err: string;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | string | null>;
}
const children: ChildProcess[] = [];

/** Starts a program in the clone, with nothing of this process's environment but PATH and HOME. */
function begin(program: string, args: readonly string[], variables: Record<string, string> = {}): Started {
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const started: Started = {
    child,
    out: '',
    err: '',
    ended: new Promise((resolve) => child.once('close', (code, signal) => resolve(signal ?? code))),
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    started.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    started.err += text;
  });
  return started;
}

/** Runs a program until it exits. */
async function run(program: string, args: readonly string[], variables: Record<string, string> = {}) {
  const started = begin(program, args, variables);
  const code = await started.ended;
  return { code, out: started.out, err: started.err };
}
const node = (file: string, variables?: Record<string, string>) =>
  run(process.execPath, [`examples/${file}`], variables);

/** Event ids of the log, starting with that one. Sources may append at any time. */
async function logFrom(id: string): Promise<string[]> {
  const all = await loggedEventIds(testHub.hub.database);
  return all.slice(all.indexOf(id));
}
const ids = (text: string): string[] => text.match(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g) ?? [];

let testHub: TestHub;
let pagePort: number;
let hub: { ISTHMUS_URL: string };
let companies: { uscc: string; name: string }[] = [];

beforeAll(async () => {
  pagePort = await freePort();
  testHub = await startTestHub('embedded', {
    quiet: true,
    settings: (text) => `${text}\norigins: ["http://localhost:${pagePort}"]\n`,
  });
  hub = { ISTHMUS_URL: testHub.url };
  await waitFor('every source answers', 120, async () => {
    const { data } = await testHub.query('{ sources { state } }');
    return data.sources.every((source: { state: string }) => source.state === 'UP');
  });
  await waitFor('the companies are known by name', 60, async () => {
    const { data } = await testHub.query('{ companies(first: 50) { nodes { uscc name } } }');
    companies = data.companies.nodes;
    return companies.length === 40 && companies.every((company) => company.name);
  });
}, 180_000);
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await testHub?.close();
}, 60_000);

/** A token of the demo issuer, from the command that examples/README.md shows. */
async function tokenOf(...options: string[]): Promise<string> {
  const { code, out } = await runCommand(['token', ...options], testHub.directory, { ISTHMUS_DATA: testHub.data });
  expect(code).toBe(0);
  return out.trim();
}

test('examples/README.md lists exactly the programs', () => {
  const readme = readFileSync(join(EXAMPLES, 'README.md'), 'utf8');
  const files = readdirSync(EXAMPLES, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /\.(mjs|py|sh)$/.test(file),
  );
  // ask.sh is the second step of own-source and has no row of its own.
  const commands = [...readme.matchAll(/`(?:node|python3|sh) examples\/(\S+?)(?: FOLDER)?`/g)].map((match) => match[1]);
  expect([...commands, 'own-source/query.sh'].sort()).toEqual(files.sort());
  for (const [, link = ''] of readme.matchAll(/\]\(([\w./-]+)\)/g))
    expect(() => readFileSync(join(EXAMPLES, link)), link).not.toThrow();
});

test('every program names its command in its header and reads the address of the hub from ISTHMUS_URL', () => {
  for (const file of readdirSync(EXAMPLES, { recursive: true, encoding: 'utf8' })) {
    if (!/\.(mjs|py|sh|html)$/.test(file)) continue;
    const text = readFileSync(join(EXAMPLES, file), 'utf8');
    const head = text.split('\n').slice(0, 16).join('\n');
    expect(head, file).toMatch(/(node|python3|sh) examples\/[\w./-]+/);
    if (file.endsWith('onboard.sh')) continue;
    expect(text, file).toContain('http://localhost:4000');
    expect(text, file).toContain('ISTHMUS_URL');
  }
});

describe('node-client/query.mjs', () => {
  test('prints each value with its source', async () => {
    const { code, out, err } = await node('node-client/query.mjs', hub);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const lines = out.trim().split('\n');
    const rows = lines.map((line) => /^(\S+) = (.*) {2}\[(.*)\]$/.exec(line)?.slice(1) ?? [line]);
    const value = (path: string) => rows.find(([one]) => one === path)?.[1];
    for (const [i, company] of companies.slice(0, 3).entries()) {
      expect(value(`companies.nodes.${i}.uscc`)).toBe(company.uscc);
      expect(value(`companies.nodes.${i}.name`)).toBe(company.name);
    }
    expect(value('companies.nodes.3.uscc')).toBeUndefined();
    const { data } = await testHub.query(
      '{ companies(first: 3) { nodes { registration { legalName } presence { peopleInside } } } }',
    );
    for (const [i, { registration, presence }] of data.companies.nodes.entries()) {
      expect(value(`companies.nodes.${i}.registration.legalName`)).toBe(registration.legalName);
      expect(value(`companies.nodes.${i}.presence.peopleInside`)).toBe(String(presence.peopleInside));
    }
    for (const [path, , proof] of rows) {
      if (path?.includes('registration')) expect(proof).toMatch(/^lakeside-register, fetched \d{4}-\S+Z/);
      if (path?.includes('presence')) expect(proof).toMatch(/^lakeside-access, fetched \d{4}-\S+Z/);
    }
  });

  test('sends the token: a company sees only itself', async () => {
    const own = companies.at(-1) as { uscc: string; name: string };
    const token = await tokenOf('--role', 'company', '--company', own.uscc);
    const { code, out } = await node('node-client/query.mjs', { ...hub, ISTHMUS_TOKEN: token });
    expect(code).toBe(0);
    expect(out).toContain(`companies.nodes.0.uscc = ${own.uscc}`);
    expect(out).not.toContain('companies.nodes.1.');
  });

  test('reports in one line that the hub rejects the request or is unreachable, and exits with 1', async () => {
    const refused = await node('node-client/query.mjs', { ...hub, ISTHMUS_TOKEN: 'no token' });
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toMatch(/^UNAUTHENTICATED: .+\n$/);
    const port = await freePort();
    const absent = await node('node-client/query.mjs', { ISTHMUS_URL: `http://127.0.0.1:${port}` });
    expect(absent).toEqual({
      code: 1,
      out: '',
      err: `Cannot reach http://127.0.0.1:${port}: ECONNREFUSED. Is the hub running?\n`,
    });
  });
});

describe('node-client/subscribe.mjs', () => {
  const subscribe = (variables: Record<string, string>, ...cursor: string[]) =>
    begin(process.execPath, ['examples/node-client/subscribe.mjs', ...cursor], variables);
  /** Writes events until the program has printed one. */
  const connected = (started: Started, name: string) => {
    let n = 0;
    return waitFor(`${name} prints an event`, 30, async () => {
      await appendTestEvents(testHub.hub.database, [`${name} ${n++}`]);
      return ids(started.out).length > 0;
    });
  };

  /** The first printed ids, once the last wanted one has been printed. */
  const printed = async (started: Started, wanted: readonly string[]) => {
    await waitFor('the newest event is printed', 40, () => ids(started.out).includes(wanted.at(-1) as string));
    return ids(started.out).slice(0, wanted.length);
  };

  test('prints every event once and in order across a restart of the hub, and resumes after the printed cursor', async () => {
    const started = subscribe(hub);
    await connected(started, 'subscribe');
    const [first = ''] = ids(started.out);
    await testHub.restart(async () => {
      await waitFor('the disconnect is reported', 20, () => started.err.includes('No connection'));
    });
    await appendTestEvents(testHub.hub.database, ['later 1', 'later 2', 'later 3']);
    const wanted = await logFrom(first);
    expect(await printed(started, wanted)).toEqual(wanted);
    expect(started.out).toMatch(/^\d{4}-\S+Z OCCUPANCY_CHANGED [0-9a-f-]{36}$/m);

    started.child.kill('SIGINT');
    expect(await started.ended).toBe(0);
    const cursor = /^Resume with: node examples\/node-client\/subscribe\.mjs (\S+)$/m.exec(started.err)?.[1] ?? '';
    expect(cursor).not.toBe('');
    const last = ids(started.out).at(-1) ?? '';
    await appendTestEvents(testHub.hub.database, ['between 1', 'between 2']);
    const behind = (await logFrom(last)).slice(1);
    const again = subscribe(hub, cursor);
    expect(await printed(again, behind)).toEqual(behind);
    again.child.kill('SIGINT');
    expect(await again.ended).toBe(0);
  }, 120_000);

  test('sends the token, and exits with 1 when the hub rejects the token or the cursor', async () => {
    const token = await tokenOf('--role', 'operator', '--park', 'lakeside');
    const allowed = subscribe({ ...hub, ISTHMUS_TOKEN: token });
    await connected(allowed, 'operator');
    allowed.child.kill('SIGINT');
    const refused = subscribe({ ...hub, ISTHMUS_TOKEN: 'no token' });
    expect(await refused.ended).toBe(1);
    expect(refused.err).toMatch(/^4403: /);
    const forged = subscribe(hub, 'forged');
    expect(await forged.ended).toBe(1);
    expect(forged.err).toMatch(/^CURSOR_INVALID: /);
  }, 60_000);
});

describe('browser/index.html', () => {
  const html = readFileSync(join(EXAMPLES, 'browser', 'index.html'), 'utf8');
  const script = /<script type="module">([\s\S]*?)<\/script>/.exec(html)?.[1] ?? '';

  test('loads no external resources, uses ids that exist, and its subscription is valid', () => {
    expect(html).toMatch(/^<!doctype html>/);
    expect(html).toContain('<html lang="en">');
    expect(html).not.toMatch(/<(?:script|link|img)[^>]+(?:src|href)=|\bimport\b[^;]*['"]/);
    const declared = [...html.matchAll(/ id="(\w+)"/g)].map((match) => match[1]);
    const used = [...script.matchAll(/element\('(\w+)'\)/g)].map((match) => match[1]);
    expect(new Set(declared).size).toBe(declared.length);
    expect(used.filter((id) => !declared.includes(id))).toEqual([]);
    const query = /const query = `([^`]+)`/.exec(script)?.[1] ?? '';
    expect(validate(api, parse(query)).map((one) => one.message)).toEqual([]);
  });

  test('is served with the address of the hub; shows events and resumes after the last one', async () => {
    const server = begin(process.execPath, ['examples/browser/serve.mjs'], { ...hub, PAGE_PORT: String(pagePort) });
    await waitFor('the page is served', 20, () => server.out.includes(`http://localhost:${pagePort} shows`));
    const served = await fetch(`http://localhost:${pagePort}/`);
    expect(served.headers.get('content-type')).toContain('text/html');
    expect(await served.text()).toContain(`<input id="url" type="url" value="${testHub.url}"`);

    const page = pretendPage(script, testHub.url, `http://localhost:${pagePort}`);
    page.submit();
    let n = 0;
    await waitFor('an event is shown', 30, async () => {
      await appendTestEvents(testHub.hub.database, [`page ${n++}`]);
      return page.items().length > 0;
    });
    expect(page.items()[0]).toMatch(/^\d{4}-\S+Z OCCUPANCY_CHANGED .*Lakeside/);
    expect(page.state()).toBe('Connected.');
    const first = page.ids().at(-1) ?? '';
    page.breakConnection();
    await appendTestEvents(testHub.hub.database, ['page missed 1', 'page missed 2']);
    const wanted = await logFrom(first);
    await waitFor('the missed events', 20, () => page.ids().includes(wanted.at(-1) as string));
    // The newest is on top.
    expect(page.ids().reverse().slice(0, wanted.length)).toEqual(wanted);
    expect(page.requests.at(-1)).toHaveProperty('last-event-id');
    page.stop();
  }, 90_000);

  test('shows why the hub rejects a page of an unlisted origin', async () => {
    const page = pretendPage(script, testHub.url, 'http://localhost:1');
    page.submit();
    await waitFor('the rejection is shown', 20, () => /origin/i.test(page.state()));
    expect(page.items()).toEqual([]);
    page.stop();
  });
});

/** Runs the page's script with fakes of the DOM elements that it uses. */
function pretendPage(script: string, url: string, origin: string) {
  const items: { id: string; textContent: string; remove(): void }[] = [];
  const list = {
    children: items,
    prepend: (item: (typeof items)[number]) => items.unshift(item),
    get lastElementChild() {
      return items.at(-1);
    },
  };
  let submit = (_: { preventDefault(): void }): unknown => undefined;
  const state = { textContent: '' };
  const elements: Record<string, unknown> = {
    ...{ url: { value: url }, token: { value: '' }, state, events: list },
    connect: {
      addEventListener: (_: string, listener: typeof submit) => {
        submit = listener;
      },
    },
  };
  const document = {
    getElementById: (id: string) => elements[id],
    createElement: () => ({ id: '', textContent: '', remove: () => items.pop() }),
  };
  const requests: Record<string, string>[] = [];
  let breaker = new AbortController();
  let isStopped = false;
  const fetchOfPage = (address: string, options: RequestInit) => {
    const headers = options.headers as Record<string, string>;
    requests.push(headers);
    breaker = new AbortController();
    // Once stopped, nothing is sent: the script waits forever.
    if (isStopped) return new Promise<Response>(() => undefined);
    const signal = AbortSignal.any([breaker.signal, options.signal as AbortSignal]);
    return fetch(address, { ...options, signal, headers: { ...headers, origin } });
  };
  new Function('document', 'fetch', script)(document, fetchOfPage);
  return {
    requests,
    submit: () => submit({ preventDefault: () => undefined }),
    state: () => state.textContent,
    items: () => items.map((item) => item.textContent),
    ids: () => items.map((item) => item.id),
    breakConnection: () => breaker.abort(),
    stop: () => {
      isStopped = true;
      breaker.abort();
    },
  };
}

describe('python/query.py', () => {
  if (!python) console.warn('Skipped examples/python/query.py: python3 3.8 or newer is not installed.');
  const query = (variables: Record<string, string>) => run(python ?? '', ['examples/python/query.py'], variables);

  test.skipIf(!python)(
    'writes all companies as CSV with source and age',
    async () => {
      const { code, out, err } = await query(hub);
      expect({ code, err }).toEqual({ code: 0, err: '' });
      const [head, ...rows] = out
        .trim()
        .split('\r\n')
        .map((line) => line.split(','));
      expect(head).toEqual(['uscc', 'name', 'people_inside', 'source', 'age', 'stale']);
      expect(rows.map(([uscc, name]) => ({ uscc, name }))).toEqual(companies);
      for (const [, , inside, source, age, stale] of rows) {
        expect([inside, source, stale]).toEqual([expect.stringMatching(/^\d+$/), 'lakeside-access', 'False']);
        expect(age).toMatch(/^P/);
      }
    },
    60_000,
  );

  test.skipIf(!python)(
    'reports in one line that the hub rejects the request or is unreachable, and exits with 1',
    async () => {
      const refused = await query({ ...hub, ISTHMUS_TOKEN: 'no token' });
      expect(refused).toMatchObject({ code: 1, out: '' });
      expect(refused.err).toMatch(/^UNAUTHENTICATED: .+\n$/);
      const absent = await query({ ISTHMUS_URL: `http://127.0.0.1:${await freePort()}` });
      expect(absent).toMatchObject({ code: 1, out: '' });
      expect(absent.err).toMatch(/^Cannot reach http:.+ Is the hub running\?\n$/);
    },
  );
});

describe('curl/queries.sh', () => {
  test('sends five queries, each answered without errors', async () => {
    const { code, out, err } = await run('sh', ['examples/curl/queries.sh'], hub);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const parts = out.split(/^# .*\n/m).slice(1);
    expect(out.match(/^# /gm)).toHaveLength(5);
    const answers = parts.map((part) => JSON.parse(part));
    expect(answers.flatMap((answer) => answer.errors ?? [])).toEqual([]);
    const [sources, two, lots, proven, events] = answers;
    expect(sources.data.sources.map((source: { id: string }) => source.id)).toContain('lakeside-parking');
    expect(two.data.companies.nodes.map((node: { name: string }) => node.name)).toEqual(
      companies.slice(0, 2).map((company) => company.name),
    );
    expect(lots.data.park.lots.length).toBeGreaterThan(0);
    for (const lot of lots.data.park.lots) expect(lot.provenance.source).toBe('lakeside-parking');
    expect(proven.extensions.provenance.map((one: { source: string }) => one.source)).toContain('lakeside-parking');
    expect(events.data.events.nodes).toHaveLength(3);
  });

  test('sends the token, shows the response of a hub that rejects it, and exits with the code of curl', async () => {
    const refused = await run('sh', ['examples/curl/queries.sh'], { ...hub, ISTHMUS_TOKEN: 'no token' });
    expect(refused.code).toBe(22);
    expect(refused.out).toContain('UNAUTHENTICATED');
    const token = await tokenOf('--role', 'operator', '--park', 'lakeside');
    expect((await run('sh', ['examples/curl/queries.sh'], { ...hub, ISTHMUS_TOKEN: token })).code).toBe(0);
  });
});

describe('own-source', () => {
  let park: OnboardingTest;
  beforeAll(async () => {
    park = await startOnboardingTest();
    // The example creates its own file.
    rmSync(park.file);
  });
  afterAll(async () => {
    await park?.close();
  }, 30_000);

  test('onboard.sh connects the sample file, and query.sh reads its rows through their building', async () => {
    const isthmus = [process.execPath, ...isthmusArgs()].join(' ');
    const onboarded = await run('sh', ['examples/own-source/onboard.sh', park.directory], { ISTHMUS: isthmus });
    expect({ code: onboarded.code, err: onboarded.err }).toEqual({ code: 0, err: '' });
    expect(onboarded.out).toContain('0 breaking changes');
    expect(onboarded.out).toContain(`start --config "${park.directory}/isthmus.yaml"`);
    const again = await run('sh', ['examples/own-source/onboard.sh', park.directory], { ISTHMUS: isthmus });
    expect(again).toMatchObject({
      code: 1,
      err: `${park.directory}/isthmus.yaml already exists. Name a new folder.\n`,
    });

    const { url } = await park.start();
    const answer = await waitFor('the rows are in the graph', 30, async () => {
      const { out } = await run('sh', ['examples/own-source/query.sh'], { ISTHMUS_URL: url });
      const parsed = JSON.parse(out);
      return parsed.data?.building?.leases?.nodes?.length > 0 ? parsed : null;
    });
    expect(answer.errors).toBeUndefined();
    const { name, leases } = answer.data.building;
    expect([name, leases.totalCount]).toEqual(['Research', 3]);
    expect(leases.nodes[0]).toMatchObject({ leaseNo: 'L-101', rent: '52.50', begins: '2026-03-01' });
    expect(leases.nodes[0].provenance).toMatchObject({ source: 'lakeside-leases', stale: false });
  }, 120_000);

  test('onboard.sh without a folder prints its usage', async () => {
    expect(await run('sh', ['examples/own-source/onboard.sh'])).toEqual({
      code: 1,
      out: '',
      err: 'Name a new folder: sh examples/own-source/onboard.sh FOLDER\n',
    });
  });
});
