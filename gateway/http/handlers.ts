/** What the routes of the port call: GraphQL, streams, webhooks, explorer, readiness and metrics. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Principal } from '../../connectors/kit/auth/principal.ts';
import type { HubError } from '../../connectors/kit/errors.ts';
import type { ClientConnection } from '../../connectors/kit/guard/client-disconnect.ts';
import type { WebhookIntake } from '../../connectors/kit/webhooks/webhook-intake.ts';
import type { UnreadBytes } from '../trust/limits/unread-bytes.ts';
import type { Accepted } from './content-negotiation.ts';
import type { WebhookRouter } from './webhook-routing.ts';

export interface GraphqlRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The query of the URL with its question mark; empty when there is none. */
  readonly search: string;
  /** Raw bytes of the body. */
  readonly body: Buffer;
  readonly principal: Principal | null;
  readonly signal: AbortSignal | ClientConnection;
  /** True for a GET that needs no CSRF check: see `CorsPolicy.isSafeRead`. */
  readonly isSafeRead?: boolean;
}

export interface GraphqlResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface GraphqlHandler {
  handle(request: GraphqlRequest): Promise<GraphqlResponse>;
  stop(): Promise<void>;
}

export interface ExplorerRoutes {
  /**
   * Responds to a GET or HEAD; `path` is the part of the URL after `/explorer/`. Resolves with false when nothing is there. Throws `URIError`
   * for an invalid URL.
   */
  handle(request: IncomingMessage, response: ServerResponse, path: string): Promise<boolean>;
}

type AcceptedStream = Accepted & { readonly stream: NonNullable<Accepted['stream']> };

/** Set with `HttpServer.open` once the hub is ready. */
export interface HttpHandlers {
  readonly graphql: GraphqlHandler;
  readonly webhooks?: WebhookRouter;
  /** Limits the webhooks in progress; absent: the default limits. */
  readonly intake?: WebhookIntake;
  /** Absent: the explorer is not served. */
  readonly explorer?: ExplorerRoutes;
  ready(): Promise<{ ready: boolean; body: unknown }>;
  metrics(): Promise<{ type: string; body: string }>;
  /** Public keys of the demo issuer, served at /.well-known/jwks.json. */
  readonly keys?: unknown;
  /** Public keys that sign responses and the audit log, served at /.well-known/isthmus-keys.json. */
  readonly signingKeys?: unknown;
  /** The stream for a request whose `accept` names one; null: the response is JSON. */
  stream?(
    request: IncomingMessage,
    given: { search: string; body: Buffer; principal: Principal | null; accepts: AcceptedStream },
  ): { readonly endless: boolean; write(response: ServerResponse, signal: AbortSignal): Promise<void> } | null;
  /** `Operations.schedule`; absent: requests start at once. */
  schedule?<T>(principal: Principal | null, work: (release: () => void) => Promise<T>): Promise<T>;
  /** The error of a caller that is over budget, and the milliseconds until it is restored; null when the caller may continue. */
  overBudget?(principal: Principal | null): { readonly error: HubError; readonly milliseconds: number } | null;
  /** Counts bytes that were sent to callers and not read; absent: they are not counted. */
  readonly unread?: UnreadBytes;
  /** Resolves with the caller, null when it is not signed in. Rejects with `HubError` for an invalid token. */
  authenticate(request: IncomingMessage): Promise<Principal | null>;
}
