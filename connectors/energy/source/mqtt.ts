/**
 * A kept session with an MQTT broker, on a socket of our own: what has come while a batch was being committed is the next batch, and
 * only after the commit each message is acknowledged. MQTT 5 first (a session that outlives us needs its expiry), 3.1.1 where the broker knows no better.
 */
import { connect, type Socket } from 'node:net';
import {
  generate,
  type IConnackPacket,
  type IPublishPacket,
  type ISubackPacket,
  type Packet,
  parser,
} from 'mqtt-packet';
import { systemClock } from '../../kit/clock.ts';
import { malformed, rejected, SourceError, timeout, unavailable } from '../../kit/errors.ts';
import { CommitShare } from '../../kit/tasks/commit-queue.ts';
import { type LargeHead, MqttFrames } from './mqtt-frames.ts';
import { Pieces } from './pieces.ts';

export interface MqttOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly username: string | null;
  readonly password: string | null;
  readonly timeout: number;
  /** False for a short visit that keeps no session. */
  readonly keep: boolean;
  /** Bytes of a packet that is read whole; the payload of a larger one comes in pieces. */
  readonly largest: number;
}

export interface MqttMessage {
  readonly topic: string;
  readonly payload: Buffer;
}

/** What becomes of messages. Each may reject: then the session ends, and what was not acknowledged comes again. */
export interface MqttHandlers {
  /** Batches, one at a time; acknowledged when it resolves. */
  batch(batch: readonly MqttMessage[]): Promise<void>;
  /** One that is larger than `largest`, beside the batches; acknowledged when it resolves. */
  large(head: LargeHead, pieces: AsyncIterable<Buffer>): Promise<void>;
}

/** Messages of one batch, at most; and bytes, unless one message has more. */
const BATCH = 500;
const BATCH_BYTES = 4 * 1024 * 1024;
/** Beyond this many unread messages, or bytes of them, the socket waits. */
const FULL = 4 * BATCH;
const FULL_BYTES = 4 * BATCH_BYTES;
const KEEPALIVE = 15;
/** The broker keeps our session for a week. */
const EXPIRY = 7 * 86_400;

const versions = new Map<string, 4 | 5>();

export class MqttSession {
  readonly #options: MqttOptions;
  readonly #socket: Socket;
  readonly #version: 4 | 5;
  readonly #parser: ReturnType<typeof parser>;
  readonly #waiting = new Map<string, (packet: Packet) => void>();
  #messages: { message: MqttMessage; id: number | null }[] = [];
  /** Bytes of the payloads in `#messages`. */
  #bytes = 0;
  /** The large payload that is coming in. */
  #pieces: Pieces | null = null;
  #handlers: MqttHandlers | null = null;
  #busy = false;
  /** What it holds of all that waits for a commit in this process. */
  readonly #share = new CommitShare();
  #ping: NodeJS.Timeout | undefined;
  #working: Promise<void> = Promise.resolve();
  /** Large payloads that are being kept. */
  #keeping: Promise<void> = Promise.resolve();
  #nextId = 1;
  #heard = systemClock.monotonic();
  /** Settles when the connection has ended, with the reason. */
  readonly ended: Promise<Error>;
  #end: (reason: Error) => void = () => undefined;

  private constructor(options: MqttOptions, socket: Socket, version: 4 | 5) {
    this.#options = options;
    this.#socket = socket;
    this.#version = version;
    this.#parser = parser({ protocolVersion: version });
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#parser.on('packet', (packet: Packet) => this.#received(packet));
    this.#parser.on('error', (error: unknown) => this.close(malformed('the broker talks no MQTT', error)));
    const frames = new MqttFrames(version, options.largest, {
      small: (bytes) => this.#parser.parse(bytes),
      begin: (head) => this.#large(head),
      piece: (bytes) => this.#pieces?.push(bytes),
      end: () => {
        this.#pieces?.end();
        this.#pieces = null;
      },
    });
    socket.on('data', (bytes: Buffer) => {
      this.#heard = systemClock.monotonic();
      try {
        frames.push(bytes);
      } catch (error) {
        this.close(error instanceof Error ? error : malformed(String(error)));
      }
    });
    socket.on('error', (error) => this.close(unavailable('the connection to the broker was lost', error)));
    socket.on('close', () => this.close(unavailable('the broker closed the connection')));
  }

