/**
 * The suite that proves every connector. Checks are numbered, so that a report can name them. A connector's test calls
 * `conformance({...})` with its simulator and a few lines on how to ask it.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AnyConnector, Subgraph, SubgraphResponse, WebhookRequest } from '../connector.ts';
import { Host } from '../host/host.ts';
import { serveHost } from '../host/serve.ts';
import { hubCall, loadKeys } from '../host/services.ts';
import { makeLog } from '../log.ts';
import { PRINCIPAL_HEADER, signPrincipal } from '../passport.ts';
import type { Principal } from '../principal.ts';
import type { Setting } from '../settings.ts';
import { freshDatabase } from './database.ts';
import { inflowChecks, type WaysIn } from './inflow.ts';
import { demoPark, installationOf } from './island.ts';
import { type World, world } from './park.ts';
import type { Running, Simulator } from './simulator.ts';

/** What a connector's test tells the suite. */
export interface ConformanceOptions extends WaysIn {
  readonly connector: AnyConnector;
  readonly simulator: Simulator;
  /** Folder of the connector: `import.meta.dirname`. */
  readonly folder: string;
  /** Settings of one installation, from what the simulator said of itself; as they stand in isthmus.yaml. */
  settings(running: Running, world: World): Record<string, unknown>;
  /** Settings that point at `address` (host:port of a server of the suite) instead of the simulator. */
  settingsAt(address: { host: string; port: number }, running: Running, world: World): Record<string, unknown>;
  /** Jobs to run before questions are asked (mirrors), by name, in order. */
  readonly prepare?: readonly string[];
  /** C3: a question that the simulator can answer, and a check of the answer's data. */
  readonly question: (world: World) => {
    query: string;
    variables?: Record<string, unknown>;
    check(data: Record<string, unknown>): void;
  };
  /** C4: `_entities` of this connector, keys in order with one unknown among them, and how many source calls they may cost. */
  readonly batch: (world: World) => {
    representations: readonly Record<string, unknown>[];
    selection: string;
    unknown: number;
    /** How the unknown one shows. */
    isUnknown(entity: Record<string, unknown> | null): boolean;
    calls: number;
  };
  /** C5-C8: a live question, or the name of the job for connectors that only mirror. */
  readonly live: { question: string; variables?(world: World): Record<string, unknown> } | { job: string };
  /** C7: what a server must say so that the connector reads nonsense; raw bytes per connection, or HTTP when a text. `field` must stand in the log. */
  readonly nonsense: { serve(socket: Socket): void; field: RegExp };
  /** C8: what a server must say so that the connector is refused. */
  readonly refusal: { serve(socket: Socket): void };
  /** C9: absent where the legacy system makes no calls. */
  readonly webhook?: (
    running: Running,
    world: World,
  ) => { genuine: WebhookRequest; forged: WebhookRequest; events: number };
  /** C10: job whose second run must change nothing, and the tables' text to compare (SQL giving rows). */
  readonly twice?: { job: string; state: string };
  /** C12: from the bytes of `<case>.in.*` to what stands in `<case>.out.json`. */
  readonly fixture: (name: string, bytes: Buffer) => unknown;
}

const PARK = demoPark(world());

