/** What the doors lead to. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Principal } from '../../connectors/kit/auth/principal.ts';
import type { HubError } from '../../connectors/kit/errors.ts';
import type { WebhookIntake } from '../../connectors/kit/webhooks/webhook-intake.ts';
import type { UnreadBytes } from '../trust/limits/unread-bytes.ts';
import type { GraphqlFace } from './apollo-server.ts';
import type { Accepted } from './content-negotiation.ts';
import type { Explorer } from './pages/explorer-routes.ts';
import type { Webhooks } from './webhook-routing.ts';

type AcceptedStream = Accepted & { readonly stream: NonNullable<Accepted['stream']> };

/** Set once the house stands. */
export interface Rooms {
  readonly graphql: GraphqlFace;
  readonly webhooks?: Webhooks;
  /** Bounds what webhooks under way hold; absent: one with the default limits. */
  readonly intake?: WebhookIntake;
  /** Absent: there is no explorer. */
  readonly explorer?: Explorer;
  ready(): Promise<{ ready: boolean; body: unknown }>;
  metrics(): Promise<{ type: string; body: string }>;
  /** Public keys of the demo's own issuer, served at /.well-known/jwks.json. */
  readonly keys?: unknown;
  /** Public keys that sign answers and the audit log, served at /.well-known/isthmus-keys.json. */
  readonly signingKeys?: unknown;
  /** The stream that answers a request whose `accept` names one; null: JSON answers it. */
  stream?(
    request: IncomingMessage,
    given: { search: string; body: Buffer; principal: Principal | null; accepts: AcceptedStream },
  ): { readonly endless: boolean; write(response: ServerResponse, signal: AbortSignal): Promise<void> } | null;
  /** Resolves when it is this caller's turn; null: at once. Throws `HubError` when too many of its requests wait. Then `turned`, once. */
  readonly turns?: {
    turn(principal: Principal | null): Promise<void> | null;
    turned(principal: Principal | null): void;
  };
  /** Why this caller must wait, and how long; null when it may ask. */
  overdrawn?(principal: Principal | null): { readonly error: HubError; readonly milliseconds: number } | null;
  /** Counts what callers have been sent and have not read; absent: nobody does. */
  readonly unread?: UnreadBytes;
  /** Rejects with `HubError` when the caller is refused. */
  principal(request: IncomingMessage): Promise<Principal | null>;
}
