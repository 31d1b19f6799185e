/** The WebSocket face: graphql-transport-ws by graphql-ws, over the same operation. */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ExecutionArgs, type ExecutionResult, GraphQLError, getOperationAST, validate } from 'graphql';
import { CloseCode, type Context } from 'graphql-ws';
import { type Extra, useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { HubError } from '../../connectors/kit/errors.ts';
import type { Log } from '../../connectors/kit/log.ts';
import type { Principal } from '../../connectors/kit/principal.ts';
import type { OperationAnswer, Operations } from '../operation.ts';
import type { Deliveries, Delivery, Sink } from './deliveries.ts';
import { Wire } from './wire.ts';

export interface SocketOptions {
  readonly server: Server;
  readonly path: string;
  readonly operations: Operations;
  readonly deliveries: Deliveries;
  readonly log: Log;
  /** Who asks, from the first request's headers and the client's `connectionParams`; rejects with `HubError` when refused. */
  principal(request: IncomingMessage, params: Readonly<Record<string, unknown>> | undefined): Promise<Principal | null>;
  /** Whether a browser page of this origin may connect. */
  originAllowed(request: IncomingMessage): boolean;
}

const LARGEST_MESSAGE = 256 * 1024;
/** Who is refused so often in a minute (milliseconds) is let go. */
const MOST_REFUSALS = 100;
const MINUTE = 60_000;
/** The close code that clients take as a wish to come again (IANA: try again later). */
const AGAIN_LATER = 1013;
/** Subscriptions of one socket at once. */
const MOST_OPERATIONS = 100;

/** A socket is asked whether it lives, and given up when it has not said so by the next time; in milliseconds. */
const ALIVE = 60_000;

interface Carried {
  /** The client's name of the operation. */
  readonly id: string;
  readonly principal: Principal | null;
  readonly query: string;
  readonly operationName: string | undefined;
  readonly variables: Readonly<Record<string, unknown>> | undefined;
  readonly gone: AbortController;
  readonly wire: Wire;
}

/** Takes the upgrades of `path`; `close` ends every socket with 1001. */
export function openSockets(options: SocketOptions): { close(): Promise<void>; count(): number } {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: LARGEST_MESSAGE, perMessageDeflate: false });
  const goneOf = new WeakMap<object, AbortController>();
  /** Who opened the socket; asked once, at `connection_init`. */
  const principalOf = new WeakMap<object, Principal | null>();
  const wireOf = new WeakMap<object, Wire>();
  /** Refusals of who has used up its points. */
  const refusalsOf = new WeakMap<object, { since: number; count: number }>();
  const refusedAsSpent = (socket: Extra['socket'], principal: Principal | null): GraphQLError | null => {
    const overdrawn = options.operations.overdrawn(principal);
    if (!overdrawn) return null;
    const now = performance.now();
    const before = refusalsOf.get(socket);
    const refusals = before && now - before.since < MINUTE ? before : { since: now, count: 0 };
    refusals.count += 1;
    refusalsOf.set(socket, refusals);
    if (refusals.count > MOST_REFUSALS) socket.close(AGAIN_LATER, 'You have used your points and ask on.');
    return shown(overdrawn.error);
  };
  const disposable = useServer(
    {
      onConnect: async (context: Context<Record<string, unknown>, Extra>) => {
        const { socket } = context.extra;
        try {
          const principal = await options.principal(context.extra.request, context.connectionParams);
          if (options.operations.overdrawn(principal)) {
            socket.close(AGAIN_LATER, 'You have used your points. Come again in a second.');
            return false;
          }
          principalOf.set(socket, principal);
          if (principal?.expires != null) closeAt(socket, principal.expires);
          return true;
        } catch (error) {
          if (!(error instanceof HubError)) throw error;
          socket.close(CloseCode.Forbidden, error.message.slice(0, 120));
          return false;
        }
      },
      onSubscribe: async (context, id, payload) => {
        const { extra } = context;
        const principal = principalOf.get(extra.socket) ?? null;
        const spent = refusedAsSpent(extra.socket, principal);
        if (spent) return [spent];
        if (Object.keys(context.subscriptions).length > MOST_OPERATIONS) {
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
          await options.operations.turn(principal);
        } catch (error) {
          return [shown(error)];
        }
        try {
          // What waited before it may have used up the rest.
          const since = refusedAsSpent(extra.socket, principal);
          if (since) return [since];
          const carried: Carried = {
            id,
            principal,
            query: payload.query,
            operationName: payload.operationName ?? undefined,
            variables: payload.variables ?? undefined,
            gone,
            wire: wireOf.get(extra.socket) as Wire,
          };
          const document = options.operations.parse(payload.query);
          if (getOperationAST(document, payload.operationName)?.operation === 'subscription') {
            options.deliveries.check(carried);
          } else {
            const faults = validate(options.operations.schema, document);
            if (faults.length > 0) {
              options.operations.fruitless(principal);
              return faults.map(
                (one) =>
                  new GraphQLError(options.operations.told(one.message), {
                    extensions: { code: 'GRAPHQL_VALIDATION_FAILED' },
                  }),
              );
            }
          }
          return {
            schema: options.operations.schema,
            document,
            operationName: payload.operationName,
            variableValues: payload.variables,
            contextValue: carried,
          } as ExecutionArgs;
        } catch (error) {
          options.operations.fruitless(principal);
          return [shown(error)];
        } finally {
          options.operations.turned(principal);
        }
      },
      execute: async (args) => {
        const { gone, id: _id, wire: _wire, ...request } = args.contextValue as Carried;
        try {
          await options.operations.turn(request.principal);
        } catch (error) {
          return { errors: [shown(error)] };
        }
        try {
          return asResult(await options.operations.run({ ...request, signal: gone.signal }));
        } finally {
          options.operations.turned(request.principal);
        }
      },
      subscribe: async (args) => {
        const { gone, id, wire, ...request } = args.contextValue as Carried;
        const stop = new AbortController();
        const signal = AbortSignal.any([gone.signal, stop.signal]);
        const ended = new Promise<unknown>((resolve) => {
          signal.addEventListener('abort', () => resolve(null), { once: true });
          const sink: Sink = {
            offer: (delivery: Delivery) => wire.next(id, delivery.bytes()),
            ready: () => wire.drained(signal),
            end: resolve,
          };
          options.deliveries.join({ ...request, signal }, sink).catch(resolve);
        });
        return quiet(ended, stop);
      },
      onClose: (context) => {
        goneOf.get(context.extra.socket)?.abort();
      },
    },
    sockets,
    ALIVE,
  );

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    if (path !== options.path || !options.originAllowed(request)) {
      socket.end(`HTTP/1.1 ${path === options.path ? '403 Forbidden' : '404 Not Found'}\r\nConnection: close\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (made) => {
      wireOf.set(made, new Wire(made, socket));
      sockets.emit('connection', made, request);
    });
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

/** For graphql-ws a subscription that says nothing until it ends: deliveries go to the wire past it. */
function quiet(ended: Promise<unknown>, stop: AbortController): AsyncGenerator<ExecutionResult, void> {
  // biome-ignore lint/correctness/useYield: it says nothing until it ends
  const inner = (async function* (): AsyncGenerator<ExecutionResult, void> {
    const error = await ended;
    stop.abort();
    // What is thrown goes out as `error`, and ends the operation.
    if (error) throw shown(error);
  })();
  const end = inner.return.bind(inner);
  // The wait for the end must end first.
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
