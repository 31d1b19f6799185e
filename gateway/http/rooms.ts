/** What the doors lead to. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HubError } from '../../connectors/kit/errors.ts';
import type { Principal } from '../../connectors/kit/principal.ts';
import type { Explorer } from './explorer.ts';
import type { GraphqlFace } from './graphql.ts';
import type { Webhooks } from './webhooks.ts';

/** Set once the house stands. */
export interface Rooms {
  readonly graphql: GraphqlFace;
  readonly webhooks?: Webhooks;
  /** Absent: there is no explorer. */
  readonly explorer?: Explorer;
  ready(): Promise<{ ready: boolean; body: unknown }>;
  metrics(): Promise<{ type: string; body: string }>;
  /** Public keys of the demo's own issuer, served at /.well-known/jwks.json. */
  readonly keys?: unknown;
  /** Public keys that sign answers and the audit log, served at /.well-known/isthmus-keys.json. */
  readonly signingKeys?: unknown;
  /** Answers requests for a stream of answers; false: it asks for something else. */
  stream?(
    request: IncomingMessage,
    response: ServerResponse,
    given: { search: string; body: Buffer; principal: Principal | null; signal: AbortSignal },
  ): Promise<boolean>;
  /** Resolves when it is this caller's turn; null: at once. Throws `HubError` when too many of its requests wait. Then `turned`, once. */
  readonly turns?: {
    turn(principal: Principal | null): Promise<void> | null;
    turned(principal: Principal | null): void;
  };
  /** Why this caller must wait, and how long; null when it may ask. */
  overdrawn?(principal: Principal | null): { readonly error: HubError; readonly milliseconds: number } | null;
  /** Rejects with `HubError` when the caller is refused. */
  principal(request: IncomingMessage): Promise<Principal | null>;
}
