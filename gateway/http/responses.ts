/** Writing answers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GraphQLFormattedError } from 'graphql';
import type { HubError } from '../../connectors/kit/errors.ts';
import { leaveUnread } from '../../connectors/kit/protocols/early-response.ts';
import type { GraphqlAnswer } from './apollo-server.ts';
import { GRAPHQL_RESPONSE, readAccept } from './content-negotiation.ts';
import { SHIELD } from './security/security-headers.ts';

/** Headers as they go out, with those of the shield. The same few objects come again and again. */
const outgoing = new WeakMap<GraphqlAnswer['headers'], readonly string[]>();

/** Writes a whole answer under the shield. */
export function send(response: ServerResponse, { status, headers, body }: GraphqlAnswer): void {
  let flat = outgoing.get(headers);
  if (!flat) {
    flat = Object.entries({ ...SHIELD, ...headers }).flat();
    outgoing.set(headers, flat);
  }
  response.writeHead(status, [...flat, 'content-length', String(Buffer.byteLength(body))]);
  response.end(body);
}

/** Of what is refused before execution, where it is not 400. */
const STATUS: Readonly<Record<string, number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  LIMIT_RATE: 429,
  INTERNAL: 500,
};
/** Codes of what is no GraphQL request at all: 400 in both media types. */
const NO_REQUEST = new Set<unknown>(['BAD_REQUEST', 'INTERNAL']);

/**
 * The status of an answer without data (GraphQL over HTTP, section 6.4): the newer media type says by it that nothing was executed, in
 * `application/json` such an answer is one like any other.
 */
export function statusOf(errors: readonly GraphQLFormattedError[], type: string): number {
  const codes = errors.map((one) => one.extensions?.['code']);
  if (!type.startsWith(GRAPHQL_RESPONSE) && !codes.some((one) => NO_REQUEST.has(one))) return 200;
  return STATUS[String(codes[0])] ?? 400;
}

/** What is refused before execution: without data, in the media type that the client asks for. */
export function refusedAnswer(errors: readonly GraphQLFormattedError[], accept: string | undefined): GraphqlAnswer {
  const type = `${readAccept(accept).jsonType}; charset=utf-8`;
  return { status: statusOf(errors, type), headers: { 'content-type': type }, body: JSON.stringify({ errors }) };
}

/** An answer with one error and no data. */
export function fault(error: HubError, status: number): GraphqlAnswer {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: JSON.stringify({ errors: [{ message: error.message, extensions: error.extensions }] }),
  };
}

/** Says that the caller must wait, and for how long. */
export function tooMany(request: IncomingMessage, response: ServerResponse, error: HubError): void {
  response.setHeader('retry-after', String(error.extensions['retryAfter'] ?? 1));
  cut(request, response, fault(error, 429));
}

/** Answers a request that is not read to its end, and ends the connection: what still comes would be for nobody. */
export function cut(request: IncomingMessage, response: ServerResponse, answer: GraphqlAnswer): void {
  if (!request.complete) {
    response.setHeader('connection', 'close');
    leaveUnread(request);
  }
  send(response, answer);
}

/** `shield` has been called. */
export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}

export function redirect(response: ServerResponse, to: string): void {
  response.writeHead(302, { location: to });
  response.end();
}
