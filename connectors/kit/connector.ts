/**
 * THE CONTRACT: what every connector gives, and what it is lent.
 *
 * A connector is code for a kind of system; an installation is one such system with its own address, secrets,
 * guard and health. Life of an installation: declared (no side effects) -> opened (nothing waits for the source)
 * -> checked until the source answers, and again and again -> asked, many times -> closed (idempotent; nothing
 * of it runs on). The same object lives inside the gateway or behind its own port; it cannot tell.
 */
import type { GraphQLError, GraphQLSchema } from 'graphql';
import type { Stores } from '../../schema/database/connector-stores.ts';
import type { Tx } from '../../schema/database/database.ts';
import type { Principal } from './auth/principal.ts';
import type { Settings } from './config/settings.ts';
import type { EventKind } from './events/event-types.ts';
import type { Guard } from './guard/guard.ts';
import type { Keeping } from './guard/read-cache.ts';
import type { Log } from './log.ts';
import type { Cursors } from './pagination.ts';
import type { Known } from './provenance.ts';
import type { RowRights, RowRules } from './row-rights.ts';

export type { Stores } from '../../schema/database/connector-stores.ts';
export type { Tx } from '../../schema/database/database.ts';
export { EVENT_KINDS, type EventKind } from './events/event-types.ts';

// biome-ignore lint/suspicious/noExplicitAny: the list holds connectors of different settings and request types
export type AnyConnector = Connector<any, any>;

/** One kind of legacy system. `S`: its settings; `R`: what resolvers get of one installation for one request. */
export interface Connector<S = unknown, R extends object = object> {
  /** Folder, subgraph and settings section in one word. */
  readonly name: string;
  /** One declaration of all that must be told; the type S comes out of it. */
  readonly settings: Settings<S>;
  readonly graph: Graph;
  /** What this installation speaks, as shown in `Source.protocol`, such as sql, apds, x-road, sftp, modbus, mqtt. */
  protocol(settings: S): string;
  /**
   * How long the readings of each type stay fresh, and usable while the source is dark; by the name that reads give as
   * `type`. A type that is not named here is never kept. Never name rights, consent, or what confirms a mutation.
   */
  keeps?(settings: S): Readonly<Record<string, Keeping>>;
  /**
   * Once per installation. Makes the objects and returns at once, whether or not the source answers: mirrors stand
   * from the first moment. Opens no connection that it does not close in `close`. A rejection is a fault of the
   * hub (a broken certificate file, say) and stops this installation only.
   */
  open(settings: S, services: Services): Promise<Opened<R>>;
}

/**
 * A kind of connector whose graph is made from configuration: `connector: NAME` in isthmus.yaml names it, and each system that
 * its installations name becomes a connector (and a subgraph) of its own, like one written in code from then on.
 */
export interface Family<S = unknown> {
  /** What isthmus.yaml says behind `connector:`. */
  readonly name: string;
  readonly settings: Settings<S>;
  protocol(settings: S): string;
  /** Name of the connector to be made; installations that name the same one share its graph. */
  system(settings: S): string;
  /**
   * Makes the connector of one system. Reads descriptions (a file, or an address within a few seconds) and asks the source
   * nothing else. Rejects with `DeclarationError`, whose message is a sentence for people, when they do not fit the settings.
   */
  make(system: string, settings: readonly S[], folder: string): Promise<Connector<S>>;
}

// biome-ignore lint/suspicious/noExplicitAny: the list holds families of different settings
export type AnyFamily = Family<any>;

/**
 * What is declared and what the source describes do not fit together; the message says where, in our words. `detail`: what a reading
 * library said of it, for the log and the command line only.
 */
export class DeclarationError extends Error {
  override name = 'DeclarationError';
  readonly detail: string | null;
  constructor(message: string, detail: string | null = null) {
    super(message);
    this.detail = detail;
  }
  /** All that is known, for the one who runs the hub. */
  get whole(): string {
    return this.detail === null ? this.message : `${this.message} (${this.detail})`;
  }
}

/** The connector's part of the graph: decorated classes where it is written in code, a text where it is made from configuration. */
export type Graph = DecoratedGraph | WrittenGraph;

