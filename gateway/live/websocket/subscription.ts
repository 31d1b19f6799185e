/** One subscription on a socket: its deliveries bypass graphql-ws, which receives only the end. */
import type { HubError } from '../../../connectors/kit/errors.ts';
import type { Delivery, DeliverySink } from '../delivery.ts';
import type { Connection } from './connection.ts';
import { messageHead, type SocketWriter } from './socket-writer.ts';

export class WebSocketSubscription implements DeliverySink, AsyncIterableIterator<never, undefined> {
  readonly #connection: Connection;
  readonly #writer: SocketWriter;
  readonly #head: Buffer;
  readonly #stop = new AbortController();
  readonly #ended: Promise<unknown>;
  #end: (error: unknown) => void = () => undefined;
  readonly #toClientError: (error: unknown) => Error;

  /** `id`: the client's id of the operation. `toClientError`: the error as the client may see it. */
  constructor(connection: Connection, id: string, toClientError: (error: unknown) => Error) {
    this.#connection = connection;
    this.#writer = connection.writer;
    this.#head = messageHead(id);
    this.#toClientError = toClientError;
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    connection.running.add(this);
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  offer(delivery: Delivery): boolean {
    return this.#writer.write(this.#head, delivery.bytesAndBrace());
  }

  waitForRoom(): Promise<void> {
    return this.#writer.drained(this.#stop.signal);
  }

  end(error: HubError | null): void {
    this.#end(error);
  }

  /** Ends a subscription that could not start. */
  fail(error: unknown): void {
    this.#end(error);
  }

  /** Ends the subscription on behalf of the client or the server. */
  abort(): void {
    this.#connection.running.delete(this);
    this.#stop.abort();
    this.#end(null);
  }

  /** Resolves when the subscription ends. graphql-ws sends a rejection as `error`. */
  next(): Promise<IteratorResult<never, undefined>> {
    return this.#ended.then((error) => {
      this.abort();
      if (error) throw this.#toClientError(error);
      return { done: true, value: undefined };
    });
  }

  return(): Promise<IteratorResult<never, undefined>> {
    this.abort();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
