/** Starts the hub: opens its database, sources and audit log, and serves the graph. */
import 'reflect-metadata';
import type { IncomingMessage } from 'node:http';
import type { Server as NetServer } from 'node:net';
import { configurable } from '../connectors/index.ts';
import type { Principal } from '../connectors/kit/auth/principal.ts';
import { type Clock, systemClock } from '../connectors/kit/clock.ts';
import type { Config } from '../connectors/kit/config/config.ts';
import { hashConfig } from '../connectors/kit/config/config-digest.ts';
import { applyProcessLimits, processLimitUsage } from '../connectors/kit/config/process-limits.ts';
import type { CheckIntervals } from '../connectors/kit/config/sections/check-intervals.ts';
import type { GuardPolicy } from '../connectors/kit/config/sections/guard.ts';
import type { SourceStatus } from '../connectors/kit/host/installation.ts';
import { loadKeys } from '../connectors/kit/host/services.ts';
import type { Log } from '../connectors/kit/log.ts';
import { WebhookIntake } from '../connectors/kit/webhooks/webhook-intake.ts';
import { migrate } from '../migrations/migrate.ts';
import type { Database } from '../schema/database/database.ts';
import type { EmbeddedCluster } from '../schema/database/embedded/embedded-postgres.ts';
import * as hubDatabase from './database.ts';
import { pageFolder } from './explorer/index.ts';
import { startApolloHandler } from './http/apollo-server.ts';
import { createExplorerRoutes } from './http/pages/explorer-routes.ts';
import { CorsPolicy } from './http/security/cors.ts';
import { isLoopbackRequest } from './http/security/origin-check.ts';
import { listen } from './http/server.ts';
import { webhookRouter } from './http/webhook-routing.ts';
import { createHttpStreams } from './live/http-stream/http-stream.ts';
import { LogTail } from './live/log-tail.ts';
import { SubscriptionRegistry } from './live/subscription-registry.ts';
import { openWebSockets } from './live/websocket/websocket-server.ts';
import { Operations } from './operation/operations.ts';
import { GarbageCollection } from './ops/garbage-collection.ts';
import { startMetrics } from './ops/metrics.ts';
import { createShutdown } from './ops/shutdown.ts';
import { callHeaders } from './sources/call-headers.ts';
import { planComposition } from './sources/composition-plan.ts';
import { RemoteSources } from './sources/remote-sources.ts';
import { type ConfigChange, SourceRegistry, type SwapHooks } from './sources/source-registry.ts';
import { AccessRecorder } from './trust/audit/access-recorder.ts';
import { UnreadBytes } from './trust/limits/unread-bytes.ts';
import { Consents } from './trust/rights/consents.ts';
import { createResponseSigner } from './trust/signing/response-signature.ts';
import { openDemoIssuer } from './trust/tokens/demo-issuer.ts';
import { anonymousPrincipal } from './trust/tokens/token-principal.ts';
import { createTokenVerifier, trustedIssuers } from './trust/tokens/verify-token.ts';

export interface HubOptions {
  readonly config: Config;
  readonly host: string;
  readonly port: number;
  /** The data folder: embedded database, signing key, audit heads. */
  readonly data: string;
  /** Null: the embedded PostgreSQL. */
  readonly databaseUrl: string | null;
  /** The embedded PostgreSQL, if its start has begun already. The hub stops it. */
  readonly cluster?: Promise<EmbeddedCluster>;
  /** NATS_URL; null or absent: every replica listens to the database. */
  readonly natsUrl?: string | null;
  readonly log: Log;
  readonly clock?: Clock;
  readonly intervals?: Partial<CheckIntervals>;
  readonly policy?: Partial<GuardPolicy>;
  /** File of the key that signs responses and the audit log; null or absent: one in `data`, created on first use. */
  readonly signingKey?: string | null;
  /** Milliseconds that one operation may take; default: the `deadline` of isthmus.yaml. */
  readonly operationTimeout?: number;
  /** Milliseconds between heartbeats on idle streams and sockets; default: `HEARTBEAT_INTERVAL`. */
  readonly heartbeat?: number;
  /** Folder of the explorer's built page; default: where the build puts it. */
  readonly explorerFolder?: string;
  /** A port that `takePort` has taken already. */
  readonly heldPort?: NetServer;
  /** Interrupts the start, which then rejects with the signal's reason after everything is closed. */
  readonly signal?: AbortSignal;
  /** Receives the steps of the start: the component and a short text. */
  readonly progress?: (what: string, text: string) => void;
  /** Maximum database connections, besides the one for LISTEN. */
  readonly pool?: number;
}

