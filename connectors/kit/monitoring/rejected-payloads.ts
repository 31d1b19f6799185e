/** What sources sent and could not be understood, counted for metrics. */
import { channel } from 'node:diagnostics_channel';

/** Refused payloads of one installation: kept, or taken away by the bound of bytes (`dropped`) or of time (`expired`). */
export interface RefusedFact {
  readonly source: string;
  readonly outcome: 'kept' | 'dropped' | 'expired';
  readonly count: number;
  readonly bytes: number;
}

const refusedPayloads = channel('isthmus:payloads:refused');

/** Tells it, after the commit. Nothing is told of nothing. */
export function tellRefused(fact: RefusedFact): void {
  if (fact.count > 0) refusedPayloads.publish(fact);
}
