/** What the socket's protocol is told of faults. */
import { GraphQLError } from 'graphql';
import { HubError } from '../../connectors/kit/errors.ts';

/** A fault as a client may see it. */
export const shown = (error: unknown): GraphQLError =>
  error instanceof HubError
    ? new GraphQLError(error.message, { extensions: { ...error.extensions } })
    : error instanceof GraphQLError
      ? new GraphQLError(error.message, { extensions: { code: 'GRAPHQL_PARSE_FAILED' } })
      : new GraphQLError('Something went wrong in the hub.', { extensions: { code: 'INTERNAL' } });
