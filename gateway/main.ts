/** Wires the house and opens the door. */
import 'reflect-metadata';
import type { IncomingMessage } from 'node:http';
import type { Server as HeldPort } from 'node:net';
import { configurable } from '../connectors/index.ts';
import type { Principal } from '../connectors/kit/auth/principal.ts';
import { PRINCIPAL_HEADER, signPrincipal } from '../connectors/kit/auth/principal-token.ts';
import { systemClock } from '../connectors/kit/clock.ts';
import type { Config } from '../connectors/kit/config/config.ts';
import { outlineOf } from '../connectors/kit/config/config-digest.ts';
import { limitProcess, processUse } from '../connectors/kit/config/process-limits.ts';
import type { HostPace } from '../connectors/kit/config/sections/check-intervals.ts';
import type { Call, Clock } from '../connectors/kit/connector.ts';
import type { GuardPolicy } from '../connectors/kit/guard/guard.ts';
import type { SourceStatus } from '../connectors/kit/host/installation.ts';
import { loadKeys } from '../connectors/kit/host/services.ts';
import type { Log } from '../connectors/kit/log.ts';
import { TIME_HEADER } from '../connectors/kit/subgraph/subgraph-server.ts';
import { WebhookIntake } from '../connectors/kit/webhooks/webhook-intake.ts';
import { migrate } from '../migrations/migrate.ts';
import type { Database } from '../schema/database/database.ts';
import { headFolder, keyFile } from './data-folder.ts';
import { joinProcesses, keepConfigured, raiseDatabase, readiness } from './database.ts';
import { pageFolder } from './explorer/index.ts';
import { graphqlFace } from './http/apollo-server.ts';
import { makeExplorer } from './http/pages/explorer-routes.ts';
import { Origins } from './http/security/cors.ts';
import { isLocal } from './http/security/security-headers.ts';
import { listen } from './http/server.ts';
import { forwardWebhooks, type Webhooks } from './http/webhook-routing.ts';
import { streamFace } from './live/http-stream/http-stream.ts';
import { keepEvents } from './live/log-maintenance.ts';
import { Tail } from './live/log-tail.ts';
import { Bus } from './live/nats/nats-bus.ts';
import { Deliveries } from './live/subscription-registry.ts';
import { openSockets } from './live/websocket/websocket-server.ts';
import { Operations } from './operation/operations.ts';
import { Leftovers } from './ops/garbage-collection.ts';
import { startMetrics } from './ops/metrics.ts';
import { makeShutdown } from './ops/shutdown.ts';
import { planIslands } from './sources/composition-plan.ts';
import { RemoteSources } from './sources/remote-sources.ts';
import { type Change, Islands, type Swap } from './sources/source-registry.ts';
import { Audit } from './trust/audit/access-recorder.ts';
import { AuditLog } from './trust/audit/audit-log.ts';
import { keepAudit } from './trust/audit/audit-maintenance.ts';
import { UnreadBytes } from './trust/limits/unread-bytes.ts';
import { Consents } from './trust/rights/consents.ts';
import { signer } from './trust/signing/response-signature.ts';
import { loadSigningKey } from './trust/signing/signing-key.ts';
import { openDemoIssuer } from './trust/tokens/demo-issuer.ts';
import { anonymousPrincipal } from './trust/tokens/token-principal.ts';
import { makeTokens, trustedIssuers } from './trust/tokens/verify-token.ts';

export interface StartOptions {
  readonly config: Config;
  readonly host: string;
  readonly port: number;
  /** Folder of the embedded database. */
  readonly data: string;
  /** Null: the embedded PostgreSQL, or `cluster` of a test. */
  readonly databaseUrl: string | null;
  /** NATS between replicas; null or absent: each listens to the database. */
  readonly natsUrl?: string | null;
  readonly log: Log;
  readonly clock?: Clock;
  readonly pace?: Partial<HostPace>;
  readonly policy?: Partial<GuardPolicy>;
  /** File of the key that signs answers and the audit log; null or absent: one in `data`, made at first use. */
  readonly signingKey?: string | null;
  /** How long one operation may take, in milliseconds. */
  readonly operationTime?: number;
  /** How often an idle stream or socket is written to, in milliseconds; absent: `HEARTBEAT`. */
  readonly heartbeat?: number;
  /** Folder of the explorer's built page; absent: where the build puts it. */
  readonly explorerFolder?: string;
  /** The port, when it has been taken before. */
  readonly held?: HeldPort;
  /** Interrupts the start: it then rejects with the signal's reason, and nothing stays behind. */
  readonly signal?: AbortSignal;
  /** Told what the start is about to do: what is at work, and a few words. */
  readonly progress?: (what: string, text: string) => void;
  /** Connections to the database at most, besides the one that listens. */
  readonly pool?: number;
}

