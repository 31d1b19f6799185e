/** Checks C1 to C4 and C9 to C13 of the conformance suite. C5 to C8: conformance-faults.ts, C14: conformance-ingest.ts. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { expect, test } from 'vitest';
import type { Database } from '../../../../schema/database/database.ts';
import { PRINCIPAL_HEADER, signPrincipal } from '../../auth/principal-token.ts';
import type { Subgraph, SubgraphResponse } from '../../call.ts';
import { DEFAULT_LIMITS } from '../../config/sections/limits.ts';
import type { Setting } from '../../config/settings.ts';
import type { AnyConnector, WebhookRequest } from '../../connector.ts';
import type { Host, HostOptions } from '../../host/host.ts';
import type { Log } from '../../log.ts';
import { sourceCallChannel } from '../../monitoring/diagnostics-channels.ts';
import { serveSubgraph } from '../../subgraph/subgraph-server.ts';
import { WebhookIntake } from '../../webhooks/webhook-intake.ts';
import type { World } from '../park/index.ts';
import type { RunningSimulator, Simulator } from '../simulator.ts';
import { timerLedger } from '../timer-ledger.ts';
import { NO_PERIODIC_CHECKS, waitUntil } from './conformance-faults.ts';

/** What a connector's test gives to the checks C1 to C4 and C9 to C13. */
export interface ConformanceContract {
  readonly connector: AnyConnector;
  readonly simulator: Simulator;
  /** Folder of the connector: `import.meta.dirname`. */
  readonly folder: string;
  /** Settings of one installation as in isthmus.yaml, for the started simulator. */
  settings(running: RunningSimulator, world: World): Record<string, unknown>;
  /** Names of jobs to run before the first query (mirrors), in order. */
  readonly prepare?: readonly string[];
  /** C3: a query that the simulator's data can answer, and a check of the response data. */
  readonly sampleQuery: (world: World) => {
    query: string;
    variables?: Record<string, unknown>;
    check(data: Record<string, unknown>): void;
  };
  /** C4: representations for `_entities`, one of them unknown, and the number of source calls that they may need. */
  readonly batch: (world: World) => {
    representations: readonly Record<string, unknown>[];
    selection: string;
    /** Index of the unknown one. */
    unknown: number;
    isUnknown(entity: Record<string, unknown> | null): boolean;
    calls: number;
  };
  /** C5 to C8: a query that calls the source, or the name of a job for connectors that only mirror. */
  readonly live: { query: string; variables?(world: World): Record<string, unknown> } | { job: string };
  /** C9: absent if the legacy system sends no webhooks. */
  readonly webhook?: (
    running: RunningSimulator,
    world: World,
  ) => { genuine: WebhookRequest; forged: WebhookRequest; events: number };
  /** C10: a job whose second run must change nothing, and SQL that returns the rows to compare. */
  readonly idempotentJob?: { job: string; state: string };
  /** C12: maps the bytes of `<case>.in.*` to the content of `<case>.out.json`. */
  readonly fixture: (name: string, bytes: Buffer) => unknown;
}

/** What the suite gives to the checks. */
export interface CheckContext {
  readonly world: World;
  readonly log: Log;
  readonly logLines: readonly string[];
  /** Throws until the suite's `beforeAll` has run. */
  started(): {
    readonly running: RunningSimulator;
    readonly database: Database;
    readonly host: Host;
    readonly principalKey: Buffer;
  };
  startHost(
    raw: Record<string, unknown>,
    id: string,
    options: Pick<HostOptions, 'runJobs' | 'intervals'>,
  ): Promise<Host>;
  /** Executes a query with all scopes. */
  execute(
    subgraph: Pick<Subgraph, 'execute'>,
    query: string,
    variables?: Record<string, unknown>,
  ): Promise<SubgraphResponse>;
}

/** C1 and C2. */
export function defineDeclarationChecks({ connector, folder, simulator }: ConformanceContract): void {
  test('C1 name, folder and settings section agree', () => {
    expect(connector.settings.section).toBe(connector.name);
    expect(folder.replaceAll('\\', '/').endsWith(`/${connector.name}`)).toBe(true);
    expect(simulator.name).toBe(connector.name);
  });

  test('C2 every setting has a description, and secrets are marked', () => {
    const fields = Object.entries(settingFields(connector));
    expect(fields.length).toBeGreaterThan(0);
    for (const [name, setting] of fields) {
      expect(setting.description.length, name).toBeGreaterThan(10);
      if (/password|secret|token|privateKey/i.test(name)) expect(setting.secret, name).toBe(true);
    }
  });
}

