/**
 * Brings one connector to life: opens its installations and answers as a subgraph. gateway/main does it in its own process,
 * connectors/serve behind a port.
 */
import type { GraphQLError } from 'graphql';
import { systemClock } from '../clock.ts';
import type { InstallationConfig } from '../config/config.ts';
import type { Call, Clock, GraphContext, Services, Subgraph, WebhookAnswer, WebhookRequest } from '../connector.ts';
import { Overloaded } from '../errors.ts';
import type { HealthSnapshot } from '../health.ts';
import { RowRights } from '../row-rights.ts';
import { type BuiltGraph, buildGraph, executor, shown } from '../subgraph/subgraph-schema.ts';
import { visible } from '../subgraph/visible-installations.ts';
import { type Limited, limited } from '../tasks/concurrency-limit.ts';
import { busyRefusal } from '../webhooks/webhook-body.ts';
import type { WebhookTarget } from '../webhooks/webhook-response.ts';
import { Installation, type Lent, type SourceStatus } from './installation.ts';
import { HostParkLookup } from './park-lookup.ts';

export interface HostOptions extends Lent {
  readonly installations: readonly InstallationConfig[];
  readonly clock?: Clock;
  /** Built before, so that many hosts share it. */
  readonly graph?: BuiltGraph;
  /** Opens installations; shared by all hosts of a process, so that they do not open all at once. */
  readonly opening?: Limited;
  /** Interrupts the opening: what is open is closed, and `raise` rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Installations that open at once: each reads the database, and half of the hub's connections are to stay free. */
export const OPEN_AT_ONCE = 8;

export class Host {
  readonly name: string;
  readonly subgraph: Subgraph;
  readonly #options: HostOptions;
  readonly #clock: Clock;
  readonly #parks: HostParkLookup;
  readonly #installations = new Map<string, Installation>();
  #closed = false;

  private constructor(options: HostOptions, graph: BuiltGraph) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#parks = new HostParkLookup(options);
    this.name = options.connector.name;
    const { name, sdl, schema } = graph;
    const run = executor(graph, (request) => this.#context(request.call), options.log);
    const direct = {
      context: (call: Call) => this.#context(call),
      shown: (error: GraphQLError) => shown(error, name, options.log),
    };
    this.subgraph = { name, sdl, schema, direct, execute: run };
  }

  /** With it the gateway signs who asks (see passport.ts). */
  get principalKey(): Buffer {
    return this.#options.keys.principal;
  }

  /** Opens every installation; waits for no source. */
  static async raise(options: HostOptions): Promise<Host> {
    const graph = options.graph ?? (await buildGraph(options.connector.name, options.connector.graph));
    const host = new Host(options, graph);
    const opening = options.opening ?? limited(OPEN_AT_ONCE);
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

  /** Whether the database answers: without it nothing can be asked. */
  async ready(): Promise<boolean> {
    return this.#options.database.plain.query('SELECT 1').then(
      () => true,
      () => false,
    );
  }

  /** How the installations are doing. */
  sources(): SourceStatus[] {
    return [...this.#installations.values()].map((one) => one.status());
  }

  /** The installation's own services, for tests that step a job by hand. */
  services(installation: string): Services | undefined {
    return this.#installations.get(installation)?.services;
  }

  /** Runs the installation's job of that name once, now, under its lease; for tests. */
  async runJob(installation: string, job: string): Promise<void> {
    const found = this.#installations.get(installation);
    if (!found) throw new Error(`${installation} runs no jobs here.`);
    await found.runJob(job);
  }

  /** Checks the installation now and answers when the outcome is known. */
  async check(installation: string): Promise<HealthSnapshot | null> {
    return (await this.#installations.get(installation)?.check()) ?? null;
  }

  /** Where the calls for an installation go; null when there is no such installation here or it takes none. */
  webhookTarget(installation: string): WebhookTarget | null {
    const found = this.#installations.get(installation);
    if (!found) return null;
    // It may take them once it can be opened.
    if (!found.opened) return { refusal: busyRefusal('The installation could not be opened yet; send it again.') };
    if (!found.opened.webhook) return null;
    return {
      needs: found.opened.webhookNeeds,
      take: async (request) => (await this.webhook(installation, request)) ?? { status: 404 },
    };
  }

  /** A signed call of the legacy system; null when there is no such installation here or it takes none. */
  async webhook(installation: string, request: WebhookRequest): Promise<WebhookAnswer | null> {
    try {
      return (await this.#installations.get(installation)?.opened?.webhook?.(request)) ?? null;
    } catch (error) {
      if (!(error instanceof Overloaded)) throw error;
      const { status, headers = {}, message } = busyRefusal(error.message);
      return { status, headers, body: message };
    }
  }

  /** Ends everything; idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([...this.#installations.values()].map((one) => one.close()));
  }

  #context(call: Call): GraphContext<object> {
    return {
      call,
      principal: call.principal,
      rows: new RowRights(call.principal, this.#parks.request()),
      installations: visible(this.#installations, call),
      now: () => this.#clock.now(),
      clock: this.#clock,
      cursors: this.#options.keys.cursors,
    };
  }
}
