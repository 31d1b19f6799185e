/**
 * Subscriptions over plain HTTP, on the one `/graphql`: server-sent events (distinct connections mode of GraphQL over SSE, with
 * `Last-Event-ID` as cursor) and the multipart protocol of Apollo's clients. Same rights, same cursors, same deliveries as on a socket.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type GraphQLFormattedError, getOperationAST } from 'graphql';
import { callerOf, type Principal } from '../../../connectors/kit/auth/principal.ts';
import { HubError } from '../../../connectors/kit/errors.ts';
import { type Log, silentLog } from '../../../connectors/kit/log.ts';
import type { Operations } from '../../operation/operations.ts';
import type { OperationAnswer } from '../../operation/request.ts';
import { countAnswer, type UnreadBytes } from '../../trust/limits/unread-bytes.ts';
import { HEARTBEAT } from '../heartbeat.ts';
import { asHubError } from '../internal-error.ts';
import type { Deliveries } from '../subscription-registry.ts';
import { subscribe } from './delivery-iterator.ts';
import { type Delivery, MULTIPART, type Protocol, SSE } from './sse-and-multipart.ts';

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

/** A request whose `accept` names a stream. */
export interface StreamRequest {
  readonly search: string;
  readonly body: Buffer;
  readonly principal: Principal | null;
  readonly accepts: {
    readonly stream: keyof typeof PROTOCOLS;
    /** Whether JSON is accepted besides: then all but subscriptions is answered so. */
    readonly json: boolean;
    /** Media type of what is refused before the stream begins. */
    readonly jsonType: string;
  };
}

/** How a request is answered that is answered by a stream. */
export interface Stream {
  /** False: it ends with the one answer that it holds. */
  readonly endless: boolean;
  /** Writes the stream, or why it is refused. `signal` aborts when the client has gone. Never rejects with a `HubError`. */
  write(response: ServerResponse, signal: AbortSignal): Promise<void>;
}

export interface StreamParts {
  readonly operations: Operations;
  readonly deliveries: Deliveries;
  /** Counts what callers have not read; absent: nobody does. */
  readonly unread?: UnreadBytes;
  /** How often a client hears from a stream that is idle, in milliseconds; absent: `HEARTBEAT`. */
  readonly heartbeat?: number;
  /** For faults of the hub, which clients are told by an id. */
  readonly log?: Log;
}

interface Asked {
  readonly query: string;
  readonly operationName?: string | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
  readonly extensions?: Readonly<Record<string, unknown>>;
}

export interface StreamFace {
  /** The stream that answers a request; null: JSON answers it. The request has not been read further than `given` holds. */
  open(request: IncomingMessage, given: StreamRequest): Stream | null;
  /** Ends every stream without a word of completion, so that clients come again with their cursor: here, or to another replica. */
  close(): void;
}

const PROTOCOLS = { sse: SSE, multipart: MULTIPART } as const;

export function streamFace(parts: StreamParts): StreamFace {
  const { operations, unread, log = silentLog } = parts;
  const closing = new AbortController();

  const subscription = (request: IncomingMessage, given: StreamRequest, asked: Asked): Stream => ({
    endless: true,
    write: (response, gone) =>
      refusing(response, { ...given, log }, async () => {
        const after = request.headers['last-event-id'];
        const resumed = typeof after === 'string' && after !== '' ? resume(parts, asked, given, after) : asked;
        const { principal } = given;
        const signal = AbortSignal.any([gone, closing.signal]);
        const way = unread && { unread, sent: () => response.writableLength };
        const deliveries = await subscribe(parts, { ...resumed, principal, signal }, way);
        const protocol = PROTOCOLS[given.accepts.stream];
        const heartbeat = parts.heartbeat ?? HEARTBEAT;
        await write(response, { protocol, deliveries, principal, signal, heartbeat, operations, log });
      }),
  });

  /** A query or mutation of a client that accepts no JSON. */
  const single = (request: IncomingMessage, given: StreamRequest, asked: Asked): Stream => ({
    endless: false,
    write: (response, signal) =>
      refusing(response, { ...given, log }, async () => {
        const kind = getOperationAST(operations.parse(asked.query, given.principal), asked.operationName)?.operation;
        if (kind === 'mutation' && request.method === 'GET') throw bad('A mutation is sent by POST.');
        const answer = await operations.run({ ...asked, principal: given.principal, signal });
        const full = unread?.refusal(callerOf(given.principal));
        if (full) throw full;
        if (answer.data === undefined) refuse(response, given, answer.errors ?? []);
        else writeOne(response, PROTOCOLS[given.accepts.stream], answer);
        if (unread) countAnswer(unread, callerOf(given.principal), response);
      }),
  });

  return {
    open: (request, given) => {
      const { json, stream } = given.accepts;
      let asked: Asked;
      try {
        asked = read(request, given);
      } catch (error) {
        if (!(error instanceof HubError)) throw error;
        // Whatever is wrong with it, who accepts JSON is answered in JSON.
        if (json || stream === 'multipart') return null;
        const errors = [{ message: error.message, extensions: error.extensions }];
        return { endless: false, write: async (response) => refuse(response, given, errors) };
      }
      if (operations.isSubscription(asked.query, asked.operationName)) return subscription(request, given, asked);
      return json || stream === 'multipart' ? null : single(request, given, asked);
    },
    close: () => closing.abort(),
  };
}