export function conformance(options: ConformanceOptions): void {
  const { connector } = options;
  describe(`${connector.name} keeps the contract`, () => {
    const demo = world();
    const lines: string[] = [];
    const log = makeLog((line) => lines.push(line), 'debug');
    const directory = mkdtempSync(join(tmpdir(), `isthmus-${connector.name}-`));
    let running: Running;
    let database: Awaited<ReturnType<typeof freshDatabase>>;
    let keys: Awaited<ReturnType<typeof loadKeys>>;
    let host: Host;

    // A job needs a lease of its own beside the first host's; a question may name records by the first host's id.
    const trapId = 'job' in options.live ? 'trap' : 'test';
    const raise = async (raw: Record<string, unknown>, id = 'test', extra: { jobs?: boolean } = {}) => {
      return Host.raise({
        connector,
        installations: [installationOf(connector, id, raw)],
        parks: [PARK],
        database,
        keys,
        log,
        pace: { checkUp: 300, checkDown: 200, checkTime: 1_500, heartbeat: 500 },
        policy: { timeout: 1_000, retries: 1 },
        keep: false,
        ...extra,
      });
    };
    const ask = (
      subgraph: Pick<Subgraph, 'execute'>,
      query: string,
      variables: Record<string, unknown> = {},
      time = 10_000,
    ) =>
      subgraph.execute({
        query,
        variables,
        call: { ...hubCall(time, AbortSignal.timeout(time + 5_000)), principal: everything },
      });
    const askLive = async (at: Host, time = 10_000): Promise<string[]> => {
      if ('job' in options.live) {
        const job = options.live.job;
        return at.runJob(trapId, job).then(
          () => [],
          (error: { code?: string }) => [error.code ?? String(error)],
        );
      }
      const variables = options.live.variables?.(demo) ?? {};
      return codes(await ask(at.subgraph, options.live.question, variables, time));
    };
    const trapped = async (serve: (socket: Socket) => void, work: (at: Host) => Promise<void>) => {
      const trap = await listenTrap(serve);
      const at = await raise(options.settingsAt(trap.address, running, demo), trapId, { jobs: 'job' in options.live });
      try {
        await work(at);
      } finally {
        await at.close();
        await trap.close();
      }
    };

    beforeAll(async () => {
      database = await freshDatabase();
      keys = await loadKeys(database);
      running = await options.simulator.start({
        directory,
        world: demo,
        now: () => new Date(),
        history: 3 * 86_400_000,
        live: false,
      });
      host = await raise(options.settings(running, demo));
      for (const job of options.prepare ?? []) await host.runJob('test', job);
    }, 120_000);

    afterAll(async () => {
      await host?.close();
      await running?.close();
      await database?.drop();
      rmSync(directory, { recursive: true, force: true });
    }, 60_000);

    test('C1 name, folder and settings section agree', () => {
      expect(connector.settings.section).toBe(connector.name);
      expect(options.folder.replaceAll('\\', '/').endsWith(`/${connector.name}`)).toBe(true);
      expect(options.simulator.name).toBe(connector.name);
    });

    test('C2 every setting is described, secrets are marked', () => {
      const fields = Object.entries(connector.settings.fields as Record<string, Setting<unknown>>);
      expect(fields.length).toBeGreaterThan(0);
      for (const [name, one] of fields) {
        expect(one.purpose.length, name).toBeGreaterThan(10);
        if (/password|secret|token|privateKey/i.test(name)) expect(one.secret, name).toBe(true);
      }
    });

    test('C3 opens against its simulator, answers, closes twice, leaves no timer or socket', async () => {
      expect((await host.check('test'))?.state).not.toBe('DOWN');
      const question = options.question(demo);
      const answer = await ask(host.subgraph, question.query, question.variables);
      expect(answer.errors ?? []).toEqual([]);
      question.check(answer.data as Record<string, unknown>);
      // What the process does besides may open a socket meanwhile; what is left behind is left behind each time.
      let left = 0;
      for (let times = 0; times < 3; times++) {
        const before = resources();
        const second = await raise(options.settings(running, demo), 'second', { jobs: false });
        await second.check('second');
        await second.close();
        await second.close();
        await settled(() => resources() <= before);
        left = resources() - before;
        if (left <= 0) break;
      }
      expect(left).toBeLessThanOrEqual(0);
    });

    test('C4 N keys make one source call, in order, unknown ones null', async () => {
      const batch = options.batch(demo);
      const { sourceCalls } = await import('../host/channels.ts');
      let calls = 0;
      const count = (fact: unknown) => {
        const { source, operation } = fact as { source: string; operation: string };
        if (source === 'test' && operation !== 'check' && !operation.startsWith('poll')) calls++;
      };
      sourceCalls.subscribe(count);
      try {
        const answer = await ask(
          host.subgraph,
          `query ($r: [_Any!]!) { _entities(representations: $r) { ${batch.selection} } }`,
          { r: batch.representations },
        );
        expect(answer.errors ?? []).toEqual([]);
        const entities = (answer.data as { _entities: (Record<string, unknown> | null)[] })._entities;
        expect(entities.length).toBe(batch.representations.length);
        entities.forEach((entity, i) => {
          expect(batch.isUnknown(entity), `entity ${i}`).toBe(i === batch.unknown);
          for (const [name, value] of Object.entries(batch.representations[i] ?? {})) {
            if (name !== '__typename' && entity && name in entity) expect(entity[name]).toBe(value);
          }
        });
        expect(calls).toBe(batch.calls);
      } finally {
        sourceCalls.unsubscribe(count);
      }
    });

    test('C5 slow: SOURCE_TIMEOUT within its time', async () => {
      await trapped(
        () => undefined,
        async (at) => {
          const started = performance.now();
          expect(await askLive(at, 2_500)).toContain('SOURCE_TIMEOUT');
          expect(performance.now() - started).toBeLessThan(6_000);
        },
      );
    }, 20_000);

    test('C6 down: SOURCE_UNAVAILABLE, one log line, recovery, one log line', async () => {
      const gate = await listenGate(running, options.settings(running, demo));
      const at = await raise(options.settingsAt(gate.address, running, demo), trapId, { jobs: 'job' in options.live });
      try {
        await settled(() => at.sources()[0]?.state !== 'DOWN', 8_000);
        expect(at.sources()[0]?.state).not.toBe('DOWN');
        lines.length = 0;
        await gate.shut();
        expect(await askLive(at)).toContain('SOURCE_UNAVAILABLE');
        await settled(() => at.sources()[0]?.state === 'DOWN', 8_000);
        await askLive(at);
        await gate.open();
        await settled(() => at.sources()[0]?.state === 'UP', 15_000);
        const told = lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
        expect(told.filter((line) => line.startsWith(`The source ${trapId} is down`))).toHaveLength(1);
        expect(told.filter((line) => line.startsWith(`The source ${trapId} is up`))).toHaveLength(1);
      } finally {
        await at.close();
        await gate.close();
      }
    }, 60_000);

    test('C7 nonsense: SOURCE_MALFORMED, naming the field', async () => {
      await trapped(options.nonsense.serve, async (at) => {
        const { sourceCalls } = await import('../host/channels.ts');
        let seen = '';
        const listen = (fact: unknown) => {
          seen += JSON.stringify(fact);
        };
        sourceCalls.subscribe(listen);
        try {
          expect(await askLive(at)).toContain('SOURCE_MALFORMED');
        } finally {
          sourceCalls.unsubscribe(listen);
        }
        expect(seen).toMatch(options.nonsense.field);
      });
    }, 20_000);

    test('C8 refused: SOURCE_REJECTED, not retried', async () => {
      let connections = 0;
      await trapped(
        (socket) => {
          connections++;
          options.refusal.serve(socket);
        },
        async (at) => {
          const { sourceCalls } = await import('../host/channels.ts');
          const refused = new Map<string, number>();
          const listen = (fact: unknown) => {
            const { code, operation } = fact as { code: string | null; operation: string };
            if (code === 'SOURCE_REJECTED' && operation !== 'check')
              refused.set(operation, (refused.get(operation) ?? 0) + 1);
          };
          sourceCalls.subscribe(listen);
          try {
            expect(await askLive(at)).toContain('SOURCE_REJECTED');
          } finally {
            sourceCalls.unsubscribe(listen);
          }
          expect([...refused.values()].every((times) => times <= 2)).toBe(true);
          expect(connections).toBeGreaterThan(0);
        },
      );
    }, 20_000);

    const { webhook, twice } = options;
    if (webhook)
      test('C9 a forged webhook is refused, the same event twice is one row', async () => {
        const hook = webhook(running, demo);
        const count = async () => Number((await database.plain.query('SELECT count(*) FROM event'))[0].count);
        const before = await count();
        const forged = await host.webhook('test', hook.forged);
        expect(forged?.status).toBe(401);
        expect(await count()).toBe(before);
        const first = await host.webhook('test', hook.genuine);
        const second = await host.webhook('test', hook.genuine);
        expect([first?.status, second?.status].every((status) => (status ?? 0) >= 200 && (status ?? 0) < 300)).toBe(
          true,
        );
        expect(await count()).toBe(before + hook.events);
      });

    if (twice)
      test('C10 a job run twice leaves one state', async () => {
        const { job, state } = twice;
        await host.runJob('test', job);
        const first = JSON.stringify(await database.plain.query(state));
        await host.runJob('test', job);
        expect(JSON.stringify(await database.plain.query(state))).toBe(first);
      });

    test('C11 embedded and served give the same SDL and the same answer', async () => {
      const served = await serveHost(host, { port: 0, log });
      const far = distantSubgraph(served.url, { key: keys.principal, subgraph: host.name });
      try {
        const question = options.question(demo);
        const sdl = await ask(far, '{ _service { sdl } }');
        expect((sdl.data as { _service: { sdl: string } })._service.sdl).toBe(host.subgraph.sdl);
        const near = await ask(host.subgraph, question.query, question.variables);
        const distant = await ask(far, question.query, question.variables);
        expect(steady(distant)).toEqual(steady(near));
        const direct = await request(`${served.url}/graphql`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(question),
        });
        expect(direct.statusCode).toBe(401);
        await direct.body.dump();
      } finally {
        await served.close();
      }
    });

    const fixtures = join(options.folder, 'fixtures');
    const cases = existsSync(fixtures) ? readdirSync(fixtures).filter((file) => file.includes('.in.')) : [];
    test('C12 there are recorded pairs', () => expect(cases.length).toBeGreaterThanOrEqual(2));
    test.each(cases)('C12 %s maps to its pair', (file) => {
      const name = file.slice(0, file.indexOf('.in.'));
      const wanted = JSON.parse(readFileSync(join(fixtures, `${name}.out.json`), 'utf8')) as unknown;
      const made = options.fixture(name, readFileSync(join(fixtures, file)));
      expect(JSON.parse(JSON.stringify(made))).toEqual(wanted);
    });

    inflowChecks(options, () => ({
      ...{ running, world: demo, directory, host, database },
      raw: options.settings(running, demo),
    }));

    test('C13 no secret appears in any log line or error', () => {
      const raw = options.settings(running, demo);
      for (const [name, one] of Object.entries(connector.settings.fields as Record<string, Setting<unknown>>)) {
        const value = raw[name];
        if (!one.secret || typeof value !== 'string') continue;
        const hidden = /^[a-z]+:\/\//.test(value) ? decodeURIComponent(new URL(value).password) : value;
        if (hidden.length < 6) continue;
        for (const line of lines) expect(line).not.toContain(hidden);
      }
    });
  });
}