/** A graph as text, for connectors that a `Family` makes: nothing of it outlives the connector. */
export interface WrittenGraph {
  /** Federation 2 types without `@link`. Scalars and shared types (Provenance, PageInfo, ...) are only named; the host adds them. */
  readonly sdl: string;
  /** By type, by field; a field without a resolver is the object's property of its name. */
  readonly fields: Readonly<Record<string, Readonly<Record<string, WrittenResolver>>>>;
  readonly references?: Readonly<Record<string, ResolveReference>>;
  /** Whose row each of its object types is; the host checks it wherever one is returned (see row-rights.ts). */
  readonly rows: RowRules;
}

// biome-ignore lint/suspicious/noExplicitAny: root, arguments and context are the connector's own
export type WrittenResolver = (root: any, args: any, context: GraphContext<any>) => unknown;

/** Classes decorated with type-graphql, and how its entities are found by key. */
export interface DecoratedGraph {
  /** Resolver classes. The first may hold nothing but field resolvers. */
  // biome-ignore lint/complexity/noBannedTypes: type-graphql takes classes as Function
  readonly resolvers: readonly Function[];
  /** Object types that no resolver of this connector returns directly (entity extensions, union members). */
  // biome-ignore lint/complexity/noBannedTypes: type-graphql takes classes as Function
  readonly types?: readonly Function[];
  /** By entity type name: from `{__typename, ...key}` to the object, or null when this connector knows none. Absent: the key itself is the object. */
  readonly references?: Readonly<Record<string, ResolveReference>>;
  /** Whose row each of its object types is; the host checks it wherever one is returned (see row-rights.ts). */
  readonly rows: RowRules;
}

// biome-ignore lint/suspicious/noExplicitAny: the context's type is the connector's own
export type ResolveReference = (reference: any, context: GraphContext<any>) => unknown;

/** One installation, brought to life. */
export interface Opened<R extends object = object> {
  /** What resolvers get for one request: fresh loaders, nothing shared between requests. Must not wait. */
  request(call: Call): R;
  /**
   * One cheap question to the source. Resolves when it answered, rejects with `SourceError` when not.
   * The host calls it at start, every few seconds while the source is down, and every half minute while it is up.
   * Wrap the question in `services.guard.read` so that breaker and health see it: a source that has answered nothing in its check is not UP.
   */
  check(call: Call): Promise<void>;
  /**
   * Compares what the source offers (columns, elements, registers) with what the connector was written for; empty when it fits.
   * The host asks after the first good check, then every `guard.drift`, and sooner when `services.suspect` was called or while
   * something has drifted; a rejection is no drift. Ask as operation `check`.
   */
  drift?(call: Call): Promise<readonly Drift[]>;
  /**
   * What its last delivery lacked, in our words behind `is degraded: `, such as refused rows; null when nothing. Asked after each
   * good check; the source is DEGRADED as long as there is something.
   */
  complaint?(): string | null;
  /** How far the newest record is behind now, in milliseconds; null when the source does not tell. */
  lag?(): number | null;
  /**
   * Signed calls from the legacy system; absent where it makes none. Answer only after commit. What throws `Overloaded` is answered
   * with 503, so that the vendor repeats the delivery.
   */
  webhook?(request: WebhookRequest): Promise<WebhookAnswer>;
  /** What a call must bring for its body to be read at all; name the header of its signature here. */
  readonly webhookNeeds?: WebhookNeeds;
  /** Work by the clock; the host holds the installation's lease and runs each job alone. */
  readonly jobs?: readonly Job[];
  /** Idempotent; afterwards no timer, socket or file of this installation is open. */
  close(): Promise<void>;
}

/** Something that the source offers otherwise than the connector was written for. */
export interface Drift {
  /** In our words, such as `the column isvalid of personnel_issuecard is gone`. */
  readonly what: string;
  /** Fields of the graph that live on it, such as `Badge.active`. */
  readonly fields: readonly string[];
}

/** Work that one process at a time does. */
export interface Job {
  readonly name: string;
  /** Pause between the end of one run and the start of the next, in milliseconds. */
  readonly every: number;
  /**
   * One run. May last as long as the process (a subscription to a broker) as long as it ends soon after
   * `call.signal` aborts. A rejection is logged, counted against the source's health and tried again after a pause.
   * `services.transaction` inside a job proves the lease in the same transaction. A run that lasts tells by `working` that it has
   * begun its work: what failed before is over then, as at the good end of a short run.
   */
  run(call: Call, working: () => void): Promise<void>;
}

