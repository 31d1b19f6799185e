/** Writes responses: JSON, GraphQL errors with their HTTP status, redirects, and 429 with Retry-After. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GraphQLFormattedError } from 'graphql';
import type { HubError } from '../../connectors/kit/errors.ts';
import { prepareEarlyResponse } from '../../connectors/kit/protocols/early-response.ts';
import { GRAPHQL_RESPONSE, readAccept } from './content-negotiation.ts';
import type { GraphqlResponse } from './handlers.ts';
import { SECURITY_HEADERS } from './security/security-headers.ts';

/** Headers with the security headers, flat as `writeHead` takes them. A few header objects are used again and again. */
const flatHeaders = new WeakMap<GraphqlResponse['headers'], readonly string[]>();

/** Writes a whole response with the security headers. */
export function sendResponse(response: ServerResponse, content: GraphqlResponse): void {
  writeHead(response, content);
  response.end(content.body);
}

/** Writes the head of a whole response with the security headers; the body must follow. */
export function writeHead(response: ServerResponse, { status, headers, body }: GraphqlResponse): void {
  let flat = flatHeaders.get(headers);
  if (!flat) {
    flat = Object.entries({ ...SECURITY_HEADERS, ...headers }).flat();
    flatHeaders.set(headers, flat);
  }
  response.writeHead(status, [...flat, 'content-length', String(Buffer.byteLength(body))]);
}

/** Status by error code of a request that was rejected before execution; 400 for all other codes. */
const STATUS: Readonly<Record<string, number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  LIMIT_RATE: 429,
  INTERNAL: 500,
};
/** Codes for which both media types have an error status. */
const NOT_A_REQUEST = new Set<unknown>(['BAD_REQUEST', 'INTERNAL']);

/**
 * The status of a response without data (GraphQL over HTTP, section 6.4): with `application/graphql-response+json` an error status,
 * with `application/json` 200 for every well-formed request.
 */
export function statusFor(errors: readonly GraphQLFormattedError[], type: string): number {
  const codes = errors.map((error) => error.extensions?.['code']);
  if (!type.startsWith(GRAPHQL_RESPONSE) && !codes.some((code) => NOT_A_REQUEST.has(code))) return 200;
  return STATUS[String(codes[0])] ?? 400;
}

/** The response to a request that was rejected before execution: no data, in the media type that the client prefers. */
export function rejectedResponse(
  errors: readonly GraphQLFormattedError[],
  accept: string | undefined,
): GraphqlResponse {
  const type = `${readAccept(accept).jsonType}; charset=utf-8`;
  return { status: statusFor(errors, type), headers: { 'content-type': type }, body: JSON.stringify({ errors }) };
}

/** A response with one error and no data, as `application/json`. */
export function errorResponse(error: HubError, status: number): GraphqlResponse {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: JSON.stringify({ errors: [{ message: error.message, extensions: error.extensions }] }),
  };
}

/** Responds 429; Retry-After is the error's `retryAfter`, in seconds, or 1. */
export function sendTooManyRequests(request: IncomingMessage, response: ServerResponse, error: HubError): void {
  response.setHeader('retry-after', String(error.extensions['retryAfter'] ?? 1));
  sendAndClose(request, response, errorResponse(error, 429));
}

/** Responds before the body has been read; then closes the connection, since the rest of the body is not read. */
export function sendAndClose(request: IncomingMessage, response: ServerResponse, content: GraphqlResponse): void {
  if (!request.complete) {
    response.setHeader('connection', 'close');
    prepareEarlyResponse(request);
  }
  sendResponse(response, content);
}

/** Writes JSON. The security headers must have been set. */
export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}

/** Responds 302. The security headers must have been set. */
export function sendRedirect(response: ServerResponse, location: string): void {
  response.writeHead(302, { location });
  response.end();
}