/** A caller that holds every scope, so that the suite sees all fields. */
const everything: Principal = {
  subject: 'conformance',
  client: 'conformance',
  roles: ['test'],
  scopes: new Set(
    'access:read access:log access:persons access:names parking:read parking:plates permits:write registration:file registration:representatives tax:read tax:file'.split(
      ' ',
    ),
  ),
  parks: null,
  companies: null,
  purpose: null,
  consents: new Set(['tax']),
  expires: null,
};

/** The served subgraph, asked by plain HTTP. */
function distantSubgraph(url: string, way: { key: Buffer; subgraph: string }): Pick<Subgraph, 'execute'> {
  return {
    execute: async ({ query, variables, call }) => {
      const body = JSON.stringify({ query, variables });
      const answer = await request(`${url}/graphql`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          [PRINCIPAL_HEADER]: signPrincipal(call.principal, { ...way, body, now: Date.now() }),
        },
        body,
      });
      return (await answer.body.json()) as SubgraphResponse;
    },
  };
}

const codes = (answer: SubgraphResponse): string[] =>
  (answer.errors ?? []).map((error) => String(error.extensions?.['code'] ?? error.message));

/** Answers without what time moves. */
const steady = (answer: SubgraphResponse): unknown =>
  JSON.parse(JSON.stringify(answer.data), (name, value) =>
    ['age', 'fetchedAt', 'provenance'].includes(name) ? undefined : value,
  );

