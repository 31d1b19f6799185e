/** Logs errors of subgraphs without a code, which clients see as INTERNAL, and adds an errorId that connects them with the log. */
import type { SubgraphError } from '../../../connectors/kit/call.ts';
import type { Log } from '../../../connectors/kit/log.ts';

/** Takes the errors of one response and returns them with an errorId where there is no code. */
export type ErrorReporter = (subgraph: string, errors: readonly SubgraphError[]) => readonly SubgraphError[];

/** Logged messages of one response, and characters of each. */
const MAX_MESSAGES = 5;
const MAX_MESSAGE_LENGTH = 500;

/** One line is logged for each response. */
export function createErrorReporter(log: Log | undefined, newId: () => string): ErrorReporter {
  return (subgraph, errors) => {
    const withoutCode = errors.filter(hasNoCode);
    if (withoutCode.length === 0) return errors;
    const errorId = newId();
    log?.error('Subgraph returned errors without a code.', {
      errorId,
      subgraph,
      count: withoutCode.length,
      path: withoutCode[0]?.path?.join('.'),
      messages: withoutCode.slice(0, MAX_MESSAGES).map((error) => error.message.slice(0, MAX_MESSAGE_LENGTH)),
    });
    return errors.map((error) =>
      hasNoCode(error) ? { ...error, extensions: { ...error.extensions, errorId } } : error,
    );
  };
}

/** Whether it has neither a code (other than Apollo Server's code of thrown errors) nor an errorId of the subgraph. */
function hasNoCode({ extensions }: SubgraphError): boolean {
  const code = extensions?.['code'] ?? 'INTERNAL';
  return (code === 'INTERNAL' || code === 'INTERNAL_SERVER_ERROR') && typeof extensions?.['errorId'] !== 'string';
}
