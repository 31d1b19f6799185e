/** One subscription on a socket: deliveries go to the wire past graphql-ws, which only learns how it ends. */
import type { HubError } from '../../../connectors/kit/errors.ts';
import type { Delivery, Sink } from '../subscription-registry.ts';
import type { Connection } from './connection.ts';
import { beginning, type Wire } from './socket-writer.ts';

export class Following implements Sink, AsyncIterableIterator<never, undefined> {
  readonly #connection: Connection;
  readonly #wire: Wire;
  readonly #begin: Buffer;
  readonly #stop = new AbortController();
  readonly #ended: Promise<unknown>;
  #over: (error: unknown) => void = () => undefined;
  readonly #shown: (error: unknown) => Error;

  /** `id`: the client's own. `shown`: a fault as the client may see it. */
  constructor(connection: Connection, id: string, shown: (error: unknown) => Error) {
    this.#connection = connection;
    this.#wire = connection.wire;
    this.#begin = beginning(id);
    this.#shown = shown;
    this.#ended = new Promise((resolve) => {
      this.#over = resolve;
    });
    connection.running.add(this);
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  offer(delivery: Delivery): boolean {
    return this.#wire.write(this.#begin, delivery.rest());
  }

  ready(): Promise<void> {
    return this.#wire.drained(this.#stop.signal);
  }

  end(error: HubError | null): void {
    this.#over(error);
  }

  /** It could not begin. */
  fail(error: unknown): void {
    this.#over(error);
  }

  /** The client or the hub has had enough. */
  abort(): void {
    this.#connection.running.delete(this);
    this.#stop.abort();
    this.#over(null);
  }

  /** Says nothing until it ends. What is thrown goes out as `error`. */
  next(): Promise<IteratorResult<never, undefined>> {
    return this.#ended.then((error) => {
      this.abort();
      if (error) throw this.#shown(error);
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
