/** Publishes counts of payloads that a source sent and the hub rejected, for metrics. */
import { channel } from 'node:diagnostics_channel';

/** Rejected payloads of one installation: `kept`, or deleted because of the limit of bytes (`dropped`) or of age (`expired`). */
export interface RejectedPayloadsEvent {
  readonly source: string;
  readonly outcome: 'kept' | 'dropped' | 'expired';
  readonly count: number;
  readonly bytes: number;
}

const rejectedPayloadsChannel = channel('isthmus:payloads:refused');

/** Publishes the event, unless its count is 0. To be called after the commit. */
export function publishRejectedPayloads(event: RejectedPayloadsEvent): void {
  if (event.count > 0) rejectedPayloadsChannel.publish(event);
}
