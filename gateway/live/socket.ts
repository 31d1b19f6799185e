/** The WebSocket face: graphql-transport-ws by graphql-ws, over the same operation. */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ExecutionArgs, type ExecutionResult, GraphQLError, parse } from 'graphql';
import { CloseCode, type Context } from 'graphql-ws';
import { type Extra, useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { HubError } from '../../connectors/kit/errors.ts';
import type { Log } from '../../connectors/kit/log.ts';
import type { Principal } from '../../connectors/kit/principal.ts';
import type { OperationAnswer, Operations } from '../operation.ts';
import { subscribe } from './subscribe.ts';
import type { Tail } from './tail.ts';

export interface SocketOptions {
  readonly server: Server;
  readonly path: string;
  readonly operations: Operations;
  readonly tail: Tail;
  readonly log: Log;
  /** Who asks, from the first request's headers and the client's `connectionParams`; rejects with `HubError` when refused. */
  principal(request: IncomingMessage, params: Readonly<Record<string, unknown>> | undefined): Promise<Principal | null>;
  /** Whether a browser page of this origin may connect. */
  originAllowed(request: IncomingMessage): boolean;
}

const LARGEST_MESSAGE = 256 * 1024;
/** Subscriptions of one socket at once. */
const MOST_OPERATIONS = 100;

interface Carried {
  readonly principal: Principal | null;
  readonly query: string;
  readonly operationName: string | undefined;
  readonly variables: Readonly<Record<string, unknown>> | undefined;
  readonly gone: AbortController;
}

/** Takes the upgrades of `path`; `close` ends every socket with 1001. */
export function openSockets(options: SocketOptions): { close(): Promise<void>; count(): number } {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: LARGEST_MESSAGE, perMessageDeflate: false });
  const goneOf = new WeakMap<object, AbortController>();
  const running = new WeakMap<object, number>();
  /** Who opened the socket; asked once, at `connection_init`. */
  const principalOf = new WeakMap<object, Principal | null>();
  const disposable = useServer(
    {
      onConnect: async (context: Context<Record<string, unknown>, Extra>) => {
        const { socket } = context.extra;
        try {
          const principal = await options.principal(context.extra.request, context.connectionParams);
          principalOf.set(socket, principal);
          if (principal?.expires != null) closeAt(socket, principal.expires);
          return true;
        } catch (error) {
          if (!(error instanceof HubError)) throw error;
          socket.close(CloseCode.Forbidden, error.message.slice(0, 120));
          return false;
        }
      },
      onSubscribe: (context, _id, payload) => {
        const { extra } = context;
        const count = (running.get(extra.socket) ?? 0) + 1;
        if (count > MOST_OPERATIONS) {
          return [
            new GraphQLError(`One socket may run ${MOST_OPERATIONS} operations.`, {
              extensions: { code: 'LIMIT_RATE' },
            }),
          ];
        }
        let gone = goneOf.get(extra.socket);
        if (!gone) {
          gone = new AbortController();
          goneOf.set(extra.socket, gone);
        }
        try {
          const document = parse(payload.query);
          const carried: Carried = {
            principal: principalOf.get(extra.socket) ?? null,
            query: payload.query,
            operationName: payload.operationName ?? undefined,
            variables: payload.variables ?? undefined,
            gone,
          };
          running.set(extra.socket, count);
          return {
            schema: options.operations.schema,
            document,
            operationName: payload.operationName,
            variableValues: payload.variables,
            contextValue: carried,
          } as ExecutionArgs;
        } catch (error) {
          return [shown(error)];
        }
      },
      execute: async (args) => {
        const carried = args.contextValue as Carried;
        const { gone, ...request } = carried;
        return asResult(await options.operations.run({ ...request, signal: gone.signal }));
      },
      subscribe: async (args) => {
        const carried = args.contextValue as Carried;
        const stop = new AbortController();
        const signal = AbortSignal.any([carried.gone.signal, stop.signal]);
        const { gone: _gone, ...request } = carried;
        try {
          const deliveries = await subscribe(options, { ...request, signal });
          return results(deliveries, stop);
        } catch (error) {
          return { errors: [shown(error)] };
        }
      },
      onComplete: (context) => {
        const { socket } = context.extra;
        running.set(socket, Math.max((running.get(socket) ?? 1) - 1, 0));
      },
      onError: (context) => {
        const { socket } = context.extra;
        running.set(socket, Math.max((running.get(socket) ?? 1) - 1, 0));
      },
      onClose: (context) => {
        goneOf.get(context.extra.socket)?.abort();
      },
    },
    sockets,
    20_000,
  );

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    if (path !== options.path || !options.originAllowed(request)) {
      socket.end(`HTTP/1.1 ${path === options.path ? '403 Forbidden' : '404 Not Found'}\r\nConnection: close\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (made) => sockets.emit('connection', made, request));
  };
  options.server.on('upgrade', upgrade);
  return {
    count: () => sockets.clients.size,
    close: async () => {
      options.server.off('upgrade', upgrade);
      for (const socket of sockets.clients) {
        goneOf.get(socket)?.abort();
        socket.close(1001, 'The hub is going down.');
      }
      await disposable.dispose();
      for (const socket of sockets.clients) socket.terminate();
    },
  };
}

/** A token's end is the socket's end: 4403, whatever runs on it. */
function closeAt(socket: Extra['socket'], expires: number): void {
  const wait = (): void => {
    const left = expires - Date.now();
    if (left <= 0) socket.close(CloseCode.Forbidden, 'The token has expired.');
    // A timer holds 24 days at most.
    else timer = setTimeout(wait, Math.min(left, 86_400_000));
  };
  let timer: NodeJS.Timeout | undefined;
  socket.once('close', () => clearTimeout(timer));
  wait();
}

/** The deliveries as graphql-ws takes them; its `return` ends the wait for the next one. */
function results(
  deliveries: AsyncGenerator<OperationAnswer, void>,
  stop: AbortController,
): AsyncGenerator<ExecutionResult, void> {
  const inner = (async function* () {
    try {
      for await (const answer of deliveries) yield asResult(answer);
    } catch (error) {
      yield { errors: [shown(error)] };
    } finally {
      stop.abort();
    }
  })();
  const end = inner.return.bind(inner);
  inner.return = (value) => {
    stop.abort();
    return end(value);
  };
  return inner;
}

const shown = (error: unknown): GraphQLError =>
  error instanceof HubError
    ? new GraphQLError(error.message, { extensions: { ...error.extensions } })
    : error instanceof GraphQLError
      ? new GraphQLError(error.message, { extensions: { code: 'GRAPHQL_PARSE_FAILED' } })
      : new GraphQLError('Something went wrong in the hub.', { extensions: { code: 'INTERNAL' } });

const asResult = (answer: OperationAnswer): ExecutionResult => ({
  ...(answer.data === undefined ? {} : { data: answer.data }),
  ...(answer.errors
    ? {
        errors: answer.errors.map(
          (one) => new GraphQLError(one.message, { path: one.path ?? null, extensions: one.extensions ?? null }),
        ),
      }
    : {}),
  ...(answer.extensions ? { extensions: answer.extensions } : {}),
});