  /** Connects; rejects with a `SourceError`. */
  static async open(options: MqttOptions): Promise<{ session: MqttSession; present: boolean }> {
    const key = `${options.host}:${options.port}`;
    const wanted = versions.get(key);
    if (wanted !== undefined) return MqttSession.#try(options, wanted);
    try {
      const opened = await MqttSession.#try(options, 5);
      versions.set(key, 5);
      return opened;
    } catch (error) {
      if (!(error instanceof SourceError) || error.code === 'SOURCE_TIMEOUT') throw error;
      const opened = await MqttSession.#try(options, 4);
      versions.set(key, 4);
      return opened;
    }
  }

  static async #try(options: MqttOptions, version: 4 | 5): Promise<{ session: MqttSession; present: boolean }> {
    const socket = connect(options.port, options.host);
    socket.setNoDelay(true);
    const session = new MqttSession(options, socket, version);
    const answer = session.#await('connack', options.timeout);
    socket.once('connect', () =>
      session.#send({
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: version,
        clean: !options.keep,
        clientId: options.clientId,
        keepalive: KEEPALIVE,
        ...(options.username === null ? {} : { username: options.username }),
        ...(options.password === null ? {} : { password: Buffer.from(options.password) }),
        ...(version === 5 && options.keep
          ? { properties: { sessionExpiryInterval: EXPIRY, receiveMaximum: FULL } }
          : {}),
      }),
    );
    const packet = (await answer) as IConnackPacket;
    const code = packet.reasonCode ?? packet.returnCode ?? 0;
    if (code !== 0) {
      const fault = rejected(`the broker refuses the connection (code ${code})`);
      session.close(fault);
      throw fault;
    }
    session.#ping = setInterval(() => session.#alive(), (KEEPALIVE * 1000) / 2);
    return { session, present: packet.sessionPresent };
  }

  /** Subscribes at QoS 1. */
  async subscribe(topics: readonly string[], handlers: MqttHandlers): Promise<void> {
    this.#handlers = handlers;
    const messageId = this.#id();
    const answer = this.#await(`suback ${messageId}`, this.#options.timeout);
    this.#send({ cmd: 'subscribe', messageId, subscriptions: topics.map((topic) => ({ topic, qos: 1 as const })) });
    const { granted } = (await answer) as ISubackPacket;
    const refused = topics.filter((_, i) => Number(granted[i]) >= 0x80);
    if (refused.length > 0) throw rejected(`the broker refuses the subscription of ${refused.join(', ')}`);
    this.#plan();
  }

  /** Publishes at QoS 1 and waits for the acknowledgement. */
  async publish(topic: string, payload: string): Promise<void> {
    const messageId = this.#id();
    const answer = this.#await(`puback ${messageId}`, this.#options.timeout);
    this.#send({ cmd: 'publish', topic, payload, qos: 1, messageId, dup: false, retain: false });
    await answer;
  }

  /** Ends the connection; idempotent. */
  close(reason: Error = unavailable('the connection was closed')): void {
    clearInterval(this.#ping);
    this.#socket.destroy();
    this.#end(reason);
    // Not acknowledged, so they come again.
    for (const { message } of this.#messages) this.#share.leave(message.payload.length);
    this.#messages = [];
    this.#bytes = 0;
    this.#pieces?.fail(reason);
    this.#pieces = null;
    for (const [, wake] of this.#waiting) wake({ cmd: 'disconnect' } as Packet);
    this.#waiting.clear();
  }

  /** Says goodbye, so that the broker keeps no will and no wait. */
  leave(): void {
    if (!this.#socket.destroyed) this.#send({ cmd: 'disconnect' } as Packet);
    this.#socket.end();
    this.close();
  }

  /** Waits for batches under way. */
  async settled(): Promise<void> {
    await Promise.all([this.#working, this.#keeping]);
  }

  #id(): number {
    this.#nextId = (this.#nextId % 65_535) + 1;
    return this.#nextId;
  }

  #send(packet: Packet): void {
    if (!this.#socket.destroyed) this.#socket.write(generate(packet, { protocolVersion: this.#version }));
  }

  #await(what: string, limit: number): Promise<Packet> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(what);
        const fault = timeout(`the broker gave no ${what.split(' ')[0]} within ${limit} ms`);
        this.close(fault);
        reject(fault);
      }, limit);
      this.#waiting.set(what, (packet) => {
        clearTimeout(timer);
        this.#waiting.delete(what);
        if (packet.cmd === 'disconnect') void this.ended.then(reject);
        else resolve(packet);
      });
    });
  }

  #received(packet: Packet): void {
    if (packet.cmd === 'publish') {
      const { topic, payload, qos, messageId } = packet as IPublishPacket;
      this.#messages.push({
        message: { topic, payload: Buffer.from(payload) },
        id: qos > 0 ? (messageId ?? null) : null,
      });
      this.#bytes += payload.length;
      this.#share.enter(payload.length);
      this.#flow();
      this.#plan();
      return;
    }
    if (packet.cmd === 'disconnect') {
      this.close(unavailable('the broker ended the session'));
      return;
    }
    const key = packet.cmd === 'connack' ? 'connack' : `${packet.cmd} ${packet.messageId}`;
    this.#waiting.get(key)?.(packet);
  }

  /**
   * The socket waits while enough is in memory, here or in the process: what is left unread keeps the broker waiting, and nothing of it
   * is acknowledged. `idle`: no batch is being committed, so a session that holds nothing reads on, however full the process is.
   */
  #flow(idle = false): void {
    const { length } = this.#messages;
    const { full } = this.#share;
    if (length >= FULL || this.#bytes >= FULL_BYTES || this.#pieces?.full === true || (full && length > 0))
      this.#socket.pause();
    else if (
      length < BATCH &&
      this.#bytes < FULL_BYTES / 2 &&
      this.#socket.isPaused() &&
      (!full || (idle && length === 0))
    )
      this.#socket.resume();
  }

  #large(head: LargeHead): void {
    const pieces = new Pieces(() => this.#flow());
    this.#pieces = pieces;
    const kept = this.#handlers?.large(head, pieces) ?? Promise.reject(malformed('a message before any subscription'));
    const done = kept.then(
      () => {
        if (head.id !== null) this.#send({ cmd: 'puback', messageId: head.id } as Packet);
      },
      (error) => this.close(error instanceof Error ? error : unavailable(String(error))),
    );
    this.#keeping = Promise.all([this.#keeping, done]).then(() => undefined);
  }

  #plan(): void {
    if (!this.#handlers || this.#busy || this.#messages.length === 0) return;
    this.#busy = true;
    // Whatever the socket has for us already comes along.
    this.#working = new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.#flush());
  }

  async #flush(): Promise<void> {
    let [count, bytes] = [0, 0];
    for (const { message } of this.#messages) {
      if (count === BATCH || (count > 0 && bytes + message.payload.length > BATCH_BYTES)) break;
      count++;
      bytes += message.payload.length;
    }
    const batch = this.#messages.splice(0, count);
    this.#bytes -= bytes;
    this.#flow();
    try {
      if (!this.#socket.destroyed) await this.#handlers?.batch(batch.map((one) => one.message));
      this.#socket.cork();
      for (const { id } of batch) if (id !== null) this.#send({ cmd: 'puback', messageId: id } as Packet);
      this.#socket.uncork();
    } catch (error) {
      this.close(error instanceof Error ? error : unavailable(String(error)));
    }
    for (const { message } of batch) this.#share.leave(message.payload.length);
    this.#flow(true);
    this.#busy = false;
    this.#plan();
  }

  #alive(): void {
    if (this.#socket.isPaused()) this.#heard = systemClock.monotonic();
    if (systemClock.monotonic() - this.#heard > KEEPALIVE * 1500) this.close(timeout('the broker has fallen silent'));
    else this.#send({ cmd: 'pingreq' });
  }
}
