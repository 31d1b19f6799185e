/** Errors of subgraphs without a code, which clients see as INTERNAL: those of one answer get an id, under which the log has their messages. */
import type { SubgraphError } from '../../../connectors/kit/connector.ts';
import type { Log } from '../../../connectors/kit/log.ts';

/** The errors of one answer of a subgraph, as they are passed on. */
export type Report = (subgraph: string, errors: readonly SubgraphError[]) => readonly SubgraphError[];

/** Messages of one answer that are logged, and characters of each. */
const MESSAGES = 5;
const LONGEST = 500;

export function makeReport(log: Log | undefined, newId: () => string): Report {
  return (subgraph, errors) => {
    const uncoded = errors.filter(isUncoded);
    if (uncoded.length === 0) return errors;
    const errorId = newId();
    log?.error('A subgraph reported errors without a code.', {
      errorId,
      subgraph,
      count: uncoded.length,
      path: uncoded[0]?.path?.join('.'),
      messages: uncoded.slice(0, MESSAGES).map((one) => one.message.slice(0, LONGEST)),
    });
    return errors.map((one) => (isUncoded(one) ? { ...one, extensions: { ...one.extensions, errorId } } : one));
  };
}

/** Without a code, or with the one that Apollo Server gives what was thrown; and without an id of the subgraph's own. */
function isUncoded({ extensions }: SubgraphError): boolean {
  const code = extensions?.['code'] ?? 'INTERNAL';
  return (code === 'INTERNAL' || code === 'INTERNAL_SERVER_ERROR') && typeof extensions?.['errorId'] !== 'string';
}
