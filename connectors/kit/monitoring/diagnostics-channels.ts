/** Facts that rooms tell on `node:diagnostics_channel`; gateway/ops listens. docs/operations.md lists the names. */
import { channel } from 'node:diagnostics_channel';

/** One call to a source ended: `SourceCallFact`. */
export const sourceCalls = channel('isthmus:source:call');
/** A source's state changed: {source, system, from, to, reason}. */
export const sourceStates = channel('isthmus:source:state');
/** Events were committed: {installation, count}. */
export const eventsWritten = channel('isthmus:events:written');
/** Where one answer came from: `SourceAnswerFact`. */
export const sourceAnswers = channel('isthmus:source:answer');
