/** A client of the kill test: follows the log by the hub's own client helper, on a socket that can be killed at any moment. */
import { WebSocket } from 'ws';
import { type Followed, follow } from '../../gateway/client/index.ts';
import { EVENTS, mortalSockets } from '../live-hub.ts';

interface Told {
  readonly events: {
    readonly __typename: string;
    readonly cursor: string;
    readonly reason?: string;
    readonly events?: readonly { readonly id: string }[];
  };
}

export interface Listener {
  /** Ids as they came. */
  readonly ids: readonly string[];
  readonly breaks: number;
  readonly lagged: number;
  /** Gaps and errors; there must be none. */
  readonly faults: readonly string[];
  /** Ends its open connection as a broken network does; false: there is none at the moment. */
  kill(): boolean;
  /** Goes on at another replica, with nothing but its cursor. */
  move(address: string): void;
  close(): Promise<void>;
}

/** Follows from behind `after` on. */
export function listener(start: string, after: string): Listener {
  const { WebSocket: Mortal, open } = mortalSockets();
  const ids: string[] = [];
  const faults: string[] = [];
  let breaks = 0;
  let lagged = 0;
  let address = start;
  let closed = false;
  let cursor: string | null = after;
  let current: { close(): void } | null = null;
  const running = (async () => {
    while (!closed) {
      const followed: Followed<Told> = follow<Told>({
        url: `ws://${address}`,
        query: EVENTS,
        after: cursor,
        webSocket: Mortal,
        pause: { first: 2, longest: 200 },
        onBreak: () => {
          breaks++;
        },
      });
      current = followed;
      for await (const { data, errors } of followed) {
        // What the log could not be read for a while is told by an error; the same range comes again.
        if (errors && !data?.events) continue;
        if (data?.events.__typename === 'Gap') faults.push(`Gap (${data.events.reason})`);
        if (data?.events.__typename === 'Lagged') lagged++;
        for (const { id } of data?.events.events ?? []) ids.push(id);
      }
      cursor = followed.cursor;
    }
  })().catch((error: unknown) => void faults.push(String(error)));
  return {
    ids,
    faults,
    get breaks() {
      return breaks;
    },
    get lagged() {
      return lagged;
    },
    kill: () => {
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
