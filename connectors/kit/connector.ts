/**
 * The contract of connectors.
 *
 * A connector is code for one kind of system; an installation is one system of that kind, with its own address, secrets, guard and
 * health. Life cycle of an installation: declared (no side effects), opened (without waiting for the source), checked at intervals,
 * queried, closed (idempotent; nothing continues to run). A connector runs in the gateway's process or in its own, without a difference.
 */
import type { Principal } from './auth/principal.ts';
import type { RowRights, RowRules } from './auth/row-rights.ts';
import type { Call } from './call.ts';
import type { Clock } from './clock.ts';
import type { CacheAges } from './config/sections/guard.ts';
import type { Settings } from './config/settings.ts';
import type { Cursors } from './cursor.ts';
import type { ProvenanceFacts } from './provenance.ts';
import type { Claim, Services } from './services.ts';

export type { Stores } from '../../schema/database/connector-stores.ts';
export type { Tx } from '../../schema/database/database.ts';
export { EVENT_KINDS, type EventKind } from './events/event-types.ts';
export type { Sourced } from './provenance.ts';

// biome-ignore lint/suspicious/noExplicitAny: the list holds connectors of different settings and request types
export type AnyConnector = Connector<any, any>;

/** One kind of legacy system. `S`: its settings; `R`: the object through which the resolvers of one request read an installation. */
export interface Connector<S = unknown, R extends object = object> {
  /** Name of its folder, its subgraph and in isthmus.yaml. */
  readonly name: string;
  readonly settings: Settings<S>;
  readonly graph: Graph;
  /** The installation's protocol, as in `Source.protocol`: sql, apds, x-road, sftp, modbus, mqtt, … */
  protocol(settings: S): string;
  /**
   * Cache ages by `ReadRequest.type`. Types that are not listed are never cached. Do not list rights, consents, or reads that confirm a
   * mutation.
   */
  cacheAges?(settings: S): Readonly<Record<string, CacheAges>>;
  /**
   * What the claims of an installation (`Services.identify`) tell of the entities that its system knows, by kind of entity. Decides which
   * installations `Installations.knowing` returns. Absent: nothing; every visible installation is asked.
   */
  readonly claims?: Readonly<Partial<Record<Claim['entity'], ClaimCoverage>>>;
  /**
   * Opens one installation without waiting for the source; mirrored data is available at once. `close` must close every connection.
   * Rejects only for errors of the hub, such as an unreadable certificate file; other installations are not affected.
   */
  open(settings: S, services: Services): Promise<OpenedSource<R>>;
}

/**
 * What it means that an installation has no claim for an entity:
 *
 * - `always`: it does not know the entity. Data and claims are written in the same transaction, and requests read that data only.
 * - `after-sync`: it does not know the entity, once a sync has claimed all that it knows (`Services.completeClaims`) and while that is
 *   not overdue. Before that, it is asked.
 * - `partial`: it may know the entity nevertheless, as a register that answers for any code, but one that has the claim is as good.
 */
export type ClaimCoverage = 'always' | 'after-sync' | 'partial';

/**
 * Creates connectors from configuration. isthmus.yaml names the family (`connector: NAME`) and, for each installation, a system; each
 * system becomes a connector with its own subgraph.
 */
export interface ConnectorFamily<S = unknown> {
  /** Value of `connector` in isthmus.yaml. */
  readonly name: string;
  readonly settings: Settings<S>;
  protocol(settings: S): string;
  /** Name of the connector to create; installations with the same system share it. */
  connectorName(settings: S): string;
  /**
   * Creates the connector of one system. Reads its description (a file, or a URL within a few seconds) and makes no other call. `folder`:
   * that of isthmus.yaml. Rejects with `DeclarationError` if the settings do not match the description.
   */
  createConnector(system: string, settings: readonly S[], folder: string): Promise<Connector<S>>;
}

// biome-ignore lint/suspicious/noExplicitAny: the list holds families of different settings
export type AnyConnectorFamily = ConnectorFamily<any>;

/** The connector's subgraph: decorated classes, or SDL with resolvers. */
export type Graph = DecoratedGraph | SdlGraph;

/** A subgraph as SDL, for connectors of a family: it registers nothing globally, so it is garbage-collected with the connector. */
export interface SdlGraph {
  /** Federation 2 types without `@link`. The host adds the scalars and shared types (Provenance, PageInfo, …) that they reference. */
  readonly sdl: string;
  /** Resolvers by type and field. Default: the property of the same name. */
  readonly fields: Readonly<Record<string, Readonly<Record<string, SdlResolver>>>>;
  readonly references?: Readonly<Record<string, ResolveReference>>;
  /** Row rules of its object types; see auth/row-rights.ts. */
  readonly rows: RowRules;
}

// biome-ignore lint/suspicious/noExplicitAny: root, arguments and context are the connector's own
export type SdlResolver = (root: any, args: any, context: GraphContext<any>) => unknown;

/** A subgraph as classes decorated with type-graphql. */
export interface DecoratedGraph {
  /** Resolver classes. */
  // biome-ignore lint/complexity/noBannedTypes: type-graphql takes classes as Function
  readonly resolvers: readonly Function[];
  /** Object types that no resolver of this connector returns directly (entity extensions, union members). */
  // biome-ignore lint/complexity/noBannedTypes: type-graphql takes classes as Function
  readonly types?: readonly Function[];
  /** By entity type: resolves `{__typename, ...key}` to the object; null if it is unknown here. Default: the key is the object. */
  readonly references?: Readonly<Record<string, ResolveReference>>;
  /** Row rules of its object types; see auth/row-rights.ts. */
  readonly rows: RowRules;
}

