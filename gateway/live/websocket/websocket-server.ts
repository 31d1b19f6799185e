/** Serves graphql-transport-ws with graphql-ws. Operations run by `Operations.run`; deliveries bypass graphql-ws. */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  type DocumentNode,
  type ExecutionArgs,
  GraphQLError,
  type GraphQLFormattedError,
  getOperationAST,
  parse,
} from 'graphql';
import { CloseCode, type Context, handleProtocols, makeServer, type SubscribePayload } from 'graphql-ws';
import { LRUCache } from 'lru-cache';
import { WebSocketServer } from 'ws';
import { callerKey, type Principal } from '../../../connectors/kit/auth/principal.ts';
import { HubError } from '../../../connectors/kit/errors.ts';
import type { Log } from '../../../connectors/kit/log.ts';
import type { Operations } from '../../operation/operations.ts';
import { toExecutionResult } from '../../operation/request.ts';
import { UnreadBytes } from '../../trust/limits/unread-bytes.ts';
import { HEARTBEAT_INTERVAL } from '../heartbeat.ts';
import { toGraphQLError } from '../internal-error.ts';
import type { SubscriptionRegistry } from '../subscription-registry.ts';
import { Connection } from './connection.ts';
import { WebSocketSubscription } from './subscription.ts';

export interface WebSocketOptions {
  readonly server: Server;
  readonly path: string;
  readonly operations: Operations;
  readonly subscriptions: SubscriptionRegistry;
  readonly log: Log;
  /** Counts callers' unread bytes; absent: with the default limits. */
  readonly unread?: UnreadBytes;
  /** The caller by the headers of the upgrade and the client's `connectionParams`. Rejects with `HubError` for an invalid token. */
  authenticate(
    request: IncomingMessage,
    params: Readonly<Record<string, unknown>> | undefined,
  ): Promise<Principal | null>;
  /** Whether a page of the request's origin may connect. */
  isOriginAllowed(request: IncomingMessage): boolean;
  /** Milliseconds between pings, rounded down to whole seconds; default: `HEARTBEAT_INTERVAL`. */
  readonly heartbeat?: number;
}

/** Bytes. */
const MAX_MESSAGE = 256 * 1024;
/** The close code after which clients reconnect (IANA: try again later). */
const TRY_AGAIN_LATER = 1013;
/** Concurrent operations of one socket. */
const MAX_OPERATIONS = 100;

/** Milliseconds for clients to answer the close frame at shutdown. */
const CLOSE_TIMEOUT = 2_000;

/** Characters of remembered documents. */
const MAX_CHARACTERS = 1024 * 1024;

interface KnownDocument {
  /** The text, one string in memory for all clients that send it. */
  readonly query: string;
  readonly isSubscription: boolean;
}

interface OperationContext {
  readonly connection: Connection;
  /** The client's id of the operation. */
  readonly id: string;
  readonly operation: {
    readonly principal: Principal | null;
    readonly query: string;
    readonly operationName: string | undefined;
    readonly variables: Readonly<Record<string, unknown>> | undefined;
  };
}

type SocketContext = Context<Record<string, unknown>, Connection>;

/** graphql-ws neither validates nor executes documents; it receives one of these for the kind of the operation. */
const SUBSCRIPTION = parse('subscription { _ }', { noLocation: true });
const QUERY = parse('{ _ }', { noLocation: true });

/** Thrown by the iterator that graphql-ws receives for a rejected operation, so that it sends `error` and not `next`. */
class RejectedOperation extends Error {
  readonly errors: readonly GraphQLFormattedError[];
  constructor(errors: readonly GraphQLFormattedError[]) {
    super('rejected');
    this.errors = errors;
  }
}
const rejected = (errors: readonly GraphQLFormattedError[]): AsyncIterableIterator<never> => ({
  next: () => Promise.reject(new RejectedOperation(errors)),
  [Symbol.asyncIterator]() {
    return this;
  },
});

