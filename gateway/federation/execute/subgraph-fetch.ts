/** Sends an operation to a subgraph, in this process or by its own transport; failures are responses with an error. */
import type { Subgraph, SubgraphError, SubgraphResponse } from '../../../connectors/kit/call.ts';
import { type SourceErrorCode, sourceErrorMessage } from '../../../connectors/kit/errors.ts';
import { compileInProcess, type InProcessOperation } from '../in-process/execute-in-process.ts';
import type { ErrorReporter } from '../respond/error-report.ts';
import type { Execution } from './execution.ts';

/** Sends one operation to one subgraph. Never throws or rejects: timeouts and failures are responses with an error. */
export type SubgraphFetch = (
  execution: Execution,
  variables: Record<string, unknown>,
) => SubgraphResponse | Promise<SubgraphResponse>;

const sourceError = (code: SourceErrorCode, source: string): SubgraphResponse => ({
  errors: [{ message: sourceErrorMessage(source, code), extensions: { code, source, retryable: true } }],
});

/** The error of a response that is not a valid GraphQL response. */
export const malformedResponse = (name: string): SubgraphError => ({
  message: sourceErrorMessage(name, 'SOURCE_MALFORMED'),
  extensions: { code: 'SOURCE_MALFORMED', source: name, retryable: false },
});

/** Created once per fetch of a plan. For a subgraph in this process the operation is compiled at the first request. */
export function createSubgraphFetch(
  getSubgraph: (name: string) => Subgraph,
  name: string,
  query: string,
  reportErrors: ErrorReporter,
): SubgraphFetch {
  const timedOut = (): SubgraphResponse => sourceError('SOURCE_TIMEOUT', name);
  const failed = (error: unknown): SubgraphResponse => {
    const { code } = error as { code?: unknown };
    if (code === 'SOURCE_TIMEOUT') return timedOut();
    if (code === 'SOURCE_MALFORMED') return { errors: [malformedResponse(name)] };
    return sourceError('SOURCE_UNAVAILABLE', name);
  };
  const received = (response: SubgraphResponse): SubgraphResponse => {
    if (response.errors && response.errors.length > 0)
      return { ...response, errors: reportErrors(name, response.errors) };
    return response.data ? response : { errors: [malformedResponse(name)] };
  };
  let inProcess: InProcessOperation | null | undefined;
  return (execution, variables) => {
    if (execution.deadline.isOver()) return timedOut();
    let response: SubgraphResponse | Promise<SubgraphResponse>;
    try {
      const subgraph = getSubgraph(name);
      if (inProcess === undefined)
        inProcess =
          subgraph.schema && subgraph.inProcess
            ? compileInProcess(subgraph.schema, query, subgraph.inProcess.toPublicError)
            : null;
      response = inProcess
        ? inProcess(variables, execution.context(subgraph))
        : subgraph.execute({ query, variables, call: execution.call });
    } catch (error) {
      return failed(error);
    }
    return 'then' in response ? execution.deadline.race(response.then(received, failed), timedOut) : received(response);
  };
}