// biome-ignore lint/suspicious/noExplicitAny: the context's type is the connector's own
export type ResolveReference = (reference: any, context: GraphContext<any>) => unknown;

/** One open installation. */
export interface OpenedSource<R extends object = object> {
  /** Creates the object that the resolvers of one request use: new loaders, nothing shared between requests. Synchronous. */
  request(call: Call): R;
  /**
   * Health check: makes one cheap call. Rejects with `SourceError` if the source does not respond. The host calls it at start and at the
   * intervals `guard.checkUp` and `guard.checkDown`, less often while the source is down and nobody uses it. Make the call through `services.guard.read`: without a recorded response, the source
   * is not UP.
   */
  check(call: Call): Promise<void>;
  /**
   * Drift check: compares what the source offers (columns, elements, registers) with what the connector expects; empty if it matches.
   * The host calls it after the first successful check, then at the interval `guard.drift`, and earlier after `services.suspectDrift` or
   * while there is drift. A rejection is not drift. Use the operation `check`.
   */
  drift?(call: Call): Promise<readonly Drift[]>;
  /**
   * Problem of the last delivery, such as rejected rows, as the reason of the state DEGRADED; null if there is none. Called after each
   * successful check.
   */
  deliveryProblem?(): string | null;
  /** Age of the newest record, in milliseconds; null if unknown. */
  lag?(): number | null;
  /**
   * Handles a webhook of the legacy system. Respond only after the commit. Throw `OverloadedError` for a 503, after which the vendor
   * repeats the delivery.
   */
  webhook?(request: WebhookRequest): Promise<WebhookResponse>;
  /** Checked before the body of a webhook is read; list the signature header here. */
  readonly webhookRequirements?: WebhookRequirements;
  /** Scheduled jobs, run by the process that holds the installation's lease. */
  readonly jobs?: readonly Job[];
  /** Closes all timers, sockets and files of the installation. Idempotent. */
  close(): Promise<void>;
}

/** A difference between what the source offers and what the connector expects. */
export interface Drift {
  /** Such as `the column isvalid of personnel_issuecard is gone`. */
  readonly description: string;
  /** Affected fields of the graph, such as `Badge.active`. */
  readonly fields: readonly string[];
}

/** A scheduled job. Never runs twice at once, in any process. */
export interface Job {
  readonly name: string;
  /** Milliseconds between the end of one run and the start of the next. */
  readonly every: number;
  /**
   * Runs the job. A run may last as long as the process, such as a subscription to a broker, but must end soon after `call.signal` aborts.
   * A rejection is logged, recorded as a failure of the source and retried; while the source is down, when it responds again. `services.transaction` verifies the lease in the same
   * transaction. A long run calls `reportSuccess` once it works, which ends an earlier failure as the end of a short run does.
   */
  run(call: Call, reportSuccess: () => void): Promise<void>;
}

/** A webhook of a legacy system, with its raw body. */
export interface WebhookRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

/** Requirements for the head of a webhook, checked before its body is read. */
export interface WebhookRequirements {
  /** Required headers, each with a check of its value (form, and time if it contains one). Otherwise: 401. */
  readonly headers?: Readonly<Record<string, (value: string) => boolean>>;
  /** Default: POST. Otherwise: 405. */
  readonly methods?: readonly string[];
  /** Media types in lower case, without parameters. Default: any. Otherwise: 415. */
  readonly mediaTypes?: readonly string[];
  /** Maximum bytes of the body, if less than `limits.webhook`. Otherwise: 413. */
  readonly maxBytes?: number;
}

/** The response to the legacy system. */
export interface WebhookResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** The context of a connector's resolvers. */
export interface GraphContext<R extends object> {
  readonly call: Call;
  readonly principal: Principal;
  /** Row rights of the caller. The host checks what resolvers return. */
  readonly rows: RowRights;
  readonly installations: Installations<R>;
  readonly clock: Clock;
  /** `clock.now()`. */
  now(): Date;
  readonly cursors: Cursors;
}

/** The installations of one connector that the caller may see. */
export interface Installations<R extends object> {
  /** All, or those of one park. */
  all(park?: string): readonly InstallationHandle<R>[];
  /**
   * The installations to ask about a company or another entity: those that know it, and those of which that is not certain (see
   * `Connector.claims`). Lookups of one tick are one query.
   */
  knowing(entity: Claim['entity'], key: string): Promise<KnowingInstallations<R>>;
  /** By installation id. */
  byId(id: string): InstallationHandle<R> | undefined;
  /** By the global id of a record (`installation:local`), with its local part; undefined if there is no such installation. */
  byGlobalId(globalId: string): (InstallationHandle<R> & { readonly local: string }) | undefined;
}

/** The installations to ask about an entity. */
export interface KnowingInstallations<R extends object> {
  /** To be asked, in the order of `Installations.all`. Empty: all are certain that they do not know the entity. */
  readonly asked: readonly InstallationHandle<R>[];
  /** With `partial` claims: to be asked if none of `asked` has the entity. */
  readonly others: readonly InstallationHandle<R>[];
  /** If `asked` is empty: when each installation was last read completely, as provenance of an empty result. */
  readonly absentIn: readonly ProvenanceFacts[];
}

/** One installation in a request. `source` throws `SourceError` if the installation is not open. */
export interface InstallationHandle<R extends object> {
  readonly id: string;
  readonly park: string;
  readonly source: R;
}
