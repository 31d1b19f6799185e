/** HTTP headers of a call to a connector that runs in its own process. */
import { PRINCIPAL_HEADER, signPrincipal } from '../../connectors/kit/auth/principal-token.ts';
import type { Call } from '../../connectors/kit/call.ts';
import { systemClock } from '../../connectors/kit/clock.ts';
import { REMAINING_TIME_HEADER } from '../../connectors/kit/subgraph/subgraph-server.ts';

/** The caller, signed with the hub's key for this subgraph and body, and the milliseconds left until the call's deadline, at least 1. */
export const callHeaders =
  (key: Buffer, subgraph: string) =>
  (call: Call, body: string): Record<string, string> => ({
    [PRINCIPAL_HEADER]: signPrincipal(call.principal, { key, subgraph, body, now: systemClock.now().getTime() }),
    [REMAINING_TIME_HEADER]: String(Math.max(call.deadline - systemClock.monotonic(), 1)),
  });
