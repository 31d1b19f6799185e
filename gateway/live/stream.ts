/**
 * Subscriptions over plain HTTP, on the one `/graphql`: server-sent events (distinct connections mode of GraphQL over SSE, with
 * `Last-Event-ID` as cursor) and the multipart protocol of Apollo's clients. Same rights, same cursors, same deliveries as on a socket.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type GraphQLFormattedError, getOperationAST } from 'graphql';
import { HubError } from '../../connectors/kit/errors.ts';
import { type Log, silentLog } from '../../connectors/kit/log.ts';
import type { Principal } from '../../connectors/kit/principal.ts';
import type { Operations } from '../operation/index.ts';
import type { OperationAnswer } from '../operation/request.ts';
import type { Deliveries } from './deliveries.ts';
import { asHubError } from './internal-fault.ts';
import { type Delivery, MULTIPART, type Protocol, SSE } from './stream-protocol.ts';
import { subscribe } from './subscribe.ts';

/** How often a client hears that the connection stands, in milliseconds: below what proxies wait. */
const HEARTBEAT = 10_000;
/** A client that takes nothing for this long is let go, in milliseconds. */
const PATIENCE = 60_000;

/** Of what is refused before the stream begins; 400 for all else. */
const STATUS: Partial<Record<HubError['code'], number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  LIMIT_RATE: 429,
  INTERNAL: 500,
  SOURCE_UNAVAILABLE: 503,
};

export interface StreamRequest {
  readonly search: string;
  readonly body: Buffer;
  readonly principal: Principal | null;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
}

export interface StreamParts {
  readonly operations: Operations;
  readonly deliveries: Deliveries;
  /** For faults of the hub, which clients are told by an id. */
  readonly log?: Log;
  /** Whether a page of the request's origin may ask. */
  originAllowed(request: IncomingMessage): boolean;
}

interface Asked {
  readonly query: string;
  readonly operationName?: string | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
}

export interface StreamFace {
  /** Answers requests that ask for a stream; false: the request asks for something else and is untouched. */
  answer(request: IncomingMessage, response: ServerResponse, given: StreamRequest): Promise<boolean>;
  /** Ends every stream without a word of completion, so that clients come again with their cursor: here, or to another replica. */
  close(): void;
}

export function streamFace(parts: StreamParts): StreamFace {
  const closing = new AbortController();
  const answer = async (request: IncomingMessage, response: ServerResponse, given: StreamRequest): Promise<boolean> => {
    const accept = String(request.headers.accept ?? '');
    const protocol = /\btext\/event-stream\b/i.test(accept)
      ? SSE
      : /\bmultipart\/mixed\b[^,]*subscriptionSpec/i.test(accept)
        ? MULTIPART
        : null;
    if (!protocol) return false;
    try {
      guard(request, parts);
      const asked = read(request, given);
      const document = parts.operations.parse(asked.query);
      const kind = getOperationAST(document, asked.operationName)?.operation;
      if (kind !== 'subscription') {
        if (protocol === MULTIPART) return false;
        if (kind === 'mutation' && request.method === 'GET') throw bad('A mutation is sent by POST.');
        const extensions = request.method === 'GET' ? undefined : JSON.parse(given.body.toString('utf8')).extensions;
        const answer = await parts.operations.run({ ...asked, ...given, ...asExtensions(extensions) });
        if (answer.data === undefined) refuse(response, answer.errors ?? []);
        else await single(response, protocol, answer);
        return true;
      }
      const after = request.headers['last-event-id'];
      const resumed = typeof after === 'string' && after !== '' ? resume(parts, asked, given, after) : asked;
      const { principal } = given;
      const signal = AbortSignal.any([given.signal, closing.signal]);
      const deliveries = await subscribe(parts, { ...resumed, principal, signal });
      await write(response, protocol, deliveries, { ...given, signal }, parts.log ?? silentLog);
    } catch (error) {
      if (!(error instanceof HubError) || response.headersSent) throw error;
      const { message, extensions } = asHubError(error, parts.log ?? silentLog);
      refuse(response, [{ message, extensions }]);
    }
    return true;
  };
  return { answer, close: () => closing.abort() };
}

/** Answers what is refused before the stream begins: no stream, and no data. */
function refuse(response: ServerResponse, errors: readonly GraphQLFormattedError[]): void {
  const status = STATUS[errors[0]?.extensions?.['code'] as HubError['code']] ?? 400;
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify({ errors }));
}

/** Wishes such as `provenance` or `sign`, where they are an object. */
const asExtensions = (raw: unknown): { extensions?: Readonly<Record<string, unknown>> } =>
  typeof raw === 'object' && raw !== null ? { extensions: raw as Record<string, unknown> } : {};

