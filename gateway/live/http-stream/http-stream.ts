/**
 * Subscriptions over HTTP at `/graphql`: server-sent events (distinct connections mode of GraphQL over SSE, with `Last-Event-ID` as
 * cursor) and the multipart protocol of Apollo's clients. Rights, cursors and deliveries are those of WebSockets.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type GraphQLFormattedError, getOperationAST } from 'graphql';
import { callerKey, type Principal } from '../../../connectors/kit/auth/principal.ts';
import { HubError } from '../../../connectors/kit/errors.ts';
import { type Log, silentLog } from '../../../connectors/kit/log.ts';
import type { Operations } from '../../operation/operations.ts';
import type { OperationResponse } from '../../operation/request.ts';
import { trackResponse, type UnreadBytes } from '../../trust/limits/unread-bytes.ts';
import type { Delivery } from '../delivery.ts';
import { HEARTBEAT_INTERVAL } from '../heartbeat.ts';
import { toClientError } from '../internal-error.ts';
import type { SubscriptionRegistry } from '../subscription-registry.ts';
import { iterateDeliveries } from './delivery-iterator.ts';
import { badRequest, type OperationInput, parseOperation } from './parse-operation.ts';
import { MULTIPART, SSE, type StreamProtocol } from './sse-and-multipart.ts';

/** Milliseconds after which a client that reads nothing is disconnected. */
const READ_TIMEOUT = 60_000;

/** Status by error code before the stream starts; 400 for all other codes. */
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
    /** Whether JSON is accepted, too; then only subscriptions are streamed. */
    readonly json: boolean;
    /** Media type of errors before the stream starts. */
    readonly jsonType: string;
  };
}

/** A response that is streamed. */
export interface StreamResponse {
  /** False: it ends after one response. */
  readonly endless: boolean;
  /** Writes the stream, or the error. `signal` aborts when the client disconnects. Never rejects with a `HubError`. */
  write(response: ServerResponse, signal: AbortSignal): Promise<void>;
}

export interface HttpStreamOptions {
  readonly operations: Operations;
  readonly subscriptions: SubscriptionRegistry;
  /** Counts callers' unread bytes; absent: they are not counted. */
  readonly unread?: UnreadBytes;
  /** Milliseconds between comments on an idle stream; default: `HEARTBEAT_INTERVAL`. */
  readonly heartbeat?: number;
  /** Receives internal errors, of which clients receive only the errorId. */
  readonly log?: Log;
}

export interface HttpStreams {
  /** The stream for a request; null when the response is JSON. */
  open(request: IncomingMessage, streamRequest: StreamRequest): StreamResponse | null;
  /** Ends every stream without `complete`, so that clients reconnect with their cursor, to this or another replica. */
  close(): void;
}

const PROTOCOLS = { sse: SSE, multipart: MULTIPART } as const;

export function createHttpStreams(options: HttpStreamOptions): HttpStreams {
  const { operations, unread, log = silentLog } = options;
  const closing = new AbortController();

  const subscription = (
    request: IncomingMessage,
    streamRequest: StreamRequest,
    operation: OperationInput,
  ): StreamResponse => ({
    endless: true,
    write: (response, disconnected) =>
      respondWithErrors(response, { ...streamRequest, log }, async () => {
        const after = request.headers['last-event-id'];
        const resumed =
          typeof after === 'string' && after !== '' ? resume(options, operation, streamRequest, after) : operation;
        const { principal } = streamRequest;
        const signal = AbortSignal.any([disconnected, closing.signal]);
        const unreadOptions = unread && { unread, sent: () => response.writableLength };
        const deliveries = await iterateDeliveries(options, { ...resumed, principal, signal }, unreadOptions);
        const protocol = PROTOCOLS[streamRequest.accepts.stream];
        const heartbeat = options.heartbeat ?? HEARTBEAT_INTERVAL;
        await writeStream(response, { protocol, deliveries, principal, signal, heartbeat, operations, log });
      }),
  });

  /** A query or mutation of a client that accepts no JSON. */
  const single = (
    request: IncomingMessage,
    streamRequest: StreamRequest,
    operation: OperationInput,
  ): StreamResponse => ({
    endless: false,
    write: (response, signal) =>
      respondWithErrors(response, { ...streamRequest, log }, async () => {
        const document = operations.documents.parse(operation.query, streamRequest.principal);
        const kind = getOperationAST(document, operation.operationName)?.operation;
        if (kind === 'mutation' && request.method === 'GET')
          throw badRequest('Mutations are not allowed by GET. Use POST.');
        const result = await operations.run({ ...operation, principal: streamRequest.principal, signal });
        const tooMuchUnread = unread?.rejection(callerKey(streamRequest.principal));
        if (tooMuchUnread) throw tooMuchUnread;
        if (result.data === undefined) sendErrors(response, streamRequest, result.errors ?? []);
        else sendSingle(response, PROTOCOLS[streamRequest.accepts.stream], result);
        if (unread) trackResponse(unread, callerKey(streamRequest.principal), response);
      }),
  });

  return {
    open: (request, streamRequest) => {
      const { json, stream } = streamRequest.accepts;
      let operation: OperationInput;
      try {
        operation = parseOperation(request, streamRequest);
      } catch (error) {
        if (!(error instanceof HubError)) throw error;
        // A client that accepts JSON receives the error as JSON, from the other handler.
        if (json || stream === 'multipart') return null;
        const errors = [{ message: error.message, extensions: error.extensions }];
        return { endless: false, write: async (response) => sendErrors(response, streamRequest, errors) };
      }
      if (operations.documents.isSubscription(operation.query, operation.operationName))
        return subscription(request, streamRequest, operation);
      return json || stream === 'multipart' ? null : single(request, streamRequest, operation);
    },
    close: () => closing.abort(),
  };
}

