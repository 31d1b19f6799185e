/** The WebSocket face: graphql-transport-ws by graphql-ws, over the same operation. */
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
import { callerOf, type Principal } from '../../../connectors/kit/auth/principal.ts';
import { HubError } from '../../../connectors/kit/errors.ts';
import type { Log } from '../../../connectors/kit/log.ts';
import type { Operations } from '../../operation/operations.ts';
import { resultOf } from '../../operation/request.ts';
import { UnreadBytes } from '../../trust/limits/unread-bytes.ts';
import { HEARTBEAT } from '../heartbeat.ts';
import { shown as shownTo } from '../internal-error.ts';
import type { Deliveries } from '../subscription-registry.ts';
import { Connection } from './connection.ts';
import { Following } from './subscription.ts';

export interface SocketOptions {
  readonly server: Server;
  readonly path: string;
  readonly operations: Operations;
  readonly deliveries: Deliveries;
  readonly log: Log;
  /** Counts what callers have not read; absent: one with the default limits. */
  readonly unread?: UnreadBytes;
  /** Who asks, from the first request's headers and the client's `connectionParams`; rejects with `HubError` when refused. */
  principal(request: IncomingMessage, params: Readonly<Record<string, unknown>> | undefined): Promise<Principal | null>;
  /** Whether a browser page of this origin may connect. */
  originAllowed(request: IncomingMessage): boolean;
  /** How often a socket is pinged, in milliseconds, whole seconds; absent: `HEARTBEAT`. */
  readonly heartbeat?: number;
}

const LARGEST_MESSAGE = 256 * 1024;
/** The close code that clients take as a wish to come again (IANA: try again later). */
const AGAIN_LATER = 1013;
/** Operations of one socket at once. */
const MOST_OPERATIONS = 100;

/** How long a client has to answer that the hub goes down, in milliseconds. */
const FAREWELL = 2_000;

/** Characters of texts whose kind is remembered. */
const MOST_TEXT = 1024 * 1024;

interface Known {
  /** The text itself: one in memory for all who ask it. */
  readonly query: string;
  readonly subscribes: boolean;
}

interface Carried {
  readonly connection: Connection;
  /** The client's name of the operation. */
  readonly id: string;
  readonly asked: {
    readonly principal: Principal | null;
    readonly query: string;
    readonly operationName: string | undefined;
    readonly variables: Readonly<Record<string, unknown>> | undefined;
  };
}

type Seen = Context<Record<string, unknown>, Connection>;

/** All that graphql-ws is to know of a document is which kind of operation it holds: it neither validates nor executes it. */
const SUBSCRIPTION = parse('subscription { _ }', { noLocation: true });
const ANOTHER = parse('{ _ }', { noLocation: true });

/** What is refused before it is executed ends with `error`, not with `next`: graphql-ws is given a sequence that fails at once. */
class Refused extends Error {
  readonly faults: readonly GraphQLFormattedError[];
  constructor(faults: readonly GraphQLFormattedError[]) {
    super('refused');
    this.faults = faults;
  }
}
const refused = (faults: readonly GraphQLFormattedError[]): AsyncIterableIterator<never> => ({
  next: () => Promise.reject(new Refused(faults)),
  [Symbol.asyncIterator]() {
    return this;
  },
});

/** A reason for closing holds 123 bytes (RFC 6455 section 5.5); a character that is cut off takes up to three. */
const reasonOf = (message: string): string => Buffer.from(message).subarray(0, 120).toString();

