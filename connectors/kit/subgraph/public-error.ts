/** The errors of a subgraph as clients may see them. */
import { randomUUID } from 'node:crypto';
import { GraphQLError } from 'graphql';
import type { SubgraphError } from '../call.ts';
import { HubError, publicError } from '../errors.ts';
import type { Log } from '../log.ts';

/** Start of the error messages of `getArgumentValues` in graphql-js. */
const ARGUMENT_ERROR = /^Argument "\w+" (has invalid value|of (required|non-null) type) /;
/** Characters of a message that contains client input. */
const MAX_MESSAGE_LENGTH = 400;

/** The error as clients may see it. An internal error is logged in full under the `errorId` that the client gets. */
export function toPublicError(error: GraphQLError, subgraph: string, log: Log): SubgraphError {
  const path = error.path ? { path: error.path } : {};
  const original = error.originalError;
  // Without a path, the error occurred before execution: an invalid variable.
  if (error.path === undefined && !(original instanceof HubError)) {
    return { message: error.message, extensions: { code: 'BAD_USER_INPUT' } };
  }
  // An invalid argument: the error of a scalar, as it is or wrapped by graphql-js, or an error of graphql-js.
  const isGraphqlError = original === undefined || original instanceof GraphQLError;
  if (isGraphqlError && (error.extensions['code'] === 'BAD_USER_INPUT' || ARGUMENT_ERROR.test(error.message))) {
    return { message: error.message.slice(0, MAX_MESSAGE_LENGTH), ...path, extensions: { code: 'BAD_USER_INPUT' } };
  }
  const errorId = randomUUID();
  const safe = publicError(original ?? error, () => errorId);
  if (safe.extensions['code'] === 'INTERNAL') {
    log.error(`Resolver of ${subgraph} failed with an internal error.`, {
      errorId,
      subgraph,
      path: error.path?.join('.'),
      error: original ?? error,
    });
  }
  return { message: safe.message, ...path, extensions: safe.extensions };
}
