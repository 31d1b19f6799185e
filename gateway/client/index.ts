/**
 * A subscription for app developers that loses nothing: it remembers the cursor of the last delivery and goes on behind
 * it after any break. Runs in Node (give it `ws` there) and in browsers.
 */
import { CloseCode, createClient } from 'graphql-ws';

/** One answer of the subscription as GraphQL has it. */
export interface Delivery<T = Record<string, unknown>> {
  readonly data?: T | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: Readonly<Record<string, unknown>> }[];
  readonly extensions?: Readonly<Record<string, unknown>>;
}

export interface FollowOptions {
  /** Such as ws://localhost:4000/graphql. */
  readonly url: string;
  /** One subscription that takes `$after: Cursor` and selects `cursor` in all three kinds of delivery. */
  readonly query: string;
  /** Which operation of the document; absent: its only one. */
  readonly operationName?: string | undefined;
  readonly variables?: Readonly<Record<string, unknown>>;
  /** Cursor to begin behind, as kept from an earlier run; absent: from now on. */
  readonly after?: string | null;
  /** Asked at every connection, so that a fresh token is sent: `async () => ({ authorization: 'Bearer …' })`. */
  readonly connectionParams?: () => Record<string, unknown> | Promise<Record<string, unknown>>;
  /** The WebSocket class where the platform has none of its own: `ws` in Node 20. */
  readonly webSocket?: unknown;
  /** First and longest pause before a new connection, in milliseconds; 200 and 10,000 when absent. */
  readonly pause?: { readonly first: number; readonly longest: number };
  /** Told of every break, with what the connection said. */
  readonly onBreak?: (reason: unknown) => void;
}

/** The hub refused the subscription for good: a changed graph, a forged cursor, missing rights. */
export class Refused extends Error {
  override name = 'Refused';
  /** Code of the hub's error, such as CURSOR_INVALID, or the number of the socket's close. */
  readonly code: string | number;
  constructor(message: string, code: string | number) {
    super(message);
    this.code = code;
  }
}

export interface Followed<T> extends AsyncIterable<Delivery<T>> {
  /** Behind the last delivery that was taken; keep it to go on later. Null before the first. */
  readonly cursor: string | null;
  close(): void;
}

/** Deliveries that wait for the caller; beyond these the subscription rests and goes on when they are taken. */
const MOST_WAITING = 200;
/** Codes that may heal by themselves. */
const PASSING = new Set(['INTERNAL', 'LIMIT_RATE', 'SOURCE_UNAVAILABLE', 'SOURCE_TIMEOUT', 'SOURCE_MALFORMED']);
const FATAL: ReadonlySet<number> = new Set([
  CloseCode.BadRequest,
  CloseCode.Unauthorized,
  CloseCode.SubprotocolNotAcceptable,
]);

/** Follows the log until `close`, or until the loop over it ends. The loop throws `Refused`; every other break is mended. */
export function follow<T = Record<string, unknown>>(options: FollowOptions): Followed<T> {
  const first = options.pause?.first ?? 200;
  const longest = options.pause?.longest ?? 10_000;
  const waiting: Delivery<T>[] = [];
  let taken = options.after ?? null;
  let received = taken;
  let ended: Refused | 'closed' | null = null;
  let resting = false;
  let attempts = 0;
  let stop: (() => void) | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wake: (() => void) | null = null;

  const tell = () => {
    wake?.();
    wake = null;
  };
  const end = (how: Refused | 'closed') => {
    ended ??= how;
    clearTimeout(timer);
    stop?.();
    stop = null;
    tell();
  };
  const connect = () => {
    let acknowledged = false;
    let over = false;
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
      over = true;
      stop = null;
      // It waits for a connection that is under way, and fails with it.
      Promise.resolve(client.dispose()).catch(() => undefined);
    };
    const broken = (reason: unknown) => {
      if (over) return;
      finish();
      if (ended) return;
      const refused = refusal(reason, acknowledged);
      if (refused) return end(refused);
      options.onBreak?.(reason);
      const pause = Math.min(first * 2 ** attempts++, longest);
      // Not all clients of a hub that was away come back in the same moment.
      timer = setTimeout(connect, pause * (0.5 + Math.random() / 2));
    };
    stop = finish;
    client.subscribe<T>(
      {
        query: options.query,
        ...(options.operationName ? { operationName: options.operationName } : {}),
        variables: { ...options.variables, after: received },
      },
      {
        next: (delivery) => {
          if (over) return;
          attempts = 0;
          received = cursorOf(delivery) ?? received;
          waiting.push(delivery as Delivery<T>);
          tell();
          if (waiting.length < MOST_WAITING) return;
          resting = true;
          finish();
        },
        error: broken,
        complete: () => broken(null),
      },
    );
  };
  connect();

  async function* deliveries(): AsyncGenerator<Delivery<T>, void> {
    try {
      for (;;) {
        const next = waiting.shift();
        if (next) {
          taken = cursorOf(next) ?? taken;
          yield next;
        } else if (ended) {
          if (ended !== 'closed') throw ended;
          return;
        } else if (resting) {
          resting = false;
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
  const loop = deliveries();
  // `return` while a delivery is awaited must end the wait first.
  const leave = loop.return.bind(loop);
  loop.return = (value) => {
    end('closed');
    return leave(value);
  };
  return {
    get cursor() {
      return taken;
    },
    close: () => {
      waiting.length = 0;
      end('closed');
    },
    [Symbol.asyncIterator]: () => loop,
  };
}

/** The cursor of a delivery, whatever the field was called. */
function cursorOf(delivery: { readonly data?: unknown }): string | null {
  for (const value of Object.values((delivery.data ?? {}) as Record<string, unknown>)) {
    const cursor = (value as { cursor?: unknown } | null)?.cursor;
    if (typeof cursor === 'string') return cursor;
  }
  return null;
}

/** What no new connection would mend; null: try again. */
function refusal(reason: unknown, acknowledged: boolean): Refused | null {
  if (Array.isArray(reason)) {
    const [error] = reason as { message: string; extensions?: Record<string, unknown> }[];
    const code = String(error?.extensions?.['code'] ?? 'INTERNAL');
    return PASSING.has(code) ? null : new Refused(error?.message ?? 'The hub refused the subscription.', code);
  }
  const { code, reason: words } = (reason ?? {}) as { code?: unknown; reason?: unknown };
  if (typeof code !== 'number') return null;
  // 4403 on a socket that worked is a token's end: a fresh one is asked for. At once, it is a refusal.
  const fatal = FATAL.has(code) || (code === CloseCode.Forbidden && !acknowledged);
  return fatal ? new Refused(String(words || 'The hub closed the connection.'), code) : null;
}
