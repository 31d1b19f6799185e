/** What the socket's protocol is told of answers and faults. */
import { type ExecutionResult, GraphQLError } from 'graphql';
import { HubError } from '../../connectors/kit/errors.ts';
import type { OperationAnswer } from '../operation.ts';

/** A fault as a client may see it. */
export const shown = (error: unknown): GraphQLError =>
  error instanceof HubError
    ? new GraphQLError(error.message, { extensions: { ...error.extensions } })
    : error instanceof GraphQLError
      ? new GraphQLError(error.message, { extensions: { code: 'GRAPHQL_PARSE_FAILED' } })
      : new GraphQLError('Something went wrong in the hub.', { extensions: { code: 'INTERNAL' } });

/** An answer of the operation as graphql-ws takes it. */
export const asResult = (answer: OperationAnswer): ExecutionResult => ({
  ...(answer.data === undefined ? {} : { data: answer.data }),
  ...(answer.errors
    ? {
        errors: answer.errors.map(
          (one) => new GraphQLError(one.message, { path: one.path ?? null, extensions: one.extensions ?? null }),
        ),
      }
    : {}),
  ...(answer.extensions ? { extensions: answer.extensions } : {}),
});