export interface Hub {
  readonly url: string;
  readonly operations: Operations;
  readonly database: Database;
  readonly islands: Islands;
  /**
   * Goes over to another configuration of parks, installations and subgraphs while everything runs. Rejects with `ChangeRefused`,
   * and nothing has changed then.
   */
  change(config: Config): Promise<Change>;
  /** Folder of the embedded database, wherever it had to be put; null: a database of the operator's own. */
  readonly records: string | null;
  sources(): SourceStatus[];
  /** Stops accepting, ends what is under way within 10 s, closes sockets with 1001, stops the database. */
  stop(): Promise<void>;
}

/** Brings the whole hub up. Rejects with an error whose message is a sentence for people; nothing stays behind then. */
export async function start(options: StartOptions): Promise<Hub> {
  const { config, log, signal, progress = () => undefined } = options;
  limitProcess(config.limits);
  const shutdown = makeShutdown(log);
  const unlessInterrupted = () => signal?.throwIfAborted();
  try {
    // An operation is silent for as long as it may take.
    const silence = 60_000 + (options.operationTime ?? config.deadline ?? 0);
    const origins = new Origins(config.origins);
    const http = await listen({ host: options.host, port: options.port, held: options.held, log, silence, origins });
    shutdown.add('the HTTP server', () => http.close(10_000));
    // Descriptions are read while the database starts.
    const planning = planIslands(config, log);
    planning.catch(() => undefined);
    const { database, records } = await raiseDatabase(options, shutdown);
    unlessInterrupted();
    const presence = await joinProcesses({ database, config, log }, (isRepeated) =>
      migrate(database.source, {
        signal,
        ...(isRepeated ? {} : { progress: (text) => progress('migrations', text) }),
      }),
    );
    shutdown.add('the presence on the database', () => presence.leave());
    unlessInterrupted();
    // A replica with the older file leaves what the newer one says of parks and sources.
    if (!presence.isBehind) await keepConfigured(database, config);
    const keys = await loadKeys(database);

    const plan = await planning;
    unlessInterrupted();
    progress('connectors', `opening ${config.installations.length} installations`);
    const islands = await Islands.raise(config, plan, {
      database,
      keys,
      log,
      headers: (name) => callHeaders(keys.principal, name),
      clock: options.clock,
      pace: options.pace,
      policy: options.policy,
      signal,
    });
    shutdown.add('the connectors', () => islands.close());
    unlessInterrupted();
    progress('hub', 'opening the audit log and the event log');
    const clock = options.clock ?? systemClock;
    const signingKey = loadSigningKey(keyFile({ data: options.data, signingKey: options.signingKey ?? null }));
    const heads = { folder: headFolder(options.data), second: config.audit.heads };
    const auditLog = await AuditLog.open({
      database,
      key: signingKey,
      digest: config.audit.digest,
      clock,
      log,
      heads,
    });
    const keeping = keepAudit({
      database,
      key: signingKey,
      heads,
      keep: (signed) => auditLog.keep(signed),
      clock,
      log,
      retention: config.audit.retention,
    });
    shutdown.add('the upkeep of the audit log', () => keeping.close());
    shutdown.add('the audit log', () => auditLog.close());
    const upkeep = keepEvents({ database, clock, log, retention: config.retention });
    shutdown.add('the upkeep of the event log', () => upkeep.close());
    unlessInterrupted();
    const consents = new Consents(database, clock);
    await consents.open();
    shutdown.add('the consents', () => consents.close());
    const { graph } = islands;
    const operations = new Operations({
      federation: graph.federation,
      policy: graph.policy,
      audit: new Audit(graph.watch, auditLog),
      limits: config.limits,
      introspection: 'roles',
      costs: graph.costs,
      consents,
      clock,
      sign: signer(signingKey, () => clock.now()),
      ...timeOf(options.operationTime ?? config.deadline),
    });

    unlessInterrupted();
    const tail = new Tail(database);
    await tail.open();
    shutdown.add('the event log', () => tail.close());
    if (options.natsUrl) {
      const bus = new Bus({ url: options.natsUrl, tail, database, key: keys.principal, log });
      bus.open();
      shutdown.add('the bus between replicas', () => bus.close());
    }
    const deliveries = new Deliveries({ operations, tail, log });
    const anonymous = anonymousPrincipal(config.anonymous);
    const demoIssuer = config.auth.demo ? await openDemoIssuer(options.data) : null;
    const issuers = [...trustedIssuers(config.auth), ...(demoIssuer ? [demoIssuer.trusted] : [])];
    const tokens = makeTokens(issuers, { clock, log });
    /** One way for every face: a token when there is one, else the anonymous role for callers of this machine. */
    const principal = async (request: IncomingMessage, params?: unknown): Promise<Principal | null> => {
      const signedIn = await tokens.caller(request, params);
      return signedIn ?? (isLocal(request) && origins.allows(request) ? anonymous : null);
    };
    // Whether a caller may introspect is asked by the operation.
    const face = await graphqlFace(operations, { introspection: true });
    const remote = new RemoteSources({ database, config: () => islands.config, log, pace: options.pace, clock });
    remote.start();
    shutdown.add('the looks at connectors in other processes', () => remote.close());
    const sources = () => {
      const own = islands.hosts().flatMap((host) => (host.name === 'hub' ? [] : host.sources()));
      // A connector that cannot be made yet is looked after here, wherever it is to run.
      const known = new Set(own.map((one) => one.id));
      return [...own, ...remote.statuses().filter((one) => !known.has(one.id))];
    };
    const unread = new UnreadBytes(config.limits);
    const beat = options.heartbeat === undefined ? {} : { heartbeat: options.heartbeat };
    const sockets = openSockets({
      unread,
      server: http.server,
      path: '/graphql',
      operations,
      deliveries,
      log,
      principal,
      originAllowed: (request) => origins.allows(request),
      ...beat,
    });
    const streams = streamFace({ operations, deliveries, unread, log, ...beat });
    const intake = new WebhookIntake(config.limits);
    const metrics = startMetrics({
      sockets: sockets.count,
      position: () => tail.head,
      sources,
      limits: () => ({ ...processUse(), webhooks: intake.places, webhookBytes: intake.bytes, unreadBytes: unread }),
    });
    shutdown.add('the metrics', async () => metrics.close());
    shutdown.add('the GraphQL face', () => face.stop());
    // Before anything that they need is closed, requests under way are answered.
    shutdown.add('the requests under way', () => http.close(10_000));
    shutdown.add('the streams', async () => streams.close());
    shutdown.add('the sockets', () => sockets.close());

    const target: Webhooks = (installation) => {
      const at = islands.at(installation);
      if (at === null) return null;
      return 'host' in at ? at.host.webhookTarget(installation) : forwardWebhooks(at.url, installation);
    };
    const folder = config.explorer.on ? (options.explorerFolder ?? pageFolder()) : null;
    const explorer = folder && makeExplorer({ folder, clients: config.explorer.clients, principal });
    http.open({
      graphql: face,
      webhooks: target,
      intake,
      unread,
      ...(explorer ? { explorer } : {}),
      ready: () => readiness(database, sources(), presence.note),
      metrics: () => metrics.text(),
      stream: streams.open,
      ...(demoIssuer ? { keys: demoIssuer.jwks } : {}),
      signingKeys: { keys: [signingKey.publicJwk] },
      turns: operations,
      overdrawn: (who) => operations.overdrawn(who),
      principal,
    });
    unlessInterrupted();
    database.settle();
    const leftovers = new Leftovers();
    shutdown.add('what changes left behind', async () => leftovers.close());
    const swap: Swap = {
      // What is tried again without another file is not written over a newer one.
      ready: async (wanted) => {
        if (wanted !== islands.config || !presence.isBehind) await keepConfigured(database, wanted);
      },
      replace: async ({ watch, ...next }) => {
        await operations.replace({ ...next, audit: new Audit(watch, auditLog) });
        leftovers.soon();
      },
    };
    islands.retry(swap);
    return {
      url: `http://${shownHost(options.host)}:${http.port}`,
      operations,
      database,
      islands,
      records,
      sources,
      change: async (next) => {
        const change = await islands.change(next, swap);
        await presence.change(outlineOf(next, configurable));
        // A host that has closed by now may have written its row in between.
        await keepConfigured(database, next);
        return origins.replace(next.origins) ? { ...change, changed: [...change.changed, 'origins'] } : change;
      },
      stop: () => shutdown.run(),
    };
  } catch (error) {
    await shutdown.run();
    throw signal?.aborted ? signal.reason : error;
  }
}

/** Who asks and how much time is left, for a connector's own process. */
const callHeaders =
  (key: Buffer, subgraph: string) =>
  (call: Call, body: string): Record<string, string> => ({
    [PRINCIPAL_HEADER]: signPrincipal(call.principal, { key, subgraph, body, now: systemClock.now().getTime() }),
    [TIME_HEADER]: String(Math.max(call.deadline - systemClock.monotonic(), 1)),
  });

const shownHost = (host: string): string =>
  host === '127.0.0.1' || host === '::1' ? 'localhost' : host.includes(':') ? `[${host}]` : host;

const timeOf = (time: number | null): { time?: number } => (time === null ? {} : { time });