const bad = (message: string): HubError => new HubError('BAD_REQUEST', message);

/** A page elsewhere must not be able to ask in its visitor's name: JSON needs the browser's leave, a GET must come from here. */
function guard(request: IncomingMessage, parts: StreamParts): void {
  if (request.method === 'POST') {
    if (!/^application\/json\b/i.test(String(request.headers['content-type'] ?? '')))
      throw bad('A stream is asked for by POST with content-type application/json, or by GET.');
  } else if (request.method !== 'GET') throw bad('A stream is asked for by POST or GET.');
  const site = request.headers['sec-fetch-site'];
  if (site === 'cross-site' || !parts.originAllowed(request))
    throw new HubError('FORBIDDEN', 'Pages of other origins may not open streams here.');
}

function read(request: IncomingMessage, { search, body }: StreamRequest): Asked {
  let raw: Record<string, unknown>;
  try {
    if (request.method === 'POST') raw = JSON.parse(body.toString('utf8'));
    else {
      const given = new URLSearchParams(search);
      raw = { query: given.get('query') ?? undefined, operationName: given.get('operationName') ?? undefined };
      const variables = given.get('variables');
      if (variables) raw['variables'] = JSON.parse(variables);
    }
  } catch {
    throw bad(request.method === 'POST' ? 'The body is not JSON.' : 'The variables are not JSON.');
  }
  const { query, operationName, variables } = raw ?? {};
  if (typeof query !== 'string' || query === '') throw bad('The request has no query.');
  if (variables != null && (typeof variables !== 'object' || Array.isArray(variables)))
    throw bad('The variables must be an object.');
  if (operationName != null && typeof operationName !== 'string') throw bad('The operationName must be text.');
  return {
    query,
    // Empty is absent, as GraphQL over HTTP says.
    operationName: operationName || undefined,
    variables: (variables ?? undefined) as Asked['variables'],
  };
}

/** What the browser remembers by itself takes the place of `after`. */
function resume(parts: StreamParts, asked: Asked, given: StreamRequest, cursor: string): Asked {
  const { afterVariable } = parts.deliveries.check({ ...asked, principal: given.principal });
  if (!afterVariable)
    throw bad('Last-Event-ID resumes only a subscription that takes its place as a variable: events(after: $after).');
  return { ...asked, variables: { ...asked.variables, [afterVariable]: cursor } };
}

async function single(response: ServerResponse, protocol: Protocol, answer: OperationAnswer): Promise<void> {
  response.writeHead(200, protocol.headers);
  const { data, errors, extensions } = answer;
  response.write(protocol.next(Buffer.from(JSON.stringify({ data, errors, extensions })), null));
  response.end(protocol.complete);
}

async function write(
  response: ServerResponse,
  protocol: Protocol,
  deliveries: AsyncGenerator<Delivery, void>,
  { principal, signal }: StreamRequest,
  log: Log,
): Promise<void> {
  response.writeHead(200, protocol.headers);
  response.write(protocol.begin);
  const heart = setInterval(() => {
    if (!response.writableNeedDrain) response.write(protocol.heartbeat);
  }, HEARTBEAT);
  // A token's end is the stream's end; the client comes again with a fresh one.
  const expires = principal?.expires == null ? null : Math.min(principal.expires - Date.now(), 2 ** 31 - 1);
  const expiry = expires === null ? undefined : setTimeout(() => void deliveries.return(), Math.max(expires, 0));
  try {
    for await (const delivery of deliveries) {
      const part = protocol.next(delivery.bytes(), delivery);
      if (!response.write(part) && !(await drained(response, signal))) break;
    }
    // No word of completion: the hub goes down or the token ended, and the client is to come again.
    response.end();
  } catch (error) {
    const known = asHubError(error, log);
    response.write(protocol.failed(JSON.stringify([{ message: known.message, extensions: known.extensions }])));
    response.end(protocol.complete);
  } finally {
    clearInterval(heart);
    clearTimeout(expiry);
  }
}

/** True when there is room again; a client that takes nothing for a minute is cut off, and comes again behind its cursor. */
function drained(response: ServerResponse, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (room: boolean) => {
      clearTimeout(timer);
      response.off('drain', onDrain);
      signal.removeEventListener('abort', onAbort);
      resolve(room);
    };
    const onDrain = () => done(true);
    const onAbort = () => done(false);
    const timer = setTimeout(() => {
      response.destroy();
      done(false);
    }, PATIENCE);
    response.once('drain', onDrain);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) done(false);
  });
}
