/** Channels of `node:diagnostics_channel` that connectors and host publish on; metrics subscribe. Listed in docs/operations.md. */
import { channel } from 'node:diagnostics_channel';

/** A call to a source has ended: `SourceCallEvent`. */
export const sourceCallChannel = channel('isthmus:source:call');
/** A source's state changed: {source, system, from, to, reason}. */
export const sourceStateChannel = channel('isthmus:source:state');
/** Events were committed: {installation, count}. */
export const eventsWrittenChannel = channel('isthmus:events:written');
/** Where the result of a read came from: `SourceReadEvent`. */
export const sourceReadChannel = channel('isthmus:source:answer');
