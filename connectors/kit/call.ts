/** The call that every read and write carries, and the interface of a subgraph. */
import type { GraphQLError, GraphQLSchema } from 'graphql';
import type { Principal } from './auth/principal.ts';

/** One operation of a caller, or one piece of the hub's own work: its principal, its deadline and the signal that cancels it. */
export interface Call {
  readonly principal: Principal;
  /** Milliseconds of `systemClock.monotonic()`, valid in this process; another process receives the time left. */
  readonly deadline: number;
  /** Aborts when the caller has disconnected. May be created on first use: code that does not wait reads `isCancelled` instead. */
  readonly signal: AbortSignal;
  /** Whether the caller has disconnected; absent: see `signal.aborted`. */
  readonly isCancelled?: boolean;
  /** Sources that were slow, stale or down for this call, by installation; reported in `extensions.sources` of the response. */
  readonly sourceConditions: Map<string, SourceCondition>;
  /** Requests sent to each source for this call, by installation; absent: not counted. */
  readonly callCounts?: Map<string, number>;
}

/** `slow`: a response was late; `stale`: an older value was returned; `down`: a value could not be read. */
export type SourceCondition = 'slow' | 'stale' | 'down';

/** One installation: its id in isthmus.yaml, the system it runs and its park. */
export interface InstallationInfo {
  readonly id: string;
  readonly connector: string;
  readonly park: string;
  /** IANA time zone of the park. */
  readonly zone: string;
}

/** One subgraph, in this process or behind a port. */
export interface Subgraph {
  readonly name: string;
  /** Federation 2 SDL, with its `@link`. */
  readonly sdl: string;
  /** Present if the subgraph is in this process. */
  readonly schema?: GraphQLSchema;
  /** Present with `schema`: what the gateway needs to call the schema's resolvers itself. */
  readonly inProcess?: {
    /** The context of the resolvers, for all requests of one operation to this subgraph. */
    createContext(call: Call): unknown;
    /** The error as clients receive it; logs the rest. */
    toPublicError(error: GraphQLError): SubgraphError;
  };
  /** Errors of sources are in the response. Rejects only when the subgraph itself cannot be reached. */
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