/** Takes the upgrades of `path`; `close` ends every socket with 1001. */
export function openSockets(options: SocketOptions): { close(): Promise<void>; count(): number } {
  const { operations, deliveries, log, unread = new UnreadBytes() } = options;
  const shown = (error: unknown): GraphQLError => shownTo(error, log);
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: LARGEST_MESSAGE,
    perMessageDeflate: false,
    handleProtocols: (offered) => handleProtocols(offered),
  });
  const connections = new Set<Connection>();
  const known = new LRUCache<string, Known>({ maxSize: MOST_TEXT, sizeCalculation: (_, text) => text.length });

  const refusedAsSpent = (connection: Connection): GraphQLError | null => {
    const overdrawn = operations.overdrawn(connection.principal);
    if (!overdrawn) return null;
    if (!connection.refuse()) connection.close(AGAIN_LATER, 'You have used your points and ask on.');
    return shown(overdrawn.error);
  };

  /** Refuses what is no operation of ours, as a `HubError` or as faults. */
  const look = (connection: Connection, payload: SubscribePayload): Known | GraphQLError[] => {
    const { principal } = connection;
    const operationName = payload.operationName || undefined;
    const key = `${operationName ?? ''}\0${payload.query}`;
    const before = known.get(key);
    const document: DocumentNode | null = before?.subscribes ? null : operations.parse(payload.query, principal);
    const subscribes = document === null || getOperationAST(document, operationName)?.operation === 'subscription';
    if (subscribes) {
      deliveries.check({ query: payload.query, operationName, principal });
    } else {
      const faults = operations.faults(payload.query, document as DocumentNode, principal);
      if (faults.length > 0) {
        operations.fruitless(principal);
        return faults.map((one) => new GraphQLError(one.message, { extensions: one.extensions ?? {} }));
      }
    }
    const found = before ?? { query: payload.query, subscribes };
    known.set(key, found);
    return found;
  };

  const server = makeServer<Record<string, unknown>, Connection>({
    onConnect: async (context: Seen) => {
      const connection = context.extra;
      const params = context.connectionParams;
      const request = connection.request as IncomingMessage;
      // A token lives as long as it is needed.
      connection.request = null;
      (context as { connectionParams?: unknown }).connectionParams = undefined;
      try {
        const principal = await options.principal(request, params);
        if (operations.overdrawn(principal)) {
          connection.close(AGAIN_LATER, 'You have used your points. Come again in a second.');
          return false;
        }
        connection.principal = principal;
        connection.count(unread);
        const cancel = operations.onExpiry(principal, () =>
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
      const spent = refusedAsSpent(connection);
      if (spent) return [spent];
      if (Object.keys(subscriptions).length > MOST_OPERATIONS) {
        const extensions = { code: 'LIMIT_RATE' };
        return [new GraphQLError(`One socket may run ${MOST_OPERATIONS} operations.`, { extensions })];
      }
      try {
        await operations.turn(principal);
      } catch (error) {
        return [shown(error)];
      }
      try {
        // What waited before it may have used up the rest.
        const since = refusedAsSpent(connection);
        if (since) return [since];
        const found = look(connection, payload);
        if (Array.isArray(found)) return found;
        (payload as { query: string }).query = found.query;
        const operationName = payload.operationName || undefined;
        const asked = { principal, query: found.query, operationName, variables: payload.variables ?? undefined };
        const carried: Carried = { connection, id, asked };
        const document = found.subscribes ? SUBSCRIPTION : ANOTHER;
        return { schema: operations.schema, document, contextValue: carried } as ExecutionArgs;
      } catch (error) {
        operations.fruitless(principal);
        return [shown(error)];
      } finally {
        operations.turned(principal);
      }
    },
    execute: async ({ contextValue }) => {
      const { connection, asked } = contextValue as Carried;
      try {
        await operations.turn(asked.principal);
      } catch (error) {
        return refused([shown(error).toJSON()]);
      }
      const gone = new AbortController();
      connection.running.add(gone);
      try {
        const caller = callerOf(asked.principal);
        const before = unread.refusal(caller);
        if (before) return refused([shown(before).toJSON()]);
        const answer = await operations.run({ ...asked, signal: gone.signal });
        // Others that ran beside it may have filled what it may leave unread.
        const since = unread.refusal(caller);
        if (since) return refused([shown(since).toJSON()]);
        return answer.data === undefined ? refused(answer.errors ?? []) : resultOf(answer);
      } finally {
        connection.running.delete(gone);
        operations.turned(asked.principal);
      }
    },
    onError: (_context, _id, _payload, [error]) =>
      error?.originalError instanceof Refused ? error.originalError.faults : undefined,
    subscribe: ({ contextValue }) => {
      const { connection, id, asked } = contextValue as Carried;
      const following = new Following(connection, id, shown);
      deliveries
        .join({ ...asked, signal: following.signal }, following)
        .catch((error: unknown) => following.fail(error));
      return following;
    },
  });

  /** On its own, so that nothing that stays holds the request. */
  const admit = (connection: Connection): void => {
    connections.add(connection);
    const closed = server.opened(connection, connection);
    connection.socket.once('close', (code, reason) => {
      connections.delete(connection);
      void closed(code, String(reason));
    });
  };
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const path = request.url?.split('?', 1)[0];
    if (path !== options.path || !options.originAllowed(request)) {
      socket.end(`HTTP/1.1 ${path === options.path ? '403 Forbidden' : '404 Not Found'}\r\nConnection: close\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (made) => admit(new Connection(made, socket, request, log)));
  };
  options.server.on('upgrade', upgrade);

  // Not all sockets in the same moment: each second those that were opened in such a second.
  const seconds = Math.max(1, Math.floor((options.heartbeat ?? HEARTBEAT) / 1_000));
  let second = 0;
  const beat = setInterval(() => {
    second = (second + 1) % seconds;
    for (const connection of connections) if (connection.second % seconds === second) connection.ping();
  }, 1_000);
  return {
    count: () => sockets.clients.size,
    close: async () => {
      options.server.off('upgrade', upgrade);
      clearInterval(beat);
      for (const connection of connections) {
        connection.abort();
        connection.close(1001, 'The hub is going down.');
      }
      const late = setTimeout(() => {
        for (const socket of sockets.clients) socket.terminate();
      }, FAREWELL);
      await new Promise<void>((resolve) => sockets.close(() => resolve()));
      clearTimeout(late);
    },
  };
}
