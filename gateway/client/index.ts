/**
 * A subscription client that misses no event: it keeps the cursor of the last delivery and resumes after it on every reconnect. Runs in
 * Node (pass `ws` there) and in browsers.
 */
import { CloseCode, createClient } from 'graphql-ws';

/** One response of the subscription. */
export interface Delivery<T = Record<string, unknown>> {
  readonly data?: T | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: Readonly<Record<string, unknown>> }[];
  readonly extensions?: Readonly<Record<string, unknown>>;
}

export interface FollowOptions {
  /** For example ws://localhost:4000/graphql. */
  readonly url: string;
  /** One subscription with the variable `$after: Cursor` that selects `cursor` in all three types of delivery. */
  readonly query: string;
  /** The operation of the document; absent: its only one. */
  readonly operationName?: string | undefined;
  readonly variables?: Readonly<Record<string, unknown>>;
  /** Cursor of an earlier run to resume after; absent: start with new events. */
  readonly after?: string | null;
  /** Called for every connection, so that it sends a current token: `async () => ({ authorization: 'Bearer …' })`. */
  readonly connectionParams?: () => Record<string, unknown> | Promise<Record<string, unknown>>;
  /** The WebSocket class where the platform has none: `ws` in Node 20. */
  readonly webSocket?: unknown;
  /** Shortest and longest delay before a reconnect, in milliseconds; default: 200 and 10,000. */
  readonly pause?: { readonly first: number; readonly longest: number };
  /** Called for every lost connection, with its error or close event. */
  readonly onDisconnect?: (reason: unknown) => void;
}

/** The subscription was rejected and a retry cannot succeed: a changed graph, an invalid cursor, missing rights. */
export class SubscriptionRejected extends Error {
  override name = 'SubscriptionRejected';
  /** The error code, such as CURSOR_INVALID, or the close code of the socket. */
  readonly code: string | number;
  constructor(message: string, code: string | number) {
    super(message);
    this.code = code;
  }
}

export interface FollowedSubscription<T> extends AsyncIterable<Delivery<T>> {
  /** Of the last delivery that was read; store it to resume later. Null before the first. */
  readonly cursor: string | null;
  close(): void;
}

/** Unread deliveries, from which on the subscription pauses until they are read. */
const MAX_QUEUED = 200;
/** Codes of errors that a retry can resolve. */
const RETRYABLE = new Set(['INTERNAL', 'LIMIT_RATE', 'SOURCE_UNAVAILABLE', 'SOURCE_TIMEOUT', 'SOURCE_MALFORMED']);
const FATAL_CLOSE_CODES: ReadonlySet<number> = new Set([
  CloseCode.BadRequest,
  CloseCode.Unauthorized,
  CloseCode.SubprotocolNotAcceptable,
]);

/** Subscribes until `close`, or until the loop over it ends. Reconnects after every error but a `Refused`, which the loop throws. */
export function follow<T = Record<string, unknown>>(options: FollowOptions): FollowedSubscription<T> {
  const first = options.pause?.first ?? 200;
  const longest = options.pause?.longest ?? 10_000;
  const queue: Delivery<T>[] = [];
  let readCursor = options.after ?? null;
  let receivedCursor = readCursor;
  let ended: SubscriptionRejected | 'closed' | null = null;
  let isPaused = false;
  let attempts = 0;
  let stop: (() => void) | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wake: (() => void) | null = null;

  const wakeReader = () => {
    wake?.();
    wake = null;
  };
  const end = (result: SubscriptionRejected | 'closed') => {
    ended ??= result;
    clearTimeout(timer);
    stop?.();
    stop = null;
    wakeReader();
  };
  const connect = () => {
    let acknowledged = false;
    let finished = false;
    const client = createClient({
      url: options.url,
      lazy: true,
      retryAttempts: 0,
      keepAlive: 10_000,
      ...(options.webSocket ? { webSocketImpl: options.webSocket } : {}),
      ...(options.connectionParams ? { connectionParams: options.connectionParams } : {}),
      onNonLazyError: () => undefined,
      on: {
        connected: () => {
          acknowledged = true;
        },
      },
    });
    const finish = () => {
      finished = true;
      stop = null;
      // Disposing waits for a connection that is being opened, and fails with it.
      Promise.resolve(client.dispose()).catch(() => undefined);
    };
    const onBroken = (reason: unknown) => {
      if (finished) return;
      finish();
      if (ended) return;
      const rejection = toRejection(reason, acknowledged);
      if (rejection) return end(rejection);
      options.onDisconnect?.(reason);
      const pause = Math.min(first * 2 ** attempts++, longest);
      // A random factor spreads the reconnects of all clients after a restart.
      timer = setTimeout(connect, pause * (0.5 + Math.random() / 2));
    };
    stop = finish;
    client.subscribe<T>(
      {
        query: options.query,
        ...(options.operationName ? { operationName: options.operationName } : {}),
        variables: { ...options.variables, after: receivedCursor },
      },
      {
        next: (delivery) => {
          if (finished) return;
          attempts = 0;
          receivedCursor = cursorOf(delivery) ?? receivedCursor;
          queue.push(delivery as Delivery<T>);
          wakeReader();
          if (queue.length < MAX_QUEUED) return;
          isPaused = true;
          finish();
        },
        error: onBroken,
        complete: () => onBroken(null),
      },
    );
  };
  connect();

  async function* deliveries(): AsyncGenerator<Delivery<T>, void> {
    try {
      for (;;) {
        const next = queue.shift();
        if (next) {
          readCursor = cursorOf(next) ?? readCursor;
          yield next;
        } else if (ended) {
          if (ended !== 'closed') throw ended;
          return;
        } else if (isPaused) {
          isPaused = false;
          connect();
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      end('closed');
    }
  }
  const iterator = deliveries();
  // `return` during a pending `next` must end its wait first.
  const returnIterator = iterator.return.bind(iterator);
  iterator.return = (value) => {
    end('closed');
    return returnIterator(value);
  };
  return {
    get cursor() {
      return readCursor;
    },
    close: () => {
      queue.length = 0;
      end('closed');
    },
    [Symbol.asyncIterator]: () => iterator,
  };
}

/** The cursor of a delivery, whatever the alias of its root field. */
function cursorOf(delivery: { readonly data?: unknown }): string | null {
  for (const value of Object.values((delivery.data ?? {}) as Record<string, unknown>)) {
    const cursor = (value as { cursor?: unknown } | null)?.cursor;
    if (typeof cursor === 'string') return cursor;
  }
  return null;
}

/** The rejection for an error that a new connection cannot resolve; null: reconnect. */
function toRejection(reason: unknown, acknowledged: boolean): SubscriptionRejected | null {
  if (Array.isArray(reason)) {
    const [error] = reason as { message: string; extensions?: Record<string, unknown> }[];
    const code = String(error?.extensions?.['code'] ?? 'INTERNAL');
    return RETRYABLE.has(code)
      ? null
      : new SubscriptionRejected(error?.message ?? 'The subscription was rejected.', code);
  }
  const { code, reason: text } = (reason ?? {}) as { code?: unknown; reason?: unknown };
  if (typeof code !== 'number') return null;
  // 4403 after the acknowledgement means an expired token: reconnect with a new one. Before, it is a rejection.
  const fatal = FATAL_CLOSE_CODES.has(code) || (code === CloseCode.Forbidden && !acknowledged);
  return fatal ? new SubscriptionRejected(String(text || 'The server closed the connection.'), code) : null;
}
