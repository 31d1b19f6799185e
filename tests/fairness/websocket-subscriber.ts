/** A minimal WebSocket client with many subscriptions, cheap because it shares its core with the measured callers. */
import { WebSocket } from 'ws';

/** The payload of a `next` message of `events` subscriptions. */
export interface EventsPayload {
  readonly data?: {
    readonly [alias: string]: {
      readonly events?: { id: string; time: string }[];
      readonly behind?: number;
      cursor?: string;
    } | null;
  };
  readonly errors?: readonly { readonly extensions?: { readonly code?: string } }[];
}

export class WebSocketSubscriber {
  readonly #socket: WebSocket;
  /** Resolves when the connection is acknowledged and all subscriptions are sent, or when it closes. */
  readonly ready: Promise<void>;
  /** Called with each `next` payload. */
  onNext: (payload: EventsPayload) => void = () => undefined;
  /** Called with the code of each `error`. */
  onError: (code: string) => void = () => undefined;
  /** Called with the close code. */
  onClose: (code: number) => void = () => undefined;

  constructor(url: string, token: string, queries: readonly string[], variables: Record<string, unknown> = {}) {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    this.#socket = socket;
    const send = (message: object) => socket.send(JSON.stringify(message));
    socket.on('open', () => send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
    socket.on('error', () => undefined);
    this.ready = new Promise((resolve) => {
      socket.on('close', (code) => {
        this.onClose(code);
        resolve();
      });
      socket.on('message', (bytes) => {
        const { type, payload } = JSON.parse(String(bytes));
        if (type === 'connection_ack') {
          for (const [i, query] of queries.entries())
            send({ id: String(i), type: 'subscribe', payload: { query, variables } });
          resolve();
        } else if (type === 'next') this.onNext(payload);
        else if (type === 'error') this.onError(String(payload[0]?.extensions?.code));
        else if (type === 'ping') send({ type: 'pong' });
      });
    });
  }

  end(): void {
    this.#socket.terminate();
  }
}
