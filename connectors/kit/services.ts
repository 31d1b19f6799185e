/** The services of the host for each installation. */
import type { Stores } from '../../schema/database/connector-stores.ts';
import type { Tx } from '../../schema/database/database.ts';
import type { Call, InstallationInfo } from './call.ts';
import type { Clock } from './clock.ts';
import type { Cursors } from './cursor.ts';
import type { EventData, EventKind } from './events/event-types.ts';
import type { Guard } from './guard/guard-types.ts';
import type { Log } from './log.ts';

/** What an installation may use; it opens no other database connection, log or clock. */
export interface Services {
  readonly installation: InstallationInfo;
  readonly log: Log;
  readonly clock: Clock;
  readonly guard: Guard;
  readonly cursors: Cursors;
  /** Global id of one of this installation's records: `installation:local`. */
  globalId(local: string): string;
  /** Keyed hash for opaque ids of persons and vehicles: 22 characters, base64url. The same in every process of this hub. */
  hash(kind: string, text: string): string;
  /** Id of the building that the legacy system knows as `code` (`known` in isthmus.yaml); null if there is none. */
  building(code: string): string | null;
  /** Codes of the building in legacy systems (`known` in isthmus.yaml, in that order); empty if it belongs to another park. */
  buildingCodes(building: string): readonly string[];
  /** Runs `work` in one database transaction. In a job, the transaction also verifies the lease. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /**
   * Appends events to the log, once per foreign id. Must be the last statement of its transaction. Resolves with the number of new
   * events. Acknowledge to the legacy system only after the commit. An event that does not match the type of its kind (event-types.ts)
   * is stored in `event_quarantine` with field and reason, logged and counted; the others are appended. `strict`: rejects instead, for
   * a connector that stores rejected items itself and bisects the batch to find them (`bisectBatch`).
   */
  emit(tx: Tx, events: readonly NewEvent[], options?: { readonly strict?: boolean }): Promise<number>;
  /** Requests a drift check with the next health check. To be called when a response did not match, or matches again. */
  suspectDrift(): void;
  /** Records under which ids this installation knows companies, vehicles, persons and meters. Idempotent. */
  identify(tx: Tx, claims: readonly Claim[]): Promise<void>;
  /**
   * Records that all entities for which the connector declares `after-sync` claims have been claimed. Call it in the transaction of the
   * last claims of a complete read. `validFor`: milliseconds until the next complete read is overdue; after that the installation is
   * asked again about entities without a claim.
   */
  completeClaims(tx: Tx, validFor: number): Promise<void>;
  /** Small state of this installation, such as a poll cursor; committed with the transaction. */
  readonly state: {
    get<T>(tx: Tx, name: string): Promise<T | null>;
    set(tx: Tx, name: string, value: unknown): Promise<void>;
  };
  /**
   * Runs a mutation once per (subject, mutation, clientMutationId). A repetition with the same payload resolves with the same result; with
   * another payload it rejects with BAD_USER_INPUT. If the result of an earlier attempt is unknown, `recover` is called first; it resolves
   * with null if the mutation was not made.
   */
  runOnce<T>(
    call: Call,
    request: { mutation: string; clientMutationId: string; payload: unknown },
    mutate: (ownId: string) => Promise<T>,
    recover?: (ownId: string) => Promise<T | null>,
  ): Promise<T>;
  /** The hub's tables for connectors. Use only those of your own connector. */
  readonly store: Stores;
  /**
   * Runs `work` without a transaction: for reads of the store, and for writes of one statement that no lease protects. Each statement runs
   * on any connection. With `call`, the read is limited by the call's deadline: then its statements are cancelled in the database, and the
   * result rejects with SOURCE_TIMEOUT.
   */
  read<T>(work: (tx: Tx) => Promise<T>, call?: Call): Promise<T>;
  /** Aborts when the installation is closed. */
  readonly signal: AbortSignal;
  /** A call for the hub's own work that ends after `milliseconds` or with the installation. */
  call(milliseconds: number): Call;
}

/** An event before it has its number. Contains keys, not records; all ids are global. */
export type NewEvent<K extends EventKind = EventKind> = { [N in K]: NewEventOfKind<N> }[K];

interface NewEventBase {
  /** Unique within the installation; a second event with the same id is ignored. */
  readonly foreignId: string;
  /** When it happened, according to the source. */
  readonly time: Date;
  readonly company?: string | null;
  readonly vehicle?: string | null;
  readonly door?: string | null;
  readonly badge?: string | null;
  readonly lot?: string | null;
  readonly meter?: string | null;
  readonly case?: string | null;
}

/** `data`: the JSON values that event-types.ts declares for the kind; may be absent if all of them are nullable. */
type NewEventOfKind<K extends EventKind> = NewEventBase & { readonly kind: K } & (Record<
    never,
    never
  > extends EventData<K>
    ? { readonly data?: EventData<K> }
    : { readonly data: EventData<K> });

/** An id under which an installation knows a company, vehicle, person or meter. */
export interface Claim {
  readonly entity: 'COMPANY' | 'VEHICLE' | 'PERSON' | 'METER';
  /** The entity's key in the graph: USCC for companies, the opaque id otherwise. */
  readonly key: string;
  /** Kind of id, such as uscc, tenant-no, taxpayer-no. */
  readonly system: string;
  readonly value: string;
  /** From the register only: the legal name of the company, which the hub stores as a copy. */
  readonly name?: string | null;
  /** Further facts about a company, such as `name` or `address`; compared in `Company.conflicts`. */
  readonly facts?: Readonly<Record<string, string | null>>;
  /** Whether the installation is the authority for these facts; absent: for `name` only. */
  readonly authority?: boolean;
  /** When the source recorded the facts; absent: unknown. */
  readonly recordedAt?: Date | null;
}
