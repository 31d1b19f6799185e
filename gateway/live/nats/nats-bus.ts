/**
 * The bus between replicas, NATS JetStream: one replica, under a lease, listens to the database and tells the others what is committed.
 * Only the log is the truth: a word that does not follow what is known, or no word for a while, and a replica looks for itself.
 */
import { randomUUID } from 'node:crypto';
import { DeliverPolicy, type JetStreamClient, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { sleep } from '../../../connectors/kit/guard/timeouts.ts';
import type { Log } from '../../../connectors/kit/log.ts';
import type { Database } from '../../../schema/database/database.ts';
import { dropLease, type Lease, takeLease } from '../../../schema/database/processes/leases.ts';
import type { Tail } from '../log-tail.ts';
import { type BusAddress, readBusAddress } from './nats-address.ts';
import { busName, openWord, sealWord } from './position-message.ts';

/** The speaker says something at least so often, in milliseconds. */
const BEAT = 500;
/** So long nothing was heard, and a replica looks for itself. */
const SILENT = 3 * BEAT;
/** Who speaks holds this lease for so long, and takes it anew in half of it. */
const LEASE = { name: 'event bus', for: 4_000 };
/** Pauses before the broker is tried again. */
const AGAIN = { first: 250, longest: 5_000 };
const TIMEOUT = 5_000;

export interface BusParts {
  /** NATS_URL as it was given. */
  readonly url: string;
  readonly tail: Tail;
  readonly database: Database;
  /** The same in all replicas. */
  readonly key: Buffer;
  readonly log: Log;
}

export class Bus {
  readonly #parts: BusParts;
  readonly #owner = randomUUID();
  readonly #name: string;
  readonly #end = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #epoch: string | null = null;
  #heard = 0;
  #speaking = false;

  constructor(parts: BusParts) {
    this.#parts = parts;
    this.#name = busName(parts.key);
  }

  /** Begins at once and never fails: while there is no bus, the database is listened to. An address that is none is told, once. */
  open(): void {
    const address = readBusAddress(this.#parts.url);
    if (address) this.#running = this.#run(address);
    else {
      this.#parts.log.warn(
        'NATS_URL is no address of NATS, such as nats://127.0.0.1:4222; the hub runs without it and listens to the database.',
      );
    }
  }

  /** Whether this replica is the one that tells the others. */
  get speaking(): boolean {
    return this.#speaking;
  }

  /** Whether this replica leaves the database alone, since the bus tells. */
  get heard(): boolean {
    return performance.now() - this.#heard < SILENT && this.#heard > 0;
  }

  async close(): Promise<void> {
    this.#end.abort();
    await this.#running;
  }

  async #run(address: BusAddress): Promise<void> {
    const { tail, log } = this.#parts;
    const { signal } = this.#end;
    const { servers, shown, user, pass, token, tls } = address;
    let told = false;
    for (let pause = AGAIN.first; !signal.aborted; pause = Math.min(pause * 2, AGAIN.longest)) {
      let connection: NatsConnection | null = null;
      try {
        // One connection has one life: whatever breaks it, all begins anew.
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
          log.info(`Replicas hear of events through NATS at ${shown}.`);
          told = false;
          pause = AGAIN.first;
        });
      } catch (error) {
        if (!told && !signal.aborted) {
          log.warn(
            `NATS at ${shown} cannot be used (${reason(error)}): the hub listens to the database, loses nothing, and tries again. Check NATS_URL, and that JetStream is on.`,
          );
        }
        told = true;
      } finally {
        this.#heard = 0;
        void tail.attend();
        await connection?.close().catch(() => undefined);
      }
      await sleep(pause, signal);
    }
  }

  /** Until the connection is gone, which rejects, or the hub closes. */
  async #serve(connection: NatsConnection, ready: () => void): Promise<void> {
    const { tail } = this.#parts;
    const { signal } = this.#end;
    const gone = new AbortController();
    const over = AbortSignal.any([signal, gone.signal]);
    void connection.closed().then((error) => gone.abort(error ?? new Error('the connection was closed')));
    const manager = await jetstreamManager(connection, { timeout: TIMEOUT });
    const stream = `ISTHMUS_${this.#name}`;
    const subject = `isthmus.${this.#name}.log`;
    // A word is worth something for moments; the log itself is in the database.
    const config = { subjects: [subject], max_msgs: 1_000, max_age: 3_600_000_000_000 };
    // One that was made otherwise is brought to this.
    await manager.streams.add({ name: stream, ...config }).catch(() => manager.streams.update(stream, config));
    const client = jetstream(connection, { timeout: TIMEOUT });
    const consumer = await client.consumers.get(stream, { deliver_policy: DeliverPolicy.New });
    const words = await consumer.consume({ callback: (message) => this.#hear(message.string()) });
    void words.closed().then((error) => gone.abort(error ?? new Error('the stream was closed')));
    try {
      ready();
      while (!over.aborted) {
        if (this.heard) tail.rest();
        else {
          await tail.attend();
          await this.#speak(client, subject, over);
        }
        await sleep(BEAT / 2, over);
      }
    } finally {
      words.stop();
    }
    if (!signal.aborted) throw gone.signal.reason;
  }

  /** Tells the others, for as long as the lease is ours. */
  async #speak(client: JetStreamClient, subject: string, over: AbortSignal): Promise<void> {
    const { tail, key } = this.#parts;
    let lease = await this.#lease();
    if (!lease) return sleep(BEAT, over);
    let until = performance.now() + LEASE.for / 2;
    const epoch = randomUUID();
    let said = tail.head;
    this.#speaking = true;
    try {
      while (!over.aborted) {
        const to = tail.head;
        const word = sealWord(key, { epoch, from: said + 1n, to });
        // Also a beat is stored, so that a broker that stores nothing any more is found out.
        await client.publish(subject, word, { timeout: TIMEOUT });
        said = to;
        if (performance.now() > until) {
          lease = await this.#lease();
          if (!lease) return;
          until = performance.now() + LEASE.for / 2;
        }
        await tail.beyond(said, AbortSignal.any([over, AbortSignal.timeout(BEAT)]));
        if (tail.closed) return;
      }
    } finally {
      this.#speaking = false;
      const held = lease;
      if (held) await this.#parts.database.transaction((tx) => dropLease(tx, held)).catch(() => undefined);
    }
  }

  #lease(): Promise<Lease | null> {
    const { database } = this.#parts;
    return database.transaction((tx) => takeLease(tx, LEASE.name, this.#owner, LEASE.for)).catch(() => null);
  }

  #hear(text: string): void {
    if (this.#speaking) return;
    const word = openWord(this.#parts.key, text);
    if (!word) return;
    this.#heard = performance.now();
    // What a new speaker says is taken from its second word on: before, something may have been missed.
    if (word.epoch === this.#epoch) this.#parts.tail.told(word.from, word.to);
    else {
      this.#epoch = word.epoch;
      void this.#parts.tail.look();
    }
  }
}

function reason(error: unknown): string {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return String(typeof code === 'string' ? code : (message ?? 'no answer'))
    .split('\n')[0]
    ?.slice(0, 120) as string;
}