/** One piece of work with an end: who asks, until when, and the signal that ends it early. */
export interface Call {
  readonly principal: Principal;
  /** Milliseconds of `systemClock.monotonic()` in this process; another process is sent what is left of it. */
  readonly deadline: number;
  /** Aborts when the caller has gone. It may be made only when it is read: who does not wait looks at `gone` instead. */
  readonly signal: AbortSignal;
  /** Whether the caller has gone; absent: `signal` tells. */
  readonly gone?: boolean;
  /** Sources that were stale, slow or down for this call, by installation; the host reports them with the answer. */
  readonly noted: Map<string, Noted>;
  /** How often each source was really asked for this call, by installation; absent: nobody counts. */
  readonly calls?: Map<string, number>;
}

/** `slow`: it answered, late; `stale`: something older was shown; `down`: a field is null for it. */
export type Noted = 'slow' | 'stale' | 'down';

/** The raw bytes of a call from a legacy system. */
export interface WebhookRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

/** What is asked of the head of a call before its body is read. */
export interface WebhookNeeds {
  /** Headers that must be there, each with whether its value can be right: its form, and its time where it holds one. Else 401. */
  readonly headers?: Readonly<Record<string, (value: string) => boolean>>;
  /** Absent: POST. Others are answered with 405. */
  readonly methods?: readonly string[];
  /** Media types in lower case, without parameters; absent: any. Others are answered with 415. */
  readonly types?: readonly string[];
  /** Bytes of the body at most, where that is less than `limits.webhook`; more is answered with 413. */
  readonly most?: number;
}

/** What the legacy system is answered. */
export interface WebhookAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What resolvers of a connector get as context. */
export interface GraphContext<R extends object> {
  readonly call: Call;
  readonly principal: Principal;
  /** Which rows the caller may see; what resolvers return is checked by it. */
  readonly rows: RowRights;
  readonly installations: Installations<R>;
  /** The services' clock. */
  readonly clock: Clock;
  /** What its wall clock shows. */
  now(): Date;
  readonly cursors: Cursors;
  /** The hub's tables; only the hub's own connector, whose records these are, has a use for it in a resolver. */
}

/** The installations of one connector, as one request sees them. */
export interface Installations<R extends object> {
  /** All of them, or those of one park. */
  all(park?: string): readonly Installed<R>[];
  /** By its own id. */
  byId(id: string): Installed<R> | undefined;
  /** By a global id of one of its records (`installation:local`); undefined when no installation made it. */
  owner(globalId: string): (Installed<R> & { readonly local: string }) | undefined;
}

export interface Installed<R extends object> {
  readonly id: string;
  readonly park: string;
  readonly source: R;
}

/** Everything that is lent to an installation; it opens nothing else for itself. */
export interface Services {
  readonly installation: InstallationInfo;
  readonly log: Log;
  readonly clock: Clock;
  readonly guard: Guard;
  readonly cursors: Cursors;
  /** Global id of one of this installation's records: `installation:local`. */
  globalId(local: string): string;
  /** Keyed hash, the same in every process of this hub: opaque ids of persons and vehicles. 22 characters, base64url. */
  hash(kind: string, text: string): string;
  /** The building that the legacy system calls `code` (see `known` in isthmus.yaml), or null. */
  building(code: string): string | null;
  /** What the legacy systems call the building (`known` in isthmus.yaml), the first one first; empty when it is of another park. */
  buildingCodes(building: string): readonly string[];
  /** Runs `work` in one database transaction. In a job, the lease is proved in the same transaction. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /**
   * Appends to the event log, once per foreign id, last in its transaction. Answers how many were new. The caller
   * acknowledges to its legacy system only after the transaction has committed. An event that does not fit the type of its kind
   * (event-types.ts) is not appended: it is kept in `event_quarantine` in the same transaction, with field and reason, logged and
   * counted; the others go on. `strict`: instead it rejects with `EventRefused`, for a connector that keeps what is refused itself and
   * finds the one that bears it by halves (`inHalves`).
   */
  emit(tx: Tx, events: readonly NewEvent[], options?: { readonly strict?: boolean }): Promise<number>;
  /** What was just read does not fit what the connector was written for, or does again: `drift` is asked at the next check. */
  suspect(): void;
  /** Says under which ids this installation knows companies, vehicles, persons and meters. Idempotent. */
  identify(tx: Tx, claims: readonly Claim[]): Promise<void>;
  /** Small state of this installation, such as a poll cursor; commits with its transaction. */
  readonly state: {
    get<T>(tx: Tx, name: string): Promise<T | null>;
    set(tx: Tx, name: string, value: unknown): Promise<void>;
  };
  /**
   * Does a mutation once per (subject, mutation, clientMutationId): the same payload again gets the same answer,
   * another payload BAD_USER_INPUT. When a former try ended unknown, `recover` is asked first (null: not done).
   */
  once<T>(
    call: Call,
    request: { mutation: string; clientMutationId: string; payload: unknown },
    act: (ownId: string) => Promise<T>,
    recover?: (ownId: string) => Promise<T | null>,
  ): Promise<T>;
  /** The hub's tables that belong to connectors; touch only your own. */
  readonly store: Stores;
  /** Runs `work` outside a transaction, for plain reads of the store. */
  read<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Aborts when the installation is closed. */
  readonly signal: AbortSignal;
  /** A call for the hub's own work that ends after `milliseconds` or with the installation. */
  call(milliseconds: number): Call;
}