/** C3 and C4. */
export function defineQueryChecks(contract: ConformanceContract, context: CheckContext): void {
  const { execute, startHost, started, world } = context;

  test('C3 opens against its simulator, answers, closes twice, leaves no timer or socket', async () => {
    const { host, running } = started();
    expect((await host.check('test'))?.state).not.toBe('DOWN');
    const sample = contract.sampleQuery(world);
    const response = await execute(host.subgraph, sample.query, sample.variables);
    expect(response.errors ?? []).toEqual([]);
    sample.check(response.data as Record<string, unknown>);
    // Other work of the process may open a socket meanwhile; a leak of the connector appears in every attempt.
    const left = { sockets: 0, timers: [] as string[] };
    for (let attempt = 0; attempt < 3; attempt++) {
      const before = countOpenSockets();
      const timers = timerLedger();
      await timers.run(async () => {
        // Without periodic checks, any timer that is still active is a leak.
        const options = { runJobs: false, intervals: NO_PERIODIC_CHECKS };
        const second = await startHost(contract.settings(running, world), 'second', options);
        await second.check('second');
        await execute(second.subgraph, sample.query, sample.variables);
        await second.close();
        await second.close();
      });
      await waitUntil(() => countOpenSockets() <= before && timers.running().length === 0);
      timers.stop();
      left.sockets = Math.max(countOpenSockets() - before, 0);
      left.timers = timers.running();
      if (left.sockets === 0 && left.timers.length === 0) break;
    }
    expect(left).toEqual({ sockets: 0, timers: [] });
  });

  test('C4 N keys make one source call, in order, unknown ones null', async () => {
    const batch = contract.batch(world);
    let calls = 0;
    const count = (event: unknown) => {
      const { source, operation } = event as { source: string; operation: string };
      if (source === 'test' && operation !== 'check' && !operation.startsWith('poll')) calls++;
    };
    sourceCallChannel.subscribe(count);
    try {
      const response = await execute(
        started().host.subgraph,
        `query ($r: [_Any!]!) { _entities(representations: $r) { ${batch.selection} } }`,
        { r: batch.representations },
      );
      expect(response.errors ?? []).toEqual([]);
      const entities = (response.data as { _entities: (Record<string, unknown> | null)[] })._entities;
      expect(entities.length).toBe(batch.representations.length);
      entities.forEach((entity, i) => {
        expect(batch.isUnknown(entity), `entity ${i}`).toBe(i === batch.unknown);
        for (const [name, value] of Object.entries(batch.representations[i] ?? {})) {
          if (name !== '__typename' && entity && name in entity) expect(entity[name]).toBe(value);
        }
      });
      expect(calls).toBe(batch.calls);
    } finally {
      sourceCallChannel.unsubscribe(count);
    }
  });
}

/** C9 and C10, where they apply. */
export function defineDeliveryChecks({ webhook, idempotentJob }: ConformanceContract, context: CheckContext): void {
  const { started, world } = context;

  if (webhook)
    test('C9 rejects a forged webhook, rejects an unsigned one without reading it, stores a repeated event once', async () => {
      const { database, host, running } = started();
      const { genuine, forged, events } = webhook(running, world);
      const target = host.webhookTarget('test');
      const needs = target && 'requirements' in target ? target.requirements : undefined;
      const admit = (headers: WebhookRequest['headers']) =>
        new WebhookIntake(DEFAULT_LIMITS).admit({ method: genuine.method, headers }, 'test', { requirements: needs });
      expect(admit({})).toMatchObject({ status: 401 });
      expect(admit(genuine.headers)).not.toHaveProperty('status');
      const count = async () => Number((await database.plain.query('SELECT count(*) FROM event'))[0].count);
      const before = await count();
      expect((await host.handleWebhook('test', forged))?.status).toBe(401);
      expect(await count()).toBe(before);
      for (let delivery = 0; delivery < 2; delivery++) {
        const status = (await host.handleWebhook('test', genuine))?.status ?? 0;
        expect(status >= 200 && status < 300).toBe(true);
      }
      expect(await count()).toBe(before + events);
    });

  if (idempotentJob)
    test('C10 a second run of a job changes nothing', async () => {
      const { database, host } = started();
      const { job, state } = idempotentJob;
      await host.runJob('test', job);
      const first = JSON.stringify(await database.plain.query(state));
      await host.runJob('test', job);
      expect(JSON.stringify(await database.plain.query(state))).toBe(first);
    });
}

