/** Faults of the hub itself in live delivery: clients get an id, and the log has the fault under it. */
import { randomUUID } from 'node:crypto';
import { GraphQLError } from 'graphql';
import { HubError } from '../../connectors/kit/errors.ts';
import type { Log } from '../../connectors/kit/log.ts';
import type { OperationAnswer } from '../operation/request.ts';

/** A fault as a client may see it. What is no `HubError`, and an INTERNAL one without an id, gets one and is logged. */
export function asHubError(error: unknown, log: Log): HubError {
  if (error instanceof HubError && (error.code !== 'INTERNAL' || error.extensions['errorId'] !== undefined))
    return error;
  const errorId = randomUUID();
  log.error('A subscription failed.', { errorId, error });
  const { message, extensions } = error instanceof HubError ? error : { message: UNKNOWN, extensions: {} };
  return new HubError('INTERNAL', message, { ...extensions, errorId });
}

const UNKNOWN = 'Something went wrong in the hub.';

/** The same for the socket's protocol. */
export function shown(error: unknown, log: Log): GraphQLError {
  if (error instanceof GraphQLError)
    return new GraphQLError(error.message, { extensions: { code: 'GRAPHQL_PARSE_FAILED' } });
  const { message, extensions } = asHubError(error, log);
  return new GraphQLError(message, { extensions: { ...extensions } });
}

/** An answer whose INTERNAL errors all have an id. */
export function identified(answer: OperationAnswer, log: Log): OperationAnswer {
  const lacks = ({ extensions }: { readonly extensions?: Readonly<Record<string, unknown>> }) =>
    extensions?.['code'] === 'INTERNAL' && extensions['errorId'] === undefined;
  if (!answer.errors?.some(lacks)) return answer;
  const errorId = randomUUID();
  log.error('A delivery of a subscription failed.', { errorId, errors: answer.errors.map((one) => one.message) });
  const errors = answer.errors.map((one) =>
    lacks(one) ? { ...one, extensions: { ...one.extensions, errorId } } : one,
  );
  return { ...answer, errors };
}