export interface InstallationInfo {
  readonly id: string;
  readonly connector: string;
  readonly park: string;
}

/** The one source of time, so that tests can step it; the system's is in `clock.ts`. */
export interface Clock {
  /**
   * What the wall clock shows. It may be set back or forward at any moment: for moments that are shown, stored, signed, or compared
   * with another machine's or a token's, never for how long something takes.
   */
  now(): Date;
  /** Milliseconds that only grow, from an arbitrary start, of this process alone: for rates, pauses, deadlines and ages. */
  monotonic(): number;
}

/** One event, before it has its number. Carries keys, not records; all ids are global. */
export interface NewEvent {
  /** Unique within the installation; the same one twice is one row. */
  readonly foreignId: string;
  readonly kind: EventKind;
  /** When it happened, by the source. */
  readonly time: Date;
  readonly company?: string | null;
  readonly vehicle?: string | null;
  readonly door?: string | null;
  readonly badge?: string | null;
  readonly lot?: string | null;
  readonly meter?: string | null;
  readonly case?: string | null;
  /** The values that event-types.ts declares for the kind, as JSON holds them. */
  readonly data?: Readonly<Record<string, unknown>>;
}

/** One id under which an installation knows something. */
export interface Claim {
  readonly entity: 'COMPANY' | 'VEHICLE' | 'PERSON' | 'METER';
  /** The entity's key in the graph: USCC for companies, the opaque id otherwise. */
  readonly key: string;
  /** Kind of id, such as uscc, tenant-no, taxpayer-no. */
  readonly system: string;
  readonly value: string;
  /** Only from the register: the company's legal name, kept by the hub as a copy. */
  readonly name?: string | null;
  /** What the installation says of a company besides, such as its `name` or `address`; for `Company.conflicts`. */
  readonly says?: Readonly<Record<string, string | null>>;
  /** Whether it is the authority for what it says; absent: only for `name`. */
  readonly authority?: boolean;
  /** When the source recorded what it says; absent: it does not tell. */
  readonly recordedAt?: Date | null;
}

/** One subgraph, in this process or behind a port: the same interface. */
export interface Subgraph {
  readonly name: string;
  /** Federation 2 SDL, with its `@link`. */
  readonly sdl: string;
  /** Present where the subgraph lives in this process. */
  readonly schema?: GraphQLSchema;
  /** Present with `schema`: what a caller in this process needs to call the schema's resolvers itself. */
  readonly direct?: {
    /** What resolvers get as context, for all that one operation asks of this subgraph. */
    context(call: Call): unknown;
    /** A fault as clients may see it; logs what they may not. */
    shown(error: GraphQLError): SubgraphError;
  };
  /** Never rejects for a fault of the source: that is an error in the response. Rejects when the subgraph itself cannot be reached. */
  execute(request: SubgraphRequest): Promise<SubgraphResponse>;
}

export interface SubgraphRequest {
  readonly query: string;
  readonly operationName?: string | undefined;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly call: Call;
}

export interface SubgraphResponse {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly errors?: readonly SubgraphError[];
}

export interface SubgraphError {
  readonly message: string;
  readonly path?: readonly (string | number)[] | undefined;
  readonly extensions?: Readonly<Record<string, unknown>> | undefined;
}

export type { Known };