/** C11. */
export function defineServingCheck(contract: ConformanceContract, context: CheckContext): void {
  const { execute, log, started, world } = context;

  test('C11 in process and over HTTP it gives the same SDL and the same response', async () => {
    const { host, principalKey } = started();
    const served = await serveSubgraph(host, { port: 0, log });
    const remote = remoteSubgraph(served.url, { key: principalKey, subgraph: host.name });
    try {
      const sample = contract.sampleQuery(world);
      const sdl = await execute(remote, '{ _service { sdl } }');
      expect((sdl.data as { _service: { sdl: string } })._service.sdl).toBe(host.subgraph.sdl);
      const local = await execute(host.subgraph, sample.query, sample.variables);
      const overHttp = await execute(remote, sample.query, sample.variables);
      expect(withoutTimes(overHttp)).toEqual(withoutTimes(local));
      const unsigned = await request(`${served.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(sample),
      });
      expect(unsigned.statusCode).toBe(401);
      await unsigned.body.dump();
    } finally {
      await served.close();
    }
  });
}

/** C12. */
export function defineFixtureChecks({ fixture, folder }: ConformanceContract): void {
  const fixtures = join(folder, 'fixtures');
  const cases = existsSync(fixtures) ? readdirSync(fixtures).filter((file) => file.includes('.in.')) : [];

  test('C12 there are at least two fixtures', () => expect(cases.length).toBeGreaterThanOrEqual(2));

  test.each(cases)('C12 maps %s to its expected output', (file) => {
    const name = file.slice(0, file.indexOf('.in.'));
    const expected = JSON.parse(readFileSync(join(fixtures, `${name}.out.json`), 'utf8')) as unknown;
    const mapped = fixture(name, readFileSync(join(fixtures, file)));
    expect(JSON.parse(JSON.stringify(mapped))).toEqual(expected);
  });
}

/** C13. Defined last, so that it covers the log lines of all other checks. */
export function defineSecretsCheck(contract: ConformanceContract, context: CheckContext): void {
  test('C13 no secret appears in any log line or error', () => {
    const raw = contract.settings(context.started().running, context.world);
    for (const [name, setting] of Object.entries(settingFields(contract.connector))) {
      const value = raw[name];
      if (!setting.secret || typeof value !== 'string') continue;
      const secret = /^[a-z]+:\/\//.test(value) ? decodeURIComponent(new URL(value).password) : value;
      if (secret.length < 6) continue;
      for (const line of context.logLines) expect(line).not.toContain(secret);
    }
  });
}

const settingFields = (connector: AnyConnector): Record<string, Setting<unknown>> =>
  connector.settings.fields as Record<string, Setting<unknown>>;

/** The subgraph served at that URL. */
function remoteSubgraph(url: string, signing: { key: Buffer; subgraph: string }): Pick<Subgraph, 'execute'> {
  return {
    execute: async ({ query, variables, call }) => {
      const body = JSON.stringify({ query, variables });
      const response = await request(`${url}/graphql`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          [PRINCIPAL_HEADER]: signPrincipal(call.principal, { ...signing, body, now: Date.now() }),
        },
        body,
      });
      return (await response.body.json()) as SubgraphResponse;
    },
  };
}

/** The response data without values that change with time. */
const withoutTimes = (response: SubgraphResponse): unknown =>
  JSON.parse(JSON.stringify(response.data), (name, value) =>
    ['age', 'fetchedAt', 'provenance'].includes(name) ? undefined : value,
  );

/** Number of open sockets and servers of this process. */
function countOpenSockets(): number {
  return process
    .getActiveResourcesInfo()
    .filter((resource) => /TCPSocketWrap|TCPServerWrap|FSReqPromise|Pipe(Server)?Wrap$/.test(resource)).length;
}