/** A close reason has at most 123 bytes (RFC 6455 section 5.5); a truncated character is replaced by one of three bytes. */
const reasonOf = (message: string): string => Buffer.from(message).subarray(0, 120).toString();

/** Handles the upgrades of `path`. `close` closes every socket with 1001. */
export function openWebSockets(options: WebSocketOptions): { close(): Promise<void>; count(): number } {
  const { operations, subscriptions: deliveries, log, unread = new UnreadBytes() } = options;
  const toClientError = (error: unknown): GraphQLError => toGraphQLError(error, log);
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE,
    perMessageDeflate: false,
    handleProtocols: (offered) => handleProtocols(offered),
  });
  const connections = new Set<Connection>();
  const documents = new LRUCache<string, KnownDocument>({
    maxSize: MAX_CHARACTERS,
    sizeCalculation: (_, text) => text.length,
  });

  const rejectIfOverBudget = (connection: Connection): GraphQLError | null => {
    const overBudget = operations.budget.rejection(connection.principal);
    if (!overBudget) return null;
    if (!connection.countRejection()) connection.close(TRY_AGAIN_LATER, 'Rate limit exceeded.');
    return toClientError(overBudget.error);
  };

  /** Checks an operation before it starts: returns its validation errors, or throws a `HubError`. */
  const check = (connection: Connection, payload: SubscribePayload): KnownDocument | GraphQLError[] => {
    const { principal } = connection;
    const operationName = payload.operationName || undefined;
    const key = `${operationName ?? ''}\0${payload.query}`;
    const cached = documents.get(key);
    const document: DocumentNode | null = cached?.isSubscription
      ? null
      : operations.documents.parse(payload.query, principal);
    const isSubscription = document === null || getOperationAST(document, operationName)?.operation === 'subscription';
    if (isSubscription) {
      deliveries.prepare({ query: payload.query, operationName, principal });
    } else {
      const errors = operations.documents.validate(payload.query, document as DocumentNode, principal);
      if (errors.length > 0) {
        operations.budget.penalize(principal);
        return errors.map((error) => new GraphQLError(error.message, { extensions: error.extensions ?? {} }));
      }
    }
    const known = cached ?? { query: payload.query, isSubscription };
    documents.set(key, known);
    return known;
  };

  const server = makeServer<Record<string, unknown>, Connection>({
    onConnect: async (context: SocketContext) => {
      const connection = context.extra;
      const params = context.connectionParams;
      const request = connection.request as IncomingMessage;
      // The token is not kept in memory.
      connection.request = null;
      (context as { connectionParams?: unknown }).connectionParams = undefined;
      try {
        const principal = await options.authenticate(request, params);
        if (operations.budget.rejection(principal)) {
          connection.close(TRY_AGAIN_LATER, 'Rate limit exceeded. Retry in 1 s.');
          return false;
        }
        connection.principal = principal;
        connection.trackUnread(unread);
        const cancel = operations.tokenExpiry.onExpiry(principal, () =>
          connection.close(CloseCode.Forbidden, 'The token has expired.'),
        );
        connection.socket.once('close', cancel);
        return true;
      } catch (error) {
        if (!(error instanceof HubError)) throw error;
        connection.close(CloseCode.Forbidden, reasonOf(error.message));
        return false;
      }
    },
    onSubscribe: async ({ extra: connection, subscriptions }, id, payload) => {
      const { principal } = connection;
      const overBudget = rejectIfOverBudget(connection);
      if (overBudget) return [overBudget];
      if (Object.keys(subscriptions).length > MAX_OPERATIONS) {
        const message = `Too many operations: at most ${MAX_OPERATIONS} per socket. Wait for one to end before starting another.`;
        return [new GraphQLError(message, { extensions: { code: 'LIMIT_RATE' } })];
      }
      try {
        return await operations.schedule(principal, async () => {
          try {
            // Operations that were queued before this one may have used up the budget.
            const exceeded = rejectIfOverBudget(connection);
            if (exceeded) return [exceeded];
            const known = check(connection, payload);
            if (Array.isArray(known)) return known;
            (payload as { query: string }).query = known.query;
            const { query } = known;
            const operationName = payload.operationName || undefined;
            const operation = { principal, query, operationName, variables: payload.variables ?? undefined };
            const contextValue: OperationContext = { connection, id, operation };
            const document = known.isSubscription ? SUBSCRIPTION : QUERY;
            return { schema: operations.graph.schema, document, contextValue } as ExecutionArgs;
          } catch (error) {
            operations.budget.penalize(principal);
            return [toClientError(error)];
          }
        });
      } catch (error) {
        return [toClientError(error)];
      }
    },
    execute: async ({ contextValue }) => {
      const { connection, operation } = contextValue as OperationContext;
      const run = async () => {
        const disconnected = new AbortController();
        connection.running.add(disconnected);
        try {
          const caller = callerKey(operation.principal);
          const tooMuchUnread = unread.rejection(caller);
          if (tooMuchUnread) return rejected([toClientError(tooMuchUnread).toJSON()]);
          const response = await operations.run({ ...operation, signal: disconnected.signal });
          // Operations that ran at the same time may have used up the caller's unread bytes.
          const exceeded = unread.rejection(caller);
          if (exceeded) return rejected([toClientError(exceeded).toJSON()]);
          return response.data === undefined ? rejected(response.errors ?? []) : toExecutionResult(response);
        } finally {
          connection.running.delete(disconnected);
        }
      };
      let isStarted = false;
      try {
        return await operations.schedule(operation.principal, () => {
          isStarted = true;
          return run();
        });
      } catch (error) {
        if (isStarted) throw error;
        return rejected([toClientError(error).toJSON()]);
      }
    },
    onError: (_context, _id, _payload, [error]) =>
      error?.originalError instanceof RejectedOperation ? error.originalError.errors : undefined,
    subscribe: ({ contextValue }) => {
      const { connection, id, operation } = contextValue as OperationContext;
      const subscription = new WebSocketSubscription(connection, id, toClientError);
      deliveries
        .subscribe({ ...operation, signal: subscription.signal }, subscription)
        .catch((error: unknown) => subscription.fail(error));
      return subscription;
    },
  });

  /** A function of its own, so that no closure that outlives it references the request. */
  const register = (connection: Connection): void => {
    connections.add(connection);
    const closed = server.opened(connection, connection);
    connection.socket.once('close', (code, reason) => {
      connections.delete(connection);
      void closed(code, String(reason));
    });
  };
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const path = request.url?.split('?', 1)[0];
    if (path !== options.path || !options.isOriginAllowed(request)) {
      socket.end(`HTTP/1.1 ${path === options.path ? '403 Forbidden' : '404 Not Found'}\r\nConnection: close\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) =>
      register(new Connection(webSocket, socket, request, log)),
    );
  };
  options.server.on('upgrade', upgrade);

  // Each second pings the sockets that were opened in that second of the interval, not all at the same moment.
  const intervalSeconds = Math.max(1, Math.floor((options.heartbeat ?? HEARTBEAT_INTERVAL) / 1_000));
  let currentSecond = 0;
  const pingTimer = setInterval(() => {
    currentSecond = (currentSecond + 1) % intervalSeconds;
    for (const connection of connections)
      if (connection.openedSecond % intervalSeconds === currentSecond) connection.ping();
  }, 1_000);
  return {
    count: () => sockets.clients.size,
    close: async () => {
      options.server.off('upgrade', upgrade);
      clearInterval(pingTimer);
      for (const connection of connections) {
        connection.abort();
        connection.close(1001, 'Server is shutting down.');
      }
      const terminateTimer = setTimeout(() => {
        for (const socket of sockets.clients) socket.terminate();
      }, CLOSE_TIMEOUT);
      await new Promise<void>((resolve) => sockets.close(() => resolve()));
      clearTimeout(terminateTimer);
    },
  };
}
