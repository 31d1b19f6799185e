/** Internal errors of subscriptions: clients receive an errorId, and the log has the error with the same id. */
import { randomUUID } from 'node:crypto';
import { GraphQLError } from 'graphql';
import { HubError, INTERNAL_MESSAGE } from '../../connectors/kit/errors.ts';
import type { Log } from '../../connectors/kit/log.ts';
import type { OperationResponse } from '../operation/request.ts';

/** The error as the client may see it. Logs everything but a `HubError` with another code or with an errorId, and adds an errorId. */
export function toClientError(error: unknown, log: Log): HubError {
  if (error instanceof HubError && (error.code !== 'INTERNAL' || error.extensions['errorId'] !== undefined))
    return error;
  const errorId = randomUUID();
  log.error('Subscription failed.', { errorId, error });
  const { message, extensions } = error instanceof HubError ? error : { message: INTERNAL_MESSAGE, extensions: {} };
  return new HubError('INTERNAL', message, { ...extensions, errorId });
}

/** The same as a `GraphQLError`, for graphql-ws. */
export function toGraphQLError(error: unknown, log: Log): GraphQLError {
  if (error instanceof GraphQLError)
    return new GraphQLError(error.message, { extensions: { code: 'GRAPHQL_PARSE_FAILED' } });
  const { message, extensions } = toClientError(error, log);
  return new GraphQLError(message, { extensions: { ...extensions } });
}

/** The response with an errorId in each INTERNAL error; logs those that had none. */
export function withErrorIds(response: OperationResponse, log: Log): OperationResponse {
  const lacksId = ({ extensions }: { readonly extensions?: Readonly<Record<string, unknown>> }) =>
    extensions?.['code'] === 'INTERNAL' && extensions['errorId'] === undefined;
  if (!response.errors?.some(lacksId)) return response;
  const errorId = randomUUID();
  log.error('Subscription delivery failed.', { errorId, errors: response.errors.map((error) => error.message) });
  const errors = response.errors.map((error) =>
    lacksId(error) ? { ...error, extensions: { ...error.extensions, errorId } } : error,
  );
  return { ...response, errors };
}
