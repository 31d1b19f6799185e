/**
 * The suite that proves every connector. Checks are numbered, so that a report can name them. A connector's test calls
 * `conformance({...})` with its simulator and a few lines on how to ask it.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Principal } from '../../auth/principal.ts';
import { PRINCIPAL_HEADER, signPrincipal } from '../../auth/principal-token.ts';
import type { HostPace } from '../../config/sections/check-intervals.ts';
import { DEFAULT_LIMITS } from '../../config/sections/limits.ts';
import type { Setting } from '../../config/settings.ts';
import type { AnyConnector, Subgraph, SubgraphResponse, WebhookRequest } from '../../connector.ts';
import { Host } from '../../host/host.ts';
import { hubCall, loadKeys } from '../../host/services.ts';
import { makeLog } from '../../log.ts';
import { serveHost } from '../../subgraph/subgraph-server.ts';
import { WebhookIntake } from '../../webhooks/webhook-intake.ts';
import { type World, world } from '../park/index.ts';
import type { Running, Simulator } from '../simulator.ts';
import { freshDatabase } from '../test-database.ts';
import { demoPark, installationOf } from '../test-installation.ts';
import { timerLedger } from '../timer-ledger.ts';
import { type AtAddress, faultChecks, type OnThisMachine, STILL, settled } from './conformance-faults.ts';
import { inflowChecks, type WaysIn } from './conformance-ingest.ts';

/** What a connector's test tells the suite. */
export type ConformanceOptions = Contract & (AtAddress | OnThisMachine);

interface Contract extends WaysIn {
  readonly connector: AnyConnector;
  readonly simulator: Simulator;
  /** Folder of the connector: `import.meta.dirname`. */
  readonly folder: string;
  /** Settings of one installation, from what the simulator said of itself; as they stand in isthmus.yaml. */
  settings(running: Running, world: World): Record<string, unknown>;
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
    const raise = async (
      raw: Record<string, unknown>,
      id = 'test',
      { pace, ...extra }: { jobs?: boolean; pace?: Partial<HostPace> } = {},
    ) => {
      return Host.raise({
        connector,
        installations: [installationOf(connector, id, raw)],
        parks: [PARK],
        database,
        keys,
        log,
        pace: { checkUp: 300, checkDown: 200, checkTime: 1_500, heartbeat: 500, ...pace },
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
      const left = { sockets: 0, timers: [] as string[] };
      for (let times = 0; times < 3; times++) {
        const before = resources();
        const timers = timerLedger();
        await timers.run(async () => {
          // No check falls due by itself: a timer that is left behind stays.
          const second = await raise(options.settings(running, demo), 'second', { jobs: false, pace: STILL });
          await second.check('second');
          await ask(second.subgraph, question.query, question.variables);
          await second.close();
          await second.close();
        });
        await settled(() => resources() <= before && timers.running().length === 0);
        timers.stop();
        left.sockets = Math.max(resources() - before, 0);
        left.timers = timers.running();
        if (left.sockets === 0 && left.timers.length === 0) break;
      }
      expect(left).toEqual({ sockets: 0, timers: [] });
    });

    test('C4 N keys make one source call, in order, unknown ones null', async () => {
      const batch = options.batch(demo);
      const { sourceCalls } = await import('../../monitoring/diagnostics-channels.ts');
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

    faultChecks(options, { raise, askLive, lines, id: trapId, world: demo, running: () => running });

    const { webhook, twice } = options;
    if (webhook)
      test('C9 a forged webhook is refused, one without its signature is not even read, the same event twice is one row', async () => {
        const hook = webhook(running, demo);
        const target = host.webhookTarget('test');
        const needs = target && 'needs' in target ? target.needs : undefined;
        const head = (headers: WebhookRequest['headers']) =>
          new WebhookIntake(DEFAULT_LIMITS).admit({ method: hook.genuine.method, headers }, 'test', { needs });
        expect(head({})).toMatchObject({ status: 401 });
        expect(head(hook.genuine.headers)).not.toHaveProperty('status');
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

/** Open sockets and servers of this process. */
function resources(): number {
  return process
    .getActiveResourcesInfo()
    .filter((one) => /TCPSocketWrap|TCPServerWrap|FSReqPromise|Pipe(Server)?Wrap$/.test(one)).length;
}
