/** Opens the installations of one connector and serves its subgraph, in the gateway's process or in the connector's own. */
import type { GraphQLError } from 'graphql';
import { RowRights } from '../auth/row-rights.ts';
import type { Call, Subgraph } from '../call.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { InstallationConfig } from '../config/config.ts';
import type { GraphContext, WebhookRequest, WebhookResponse } from '../connector.ts';
import { OverloadedError } from '../errors.ts';
import type { HealthSnapshot } from '../monitoring/health.ts';
import type { Services } from '../services.ts';
import { KnownInstallations } from '../subgraph/known-installations.ts';
import { toPublicError } from '../subgraph/public-error.ts';
import { type BuiltGraph, buildGraph, createExecutor } from '../subgraph/subgraph-schema.ts';
import { visibleInstallations } from '../subgraph/visible-installations.ts';
import { type ConcurrencyLimit, limitConcurrency } from '../tasks/concurrency-limit.ts';
import { busyRejection } from '../webhooks/webhook-body.ts';
import type { WebhookTarget } from '../webhooks/webhook-response.ts';
import { Installation, type InstallationOptions, type SourceStatus } from './installation.ts';
import { HostParkLookup } from './park-lookup.ts';

export interface HostOptions extends InstallationOptions {
  readonly installations: readonly InstallationConfig[];
  readonly clock?: Clock;
  /** Default: built from the connector. Given so that several hosts share it. */
  readonly graph?: BuiltGraph;
  /** Shared by all hosts of a process, to limit how many installations open at once. */
  readonly opening?: ConcurrencyLimit;
  /** Cancels `Host.open`: open installations are closed, and it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Each opening installation reads the database; half of the connection pool stays free. */
export const MAX_CONCURRENT_OPENS = 8;

export class Host {
  readonly name: string;
  readonly subgraph: Subgraph;
  readonly #options: HostOptions;
  readonly #clock: Clock;
  readonly #parks: HostParkLookup;
  readonly #known: KnownInstallations;
  readonly #installations = new Map<string, Installation>();
  #closed = false;

  private constructor(options: HostOptions, graph: BuiltGraph) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#parks = new HostParkLookup(options);
    this.#known = new KnownInstallations(options.connector, options.database, this.#clock);
    this.name = options.connector.name;
    const { name, sdl, schema } = graph;
    const run = createExecutor(graph, (request) => this.#context(request.call), options.log);
    const inProcess = {
      createContext: (call: Call) => this.#context(call),
      toPublicError: (error: GraphQLError) => toPublicError(error, name, options.log),
    };
    this.subgraph = { name, sdl, schema, inProcess, execute: run };
  }

  /** Signs the principal of requests to this subgraph; see principal-token.ts. */
  get principalKey(): Buffer {
    return this.#options.keys.principal;
  }

  /** Opens every installation, without waiting for its source. */
  static async open(options: HostOptions): Promise<Host> {
    const graph = options.graph ?? (await buildGraph(options.connector.name, options.connector.graph));
    const host = new Host(options, graph);
    const opening = options.opening ?? limitConcurrency(MAX_CONCURRENT_OPENS);
    const { signal } = options;
    await Promise.all(
      options.installations.map((config) => {
        const installation = new Installation(config, options, host.#clock);
        host.#installations.set(config.id, installation);
        return opening(async () => (signal?.aborted ? undefined : installation.open()));
      }),
    );
    if (signal?.aborted) {
      await host.close();
      throw signal.reason;
    }
    return host;
  }

  /** Whether the database responds. */
  async isDatabaseUp(): Promise<boolean> {
    return this.#options.database.plain.query('SELECT 1').then(
      () => true,
      () => false,
    );
  }

  /** The status of every installation. */
  sourceStatuses(): SourceStatus[] {
    return [...this.#installations.values()].map((installation) => installation.status());
  }

  /** The installation's services; for tests. */
  services(installation: string): Services | undefined {
    return this.#installations.get(installation)?.services;
  }

  /** Runs a job of an installation once, now, under its lease; for tests. */
  async runJob(installation: string, job: string): Promise<void> {
    const found = this.#installations.get(installation);
    if (!found) throw new Error(`Unknown installation ${installation}.`);
    await found.runJob(job);
  }

  /** Checks an installation now and returns the outcome; null if it is unknown. */
  async check(installation: string): Promise<HealthSnapshot | null> {
    return (await this.#installations.get(installation)?.check()) ?? null;
  }

  /** The handler of an installation's webhooks; null if the installation is unknown or accepts none. */
  webhookTarget(installation: string): WebhookTarget | null {
    const found = this.#installations.get(installation);
    if (!found) return null;
    // Not open yet: it may accept webhooks later.
    if (!found.opened)
      return { rejection: busyRejection('The installation is not open yet. Send the webhook again later.') };
    if (!found.opened.webhook) return null;
    return {
      requirements: found.opened.webhookRequirements,
      handle: async (request) => (await this.handleWebhook(installation, request)) ?? { status: 404 },
    };
  }

  /** Handles a webhook of an installation; null if the installation is unknown or accepts none. */
  async handleWebhook(installation: string, request: WebhookRequest): Promise<WebhookResponse | null> {
    try {
      return (await this.#installations.get(installation)?.opened?.webhook?.(request)) ?? null;
    } catch (error) {
      if (!(error instanceof OverloadedError)) throw error;
      const { status, headers = {}, message } = busyRejection(error.message);
      return { status, headers, body: message };
    }
  }

  /** Closes all installations. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([...this.#installations.values()].map((installation) => installation.close()));
  }

  #context(call: Call): GraphContext<object> {
    return {
      call,
      principal: call.principal,
      rows: new RowRights(call.principal, this.#parks.forRequest()),
      installations: visibleInstallations(this.#installations, call, this.#known),
      now: () => this.#clock.now(),
      clock: this.#clock,
      cursors: this.#options.keys.cursors,
    };
  }
}