/** Does the work; a `HubError` before the stream begins is the answer. */
async function refusing(
  response: ServerResponse,
  given: StreamRequest & { readonly log: Log },
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof HubError) || response.headersSent) throw error;
    const { message, extensions } = asHubError(error, given.log);
    refuse(response, given, [{ message, extensions }]);
  }
}

/** Answers what is refused before the stream begins: no stream, and no data. */
function refuse(response: ServerResponse, given: StreamRequest, errors: readonly GraphQLFormattedError[]): void {
  const status = STATUS[errors[0]?.extensions?.['code'] as HubError['code']] ?? 400;
  response.writeHead(status, { 'content-type': `${given.accepts.jsonType}; charset=utf-8` });
  response.end(JSON.stringify({ errors }));
}

/** Wishes such as `provenance` or `sign`, where they are an object. */
const asExtensions = (raw: unknown): { extensions?: Readonly<Record<string, unknown>> } =>
  typeof raw === 'object' && raw !== null ? { extensions: raw as Record<string, unknown> } : {};

const bad = (message: string): HubError => new HubError('BAD_REQUEST', message);

/** What is asked. Throws a `HubError` where it cannot be read, or where a page could have sent it without a preflight. */
function read(request: IncomingMessage, { search, body }: StreamRequest): Asked {
  const isPost = request.method === 'POST';
  if (!isPost && request.method !== 'GET') throw bad('A stream is asked for by POST or GET.');
  if (isPost && !/^application\/json\b/i.test(String(request.headers['content-type'] ?? '')))
    throw bad('A stream is asked for by POST with content-type application/json, or by GET.');
  let raw: Record<string, unknown>;
  try {
    if (isPost) raw = JSON.parse(body.toString('utf8'));
    else {
      const given = new URLSearchParams(search);
      raw = { query: given.get('query') ?? undefined, operationName: given.get('operationName') ?? undefined };
      const variables = given.get('variables');
      if (variables) raw['variables'] = JSON.parse(variables);
    }
  } catch {
    throw bad(isPost ? 'The body is not JSON.' : 'The variables are not JSON.');
  }
  const { query, operationName, variables, extensions } = raw ?? {};
  if (typeof query !== 'string' || query === '') throw bad('The request has no query.');
  if (variables != null && (typeof variables !== 'object' || Array.isArray(variables)))
    throw bad('The variables must be an object.');
  if (operationName != null && typeof operationName !== 'string') throw bad('The operationName must be text.');
  return {
    query,
    // Empty is absent, as GraphQL over HTTP says.
    operationName: operationName || undefined,
    variables: (variables ?? undefined) as Asked['variables'],
    ...asExtensions(extensions),
  };
}

/** What the browser remembers by itself takes the place of `after`. */
function resume(parts: StreamParts, asked: Asked, given: StreamRequest, cursor: string): Asked {
  const { afterVariable } = parts.deliveries.check({ ...asked, principal: given.principal });
  if (!afterVariable)
    throw bad('Last-Event-ID resumes only a subscription that takes its place as a variable: events(after: $after).');
  return { ...asked, variables: { ...asked.variables, [afterVariable]: cursor } };
}

function writeOne(response: ServerResponse, protocol: Protocol, answer: OperationAnswer): void {
  response.writeHead(200, protocol.headers);
  const { data, errors, extensions } = answer;
  response.write(protocol.next(Buffer.from(JSON.stringify({ data, errors, extensions })), null));
  response.end(protocol.complete);
}

async function write(
  response: ServerResponse,
  {
    protocol,
    deliveries,
    principal,
    signal,
    heartbeat,
    operations,
    log,
  }: {
    readonly protocol: Protocol;
    readonly deliveries: AsyncGenerator<Delivery, void>;
    readonly principal: Principal | null;
    readonly signal: AbortSignal;
    readonly heartbeat: number;
    readonly operations: Operations;
    readonly log: Log;
  },
): Promise<void> {
  response.writeHead(200, protocol.headers);
  response.write(protocol.begin);
  const heart = setInterval(() => {
    if (!response.writableNeedDrain) response.write(protocol.heartbeat);
  }, heartbeat);
  // A token's end is the stream's end, also where the wall clock was set; the client comes again with a fresh one.
  const cancel = operations.onExpiry(principal, () => void deliveries.return());
  try {
    for await (const delivery of deliveries) {
      if (operations.expired(principal)) break;
      const part = protocol.next(delivery.bytes(), delivery);
      if (!response.write(part) && !(await drained(response, signal))) break;
    }
    // No word of completion: the hub goes down or the token ended, and the client is to come again.
    response.end();
  } catch (error) {
    if (operations.expired(principal)) {
      response.end();
      return;
    }
    const known = asHubError(error, log);
    response.write(protocol.failed(JSON.stringify([{ message: known.message, extensions: known.extensions }])));
    response.end(protocol.complete);
  } finally {
    clearInterval(heart);
    cancel();
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
