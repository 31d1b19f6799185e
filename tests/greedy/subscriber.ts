/** One socket with many subscriptions, by hand: a client that shares its core with those who are measured. */
import { WebSocket } from 'ws';

/** What a subscription to `events` brings. */
export interface Told {
  readonly data?: {
    readonly [alias: string]: {
      readonly events?: { id: string; time: string }[];
      readonly behind?: number;
      cursor?: string;
    } | null;
  };
  readonly errors?: readonly { readonly extensions?: { readonly code?: string } }[];
}

export class Subscriber {
  readonly #socket: WebSocket;
  /** Resolves when the hub has taken the socket and all is subscribed to, or when it is closed. */
  readonly ready: Promise<void>;
  /** Told of each `next`. */
  got: (told: Told) => void = () => undefined;
  /** Told of each `error`: the codes. */
  refused: (code: string) => void = () => undefined;
  /** Told of the end: the close code. */
  closed: (code: number) => void = () => undefined;

  constructor(url: string, token: string, queries: readonly string[], variables: Record<string, unknown> = {}) {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    this.#socket = socket;
    const say = (message: object) => socket.send(JSON.stringify(message));
    socket.on('open', () => say({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
    socket.on('error', () => undefined);
    this.ready = new Promise((resolve) => {
      socket.on('close', (code) => {
        this.closed(code);
        resolve();
      });
      socket.on('message', (bytes) => {
        const { type, payload } = JSON.parse(String(bytes));
        if (type === 'connection_ack') {
          for (const [i, query] of queries.entries())
            say({ id: String(i), type: 'subscribe', payload: { query, variables } });
          resolve();
        } else if (type === 'next') this.got(payload);
        else if (type === 'error') this.refused(String(payload[0]?.extensions?.code));
        else if (type === 'ping') say({ type: 'pong' });
      });
    });
  }

  end(): void {
    this.#socket.terminate();
  }
}