export interface Hub {
  readonly url: string;
  readonly operations: Operations;
  readonly database: Database;
  readonly registry: SourceRegistry;
  /**
   * Applies another configuration of parks, installations, subgraphs and origins without interruption. Rejects with `ChangeRejected` and
   * keeps the current configuration.
   */
  applyConfig(config: Config): Promise<ConfigChange>;
  /** Folder of the embedded database; null: an external database. */
  readonly databaseFolder: string | null;
  sources(): SourceStatus[];
  /** Stops accepting requests, waits up to 10 s for those in progress, closes sockets with 1001, stops the database. */
  stop(): Promise<void>;
}

/** Starts the hub. Rejects with an error whose message is meant for the operator, after everything is closed. */
export async function startHub(options: HubOptions): Promise<Hub> {
  const { config, log, signal, progress = () => undefined } = options;
  applyProcessLimits(config.limits);
  const shutdown = createShutdown(log);
  const throwIfInterrupted = () => signal?.throwIfAborted();
  try {
    // No bytes are sent while an operation runs.
    const timeout = options.operationTimeout ?? config.deadline;
    const idleTimeout = 60_000 + (timeout ?? 0);
    const cors = new CorsPolicy(config.origins);
    const http = await listen({
      host: options.host,
      port: options.port,
      heldPort: options.heldPort,
      log,
      idleTimeout,
      cors,
    });
    shutdown.add('HTTP server', () => http.close(10_000));
    // Reads the descriptions while the database starts.
    const compositionPlan = planComposition(config, log);
    compositionPlan.catch(() => undefined);
    const { database, folder: databaseFolder } = await hubDatabase.openHubDatabase(options, shutdown);
    throwIfInterrupted();
    const registration = await hubDatabase.joinHubProcesses({ database, config, log }, (isRepeated) =>
      migrate(database.source, {
        signal,
        ...(isRepeated ? {} : { progress: (text) => progress('migrations', text) }),
      }),
    );
    shutdown.add('process registration', () => registration.unregister());
    throwIfInterrupted();
    // A replica with an older file must not overwrite the parks and sources of a newer one.
    if (!registration.isOutdated) await hubDatabase.saveConfiguration(database, config);
    const keys = await loadKeys(database);

    const plan = await compositionPlan;
    throwIfInterrupted();
    progress('connectors', `opening ${config.installations.length} installations`);
    const registry = await SourceRegistry.start(config, plan, {
      database,
      keys,
      log,
      headers: (name) => callHeaders(keys.principal, name),
      clock: options.clock,
      intervals: options.intervals,
      policy: options.policy,
      signal,
    });
    shutdown.add('connectors', () => registry.close());
    throwIfInterrupted();
    progress('hub', 'opening the audit log and the event log');
    const clock = options.clock ?? systemClock;
    const { auditLog, signingKey } = await hubDatabase.openAuditLog({ ...options, database, clock }, shutdown);
    hubDatabase.startMaintenance({ database, clock, log, config: () => registry.config }, shutdown);
    throwIfInterrupted();
    const consents = new Consents(database, clock);
    await consents.open();
    shutdown.add('consents', () => consents.close());
    const { graph } = registry;
    const operations = new Operations({
      federation: graph.federation,
      policy: graph.policy,
      audit: new AccessRecorder(graph.protectedFields, auditLog),
      limits: config.limits,
      introspection: 'roles',
      costs: graph.costs,
      consents,
      clock,
      sign: createResponseSigner(signingKey, () => clock.now()),
      ...(timeout === null ? {} : { timeout }),
    });

    throwIfInterrupted();
    const tail = new LogTail(database);
    await tail.open();
    shutdown.add('event log', () => tail.close());
    if (options.natsUrl) {
      const { NatsBus } = await import('./live/nats/nats-bus.ts');
      const bus = new NatsBus({ url: options.natsUrl, tail, database, key: keys.principal, log });
      bus.open();
      shutdown.add('NATS', () => bus.close());
    }
    const subscriptions = new SubscriptionRegistry({ operations, tail, log });
    const anonymous = anonymousPrincipal(config.anonymous);
    const demoIssuer = config.auth.demo ? await openDemoIssuer(options.data) : null;
    const issuers = [...trustedIssuers(config.auth), ...(demoIssuer ? [demoIssuer.trusted] : [])];
    const tokens = createTokenVerifier(issuers, { clock, log });
    /** For every transport: the token's caller, else the anonymous role for callers on this machine. */
    const authenticate = async (request: IncomingMessage, params?: unknown): Promise<Principal | null> => {
      const signedIn = await tokens.authenticate(request, params);
      return signedIn ?? (isLoopbackRequest(request) && cors.allows(request) ? anonymous : null);
    };
    // `Operations` decides who may introspect.
    const graphqlHandler = await startApolloHandler(operations, { introspection: true });
    const remoteSources = new RemoteSources({
      database,
      config: () => registry.config,
      log,
      intervals: options.intervals,
      clock,
    });
    remoteSources.start();
    shutdown.add('remote sources', () => remoteSources.close());
    const sources = () =>
      remoteSources.mergeInto(registry.hosts().flatMap((host) => (host.name === 'hub' ? [] : host.sourceStatuses())));
    const unread = new UnreadBytes(config.limits);
    const heartbeat = options.heartbeat === undefined ? {} : { heartbeat: options.heartbeat };
    const sockets = openWebSockets({
      unread,
      server: http.server,
      path: '/graphql',
      operations,
      subscriptions,
      log,
      authenticate,
      isOriginAllowed: (request) => cors.allows(request),
      ...heartbeat,
    });
    const streams = createHttpStreams({ operations, subscriptions, unread, log, ...heartbeat });
    const intake = new WebhookIntake(config.limits);
    const metrics = startMetrics({
      sockets: sockets.count,
      position: () => tail.head,
      sources,
      limits: () => ({
        ...processLimitUsage(),
        webhooks: intake.slots,
        webhookBytes: intake.bytes,
        unreadBytes: unread,
      }),
    });
    shutdown.add('metrics', async () => metrics.close());
    shutdown.add('GraphQL handler', () => graphqlHandler.stop());
    // Requests in progress end before anything that they need is closed.
    shutdown.add('requests', () => http.close(10_000));
    shutdown.add('streams', async () => streams.close());
    shutdown.add('websockets', () => sockets.close());

    const folder = config.explorer.on ? (options.explorerFolder ?? pageFolder()) : null;
    const explorer = folder && createExplorerRoutes({ folder, clients: config.explorer.clients, authenticate });
    http.open({
      graphql: graphqlHandler,
      webhooks: webhookRouter((installation) => registry.locate(installation)),
      intake,
      unread,
      ...(explorer ? { explorer } : {}),
      ready: () => hubDatabase.readiness(database, sources(), registration.outdatedMessage),
      metrics: () => metrics.text(),
      stream: streams.open,
      ...(demoIssuer ? { keys: demoIssuer.jwks } : {}),
      signingKeys: { keys: [signingKey.publicJwk] },
      schedule: (caller, work) => operations.schedule(caller, work),
      overBudget: (caller) => operations.budget.rejection(caller),
      authenticate,
    });
    throwIfInterrupted();
    database.endStartup();
    const garbageCollection = new GarbageCollection();
    shutdown.add('garbage collection', async () => garbageCollection.close());
    const swapHooks: SwapHooks = {
      // A retry of the same file must not overwrite the configuration of a newer one.
      prepare: async (wanted) => {
        if (wanted !== registry.config || !registration.isOutdated)
          await hubDatabase.saveConfiguration(database, wanted);
      },
      replace: async ({ protectedFields, ...next }) => {
        await operations.graph.replace({ ...next, audit: new AccessRecorder(protectedFields, auditLog) });
        garbageCollection.schedule();
      },
    };
    registry.retryPending(swapHooks);
    return {
      url: `http://${hostInUrl(options.host)}:${http.port}`,
      operations,
      database,
      registry,
      databaseFolder,
      sources,
      applyConfig: async (next) => {
        const change = await registry.apply(next, swapHooks);
        await registration.setConfiguration(hashConfig(next, configurable));
        // A host may have written its row before it closed.
        await hubDatabase.saveConfiguration(database, next);
        return cors.replace(next.origins) ? { ...change, changed: [...change.changed, 'origins'] } : change;
      },
      stop: () => shutdown.run(),
    };
  } catch (error) {
    await shutdown.run();
    throw signal?.aborted ? signal.reason : error;
  }
}

const hostInUrl = (host: string): string =>
  host === '127.0.0.1' || host === '::1' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