/** Open timers, sockets and servers of this process. */
function resources(): number {
  return process
    .getActiveResourcesInfo()
    .filter((one) => /TCPSocketWrap|TCPServerWrap|FSReqPromise|Pipe(Server)?Wrap$/.test(one)).length;
}

async function settled(test: () => boolean, time = 3_000): Promise<void> {
  const until = Date.now() + time;
  while (!test() && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 25));
}

interface Trap {
  readonly address: { host: string; port: number };
  close(): Promise<void>;
}

/** A server that does with each connection what the test says. */
async function listenTrap(serve: (socket: Socket) => void, port = 0): Promise<Trap & { server: Server }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const bound = (server.address() as { port: number }).port;
  return {
    server,
    address: { host: '127.0.0.1', port: bound },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** A gate before the simulator that can be shut and opened again. */
async function listenGate(running: Running, raw: Record<string, unknown>) {
  const { connect } = await import('node:net');
  const port = targetPort(running, raw);
  const pass = (socket: Socket) => {
    const onward = connect(port, '127.0.0.1');
    onward.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.on('close', () => onward.destroy());
    socket.pipe(onward).pipe(socket);
  };
  let trap: Trap | null = await listenTrap(pass);
  const { address } = trap;
  return {
    address,
    shut: async () => {
      await trap?.close();
      trap = null;
    },
    open: async () => {
      trap ??= await listenTrap(pass, address.port);
    },
    close: async () => trap?.close(),
  };
}

/** The port that the settings point at. */
function targetPort(running: Running, raw: Record<string, unknown>): number {
  for (const value of Object.values(raw)) {
    if (typeof value !== 'string') continue;
    const port = /^[a-z0-9+]+:\/\/[^/]*:(\d+)/.exec(value)?.[1];
    if (port) return Number(port);
  }
  const first = Object.values<number>(running.ports)[0];
  if (first === undefined) throw new Error('The simulator names no port.');
  return first;
}
