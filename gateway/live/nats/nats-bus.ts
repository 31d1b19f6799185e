/**
 * Shares log positions between replicas over NATS JetStream. The replica that holds the lease listens to the database and publishes what is
 * committed. A replica polls the log itself after a message that does not continue its position, and after 1.5 s without a message.
 */
import { randomUUID } from 'node:crypto';
import { DeliverPolicy, type JetStreamClient, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { sleep } from '../../../connectors/kit/guard/timeouts.ts';
import type { Log } from '../../../connectors/kit/log.ts';
import type { Database } from '../../../schema/database/database.ts';
import { acquireLease, type Lease, releaseLeases } from '../../../schema/database/processes/leases.ts';
import type { LogTail } from '../log-tail.ts';
import { type NatsAddress, parseNatsAddress } from './nats-address.ts';
import { busId, signPosition, verifyPosition } from './position-message.ts';

/** Milliseconds between messages of the publisher. */
const HEARTBEAT = 500;
/** Milliseconds without a message, after which a replica listens to the database. */
const SILENCE_LIMIT = 3 * HEARTBEAT;
/** The publisher's lease, in milliseconds; renewed after half of it. */
const LEASE = { name: 'event bus', for: 4_000 };
/** Milliseconds between connection attempts. */
const RETRY_PAUSE = { first: 250, longest: 5_000 };
/** Milliseconds. */
const TIMEOUT = 5_000;

export interface NatsBusOptions {
  /** The value of NATS_URL. */
  readonly url: string;
  readonly tail: LogTail;
  readonly database: Database;
  /** Signs messages; equal in all replicas. */
  readonly key: Buffer;
  readonly log: Log;
}

export class NatsBus {
  readonly #options: NatsBusOptions;
  readonly #owner = randomUUID();
  readonly #busId: string;
  readonly #end = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #publisherEpoch: string | null = null;
  #lastMessageAt = 0;
  #isPublisher = false;

  constructor(options: NatsBusOptions) {
    this.#options = options;
    this.#busId = busId(options.key);
  }

  /** Connects in the background; never throws. The hub listens to the database while NATS is unavailable. Logs an invalid NATS_URL. */
  open(): void {
    const address = parseNatsAddress(this.#options.url);
    if (address) this.#running = this.#run(address);
    else {
      this.#options.log.warn(
        'NATS_URL is not a NATS address, such as nats://127.0.0.1:4222. Using PostgreSQL notifications.',
      );
    }
  }

  /** Whether this replica publishes positions. */
  get isPublisher(): boolean {
    return this.#isPublisher;
  }

  /** Whether this replica receives positions, so that it need not listen to the database. */
  get isReceiving(): boolean {
    return performance.now() - this.#lastMessageAt < SILENCE_LIMIT && this.#lastMessageAt > 0;
  }

  async close(): Promise<void> {
    this.#end.abort();
    await this.#running;
  }

  async #run(address: NatsAddress): Promise<void> {
    const { tail, log } = this.#options;
    const { signal } = this.#end;
    const { servers, display, user, pass, token, tls } = address;
    let isReported = false;
    for (let pause = RETRY_PAUSE.first; !signal.aborted; pause = Math.min(pause * 2, RETRY_PAUSE.longest)) {
      let connection: NatsConnection | null = null;
      try {
        // No reconnect: after any error a new connection is opened, so there is one recovery path.
        connection = await connect({
          servers: [...servers],
          name: 'isthmus',
          reconnect: false,
          timeout: TIMEOUT,
          pingInterval: 10_000,
          ...(user && pass ? { user, pass } : {}),
          ...(token ? { token } : {}),
          ...(tls ? { tls: {} } : {}),
        });
        await this.#serve(connection, () => {
          log.info(`Connected to NATS at ${display}. Replicas share log positions through it.`);
          isReported = false;
          pause = RETRY_PAUSE.first;
        });
      } catch (error) {
        if (!isReported && !signal.aborted) {
          log.warn(
            `NATS at ${display} is unavailable (${reason(error)}). Using PostgreSQL notifications; no events are lost. Check NATS_URL and that JetStream is enabled.`,
          );
        }
        isReported = true;
      } finally {
        this.#lastMessageAt = 0;
        void tail.startListening();
        await connection?.close().catch(() => undefined);
      }
      await sleep(pause, signal);
    }
  }

  /** Uses the connection until the hub closes. Rejects when the connection or the stream is lost. */
  async #serve(connection: NatsConnection, ready: () => void): Promise<void> {
    const { tail } = this.#options;
    const { signal } = this.#end;
    const disconnected = new AbortController();
    const stopped = AbortSignal.any([signal, disconnected.signal]);
    void connection.closed().then((error) => disconnected.abort(error ?? new Error('the connection was closed')));
    const manager = await jetstreamManager(connection, { timeout: TIMEOUT });
    const stream = `ISTHMUS_${this.#busId}`;
    const subject = `isthmus.${this.#busId}.log`;
    // Messages are useful for moments only; the log is in the database.
    const config = { subjects: [subject], max_msgs: 1_000, max_age: 3_600_000_000_000 };
    // A stream with another configuration is updated.
    await manager.streams.add({ name: stream, ...config }).catch(() => manager.streams.update(stream, config));
    const client = jetstream(connection, { timeout: TIMEOUT });
    const consumer = await client.consumers.get(stream, { deliver_policy: DeliverPolicy.New });
    const messages = await consumer.consume({ callback: (message) => this.#receive(message.string()) });
    void messages.closed().then((error) => disconnected.abort(error ?? new Error('the stream was closed')));
    try {
      ready();
      while (!stopped.aborted) {
        if (this.isReceiving) tail.stopListening();
        else {
          await tail.startListening();
          await this.#publish(client, subject, stopped);
        }
        await sleep(HEARTBEAT / 2, stopped);
      }
    } finally {
      messages.stop();
    }
    if (!signal.aborted) throw disconnected.signal.reason;
  }

  /** Publishes positions as long as this replica holds the lease. */
  async #publish(client: JetStreamClient, subject: string, stopped: AbortSignal): Promise<void> {
    const { tail, key } = this.#options;
    let lease = await this.#takeLease();
    if (!lease) return sleep(HEARTBEAT, stopped);
    let renewAt = performance.now() + LEASE.for / 2;
    const epoch = randomUUID();
    let published = tail.head;
    this.#isPublisher = true;
    try {
      while (!stopped.aborted) {
        const to = tail.head;
        const message = signPosition(key, { epoch, from: published + 1n, to });
        // Heartbeats are stored, too, which detects a server that can no longer store.
        await client.publish(subject, message, { timeout: TIMEOUT });
        published = to;
        if (performance.now() > renewAt) {
          lease = await this.#takeLease();
          if (!lease) return;
          renewAt = performance.now() + LEASE.for / 2;
        }
        await tail.waitBeyond(published, AbortSignal.any([stopped, AbortSignal.timeout(HEARTBEAT)]));
        if (tail.closed) return;
      }
    } finally {
      this.#isPublisher = false;
      const current = lease;
      if (current)
        await this.#options.database.transaction((tx) => releaseLeases(tx, [current])).catch(() => undefined);
    }
  }

  #takeLease(): Promise<Lease | null> {
    const { database } = this.#options;
    return database.transaction((tx) => acquireLease(tx, LEASE.name, this.#owner, LEASE.for)).catch(() => null);
  }

  #receive(text: string): void {
    if (this.#isPublisher) return;
    const message = verifyPosition(this.#options.key, text);
    if (!message) return;
    this.#lastMessageAt = performance.now();
    // The first message of a new publisher is not used, since positions before it may have been missed.
    if (message.epoch === this.#publisherEpoch) this.#options.tail.advertise(message.from, message.to);
    else {
      this.#publisherEpoch = message.epoch;
      void this.#options.tail.poll();
    }
  }
}

function reason(error: unknown): string {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return String(typeof code === 'string' ? code : (message ?? 'no response'))
    .split('\n')[0]
    ?.slice(0, 120) as string;
}