/** Runs the work; responds with a `HubError` that is thrown before the stream starts. */
async function respondWithErrors(
  response: ServerResponse,
  streamRequest: StreamRequest & { readonly log: Log },
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof HubError) || response.headersSent) throw error;
    const { message, extensions } = toClientError(error, streamRequest.log);
    sendErrors(response, streamRequest, [{ message, extensions }]);
  }
}

/** Responds with errors instead of a stream. */
function sendErrors(
  response: ServerResponse,
  streamRequest: StreamRequest,
  errors: readonly GraphQLFormattedError[],
): void {
  const status = STATUS[errors[0]?.extensions?.['code'] as HubError['code']] ?? 400;
  response.writeHead(status, { 'content-type': `${streamRequest.accepts.jsonType}; charset=utf-8` });
  response.end(JSON.stringify({ errors }));
}

/** The operation with the browser's Last-Event-ID as the value of `after`. Throws a `HubError` when `after` is no variable. */
function resume(
  options: HttpStreamOptions,
  operation: OperationInput,
  streamRequest: StreamRequest,
  cursor: string,
): OperationInput {
  const { afterVariable } = options.subscriptions.prepare({ ...operation, principal: streamRequest.principal });
  if (!afterVariable)
    throw badRequest(
      'Last-Event-ID cannot be used: the subscription has no variable for the cursor. Write events(after: $after).',
    );
  return { ...operation, variables: { ...operation.variables, [afterVariable]: cursor } };
}

function sendSingle(response: ServerResponse, protocol: StreamProtocol, result: OperationResponse): void {
  response.writeHead(200, protocol.headers);
  const { data, errors, extensions } = result;
  response.write(protocol.next(Buffer.from(JSON.stringify({ data, errors, extensions })), null));
  response.end(protocol.complete);
}

async function writeStream(
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
    readonly protocol: StreamProtocol;
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
  const heartbeatTimer = setInterval(() => {
    if (!response.writableNeedDrain) response.write(protocol.heartbeat);
  }, heartbeat);
  // The stream ends when the token expires, also where the wall clock was set; the client reconnects with a new token.
  const cancel = operations.tokenExpiry.onExpiry(principal, () => void deliveries.return());
  try {
    for await (const delivery of deliveries) {
      if (operations.tokenExpiry.isExpired(principal)) break;
      const part = protocol.next(delivery.bytes(), delivery);
      if (!response.write(part) && !(await drained(response, signal))) break;
    }
    // Without `complete`, so that the client reconnects: the server shuts down or the token has expired.
    response.end();
  } catch (error) {
    if (operations.tokenExpiry.isExpired(principal)) {
      response.end();
      return;
    }
    const clientError = toClientError(error, log);
    response.write(
      protocol.error(JSON.stringify([{ message: clientError.message, extensions: clientError.extensions }])),
    );
    response.end(protocol.complete);
  } finally {
    clearInterval(heartbeatTimer);
    cancel();
  }
}

/** Resolves with true when there is room again. Disconnects a client that reads nothing for a minute; it resumes by its cursor. */
function drained(response: ServerResponse, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const finish = (hasRoom: boolean) => {
      clearTimeout(timer);
      response.off('drain', onDrain);
      signal.removeEventListener('abort', onAbort);
      resolve(hasRoom);
    };
    const onDrain = () => finish(true);
    const onAbort = () => finish(false);
    const timer = setTimeout(() => {
      response.destroy();
      finish(false);
    }, READ_TIMEOUT);
    response.once('drain', onDrain);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) finish(false);
  });
}
