/** A subscriber of the kill test: uses the client in gateway/client on a socket that can be killed at any moment. */
import { WebSocket } from 'ws';
import { type FollowedSubscription, follow } from '../../gateway/client/index.ts';
import { EVENTS_SUBSCRIPTION, killableSockets } from '../bare-hub.ts';

interface EventsPayload {
  readonly events: {
    readonly __typename: string;
    readonly cursor: string;
    readonly reason?: string;
    readonly events?: readonly { readonly id: string }[];
  };
}

export interface Subscriber {
  /** Received event ids, in order of arrival. */
  readonly ids: readonly string[];
  readonly disconnects: number;
  readonly lagged: number;
  /** Gaps and errors; must stay empty. */
  readonly errors: readonly string[];
  /** Drops its open connection as a network failure would; false if there is none at the moment. */
  dropConnection(): boolean;
  /** Continues at another replica, with only its cursor. */
  move(address: string): void;
  close(): Promise<void>;
}

/** Subscribes to the events after `after`. */
export function startSubscriber(start: string, after: string): Subscriber {
  const { WebSocket: Mortal, open } = killableSockets();
  const ids: string[] = [];
  const failures: string[] = [];
  let disconnectCount = 0;
  let lagged = 0;
  let address = start;
  let closed = false;
  let cursor: string | null = after;
  let current: { close(): void } | null = null;
  const running = (async () => {
    while (!closed) {
      const followed: FollowedSubscription<EventsPayload> = follow<EventsPayload>({
        url: `ws://${address}`,
        query: EVENTS_SUBSCRIPTION,
        after: cursor,
        webSocket: Mortal,
        pause: { first: 2, longest: 200 },
        onDisconnect: () => {
          disconnectCount++;
        },
      });
      current = followed;
      for await (const { data, errors } of followed) {
        // While the log cannot be read, the delivery is an error; the same range is sent again.
        if (errors && !data?.events) continue;
        if (data?.events.__typename === 'Gap') failures.push(`Gap (${data.events.reason})`);
        if (data?.events.__typename === 'Lagged') lagged++;
        for (const { id } of data?.events.events ?? []) ids.push(id);
      }
      cursor = followed.cursor;
    }
  })().catch((error: unknown) => void failures.push(String(error)));
  return {
    ids,
    errors: failures,
    get disconnects() {
      return disconnectCount;
    },
    get lagged() {
      return lagged;
    },
    dropConnection: () => {
      const [socket] = [...open].filter((one) => one.readyState === WebSocket.OPEN);
      socket?.terminate();
      return socket !== undefined;
    },
    move: (next) => {
      address = next;
      current?.close();
    },
    close: async () => {
      closed = true;
      current?.close();
      await running;
    },
  };
}
