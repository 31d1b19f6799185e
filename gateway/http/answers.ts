/** Writing answers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HubError } from '../../connectors/kit/errors.ts';
import type { GraphqlAnswer } from './graphql.ts';
import { SHIELD } from './shield.ts';

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
    response.once('finish', () => setTimeout(() => request.destroy(), 100).unref());
    request.resume();
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
