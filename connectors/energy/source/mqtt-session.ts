/**
 * A persistent session with an MQTT broker on its own socket. Messages that arrive while a batch is being committed form the next
 * batch; each message is acknowledged only after its commit. Tries MQTT 5 first, which a session expiry requires, then 3.1.1.
 */
import { connect, type Socket } from 'node:net';
import {
  generate,
  type IConnackPacket,
  type IPublishPacket,
  type ISubackPacket,
  type Packet,
  parser,
  writeToStream,
} from 'mqtt-packet';
import { systemClock } from '../../kit/clock.ts';
import { malformed, rejected, SourceError, timeout, unavailable } from '../../kit/errors.ts';
import { ChunkStream } from './chunk-stream.ts';
import { MAX_QUEUED_MESSAGES, MessageQueue, type MqttMessage } from './message-queue.ts';
import { type LargeMessageHeader, MqttFrames } from './mqtt-frames.ts';

// Otherwise the package keeps 65,536 buffers, 10 MB, to encode packet ids.
writeToStream.cacheNumbers = false;

export interface MqttOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly username: string | null;
  readonly password: string | null;
  /** Milliseconds for each response of the broker. */
  readonly timeout: number;
  /** False: a short connection without a persistent session. */
  readonly keepSession: boolean;
  /** Size up to which a packet is read as a whole; the payload of a larger one is streamed. */
  readonly maxPacketBytes: number;
}

/** If a handler rejects, the session ends, and the broker sends again what was not acknowledged. */
export interface MqttHandlers {
  /** Handles one batch at a time; its messages are acknowledged when it resolves. */
  onBatch(batch: readonly MqttMessage[]): Promise<void>;
  /** Handles a message larger than `maxPacketBytes`, concurrently with batches; acknowledged when it resolves. */
  onLarge(header: LargeMessageHeader, chunks: AsyncIterable<Buffer>): Promise<void>;
}

/** Seconds. */
const KEEPALIVE = 15;
/** Seconds: the broker keeps the session for a week. */
const SESSION_EXPIRY = 7 * 86_400;

/** Protocol version by broker, `host:port`. */
const protocolVersions = new Map<string, 4 | 5>();

export class MqttSession {
  readonly #options: MqttOptions;
  readonly #socket: Socket;
  readonly #version: 4 | 5;
  readonly #parser: ReturnType<typeof parser>;
  /** Called with the expected packet, by type and packet id. */
  readonly #awaited = new Map<string, (packet: Packet) => void>();
  readonly #queue = new MessageQueue();
  /** The large payload that is being received. */
  #largePayload: ChunkStream | null = null;
  #handlers: MqttHandlers | null = null;
  /** Whether a batch is scheduled or being handled. */
  #busy = false;
  #ping: NodeJS.Timeout | undefined;
  #batchDone: Promise<void> = Promise.resolve();
  #largeDone: Promise<void> = Promise.resolve();
  #packetId = 1;
  #lastReceivedAt = systemClock.monotonic();
  /** Resolves with the reason when the connection has ended. */
  readonly ended: Promise<Error>;
  #resolveEnded: (reason: Error) => void = () => undefined;

  private constructor(options: MqttOptions, socket: Socket, version: 4 | 5) {
    this.#options = options;
    this.#socket = socket;
    this.#version = version;
    this.#parser = parser({ protocolVersion: version });
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#parser.on('packet', (packet: Packet) => this.#onPacket(packet));
    this.#parser.on('error', (error: unknown) => this.close(malformed('the broker sent invalid MQTT', error)));
    const frames = new MqttFrames(version, options.maxPacketBytes, {
      onPacketBytes: (bytes) => this.#parser.parse(bytes),
      onLargeBegin: (header) => this.#onLargeMessage(header),
      onLargeChunk: (bytes) => this.#largePayload?.push(bytes),
      onLargeEnd: () => {
        this.#largePayload?.end();
        this.#largePayload = null;
      },
    });
    socket.on('data', (bytes: Buffer) => {
      this.#lastReceivedAt = systemClock.monotonic();
      try {
        frames.push(bytes);
      } catch (error) {
        this.close(error instanceof Error ? error : malformed(String(error)));
      }
    });
    socket.on('error', (error) => this.close(unavailable('the connection to the broker was lost', error)));
    socket.on('close', () => this.close(unavailable('the broker closed the connection')));
  }

  /** Connects. `present`: the broker still has the session. Rejects with a `SourceError`. */
  static async open(options: MqttOptions): Promise<{ session: MqttSession; present: boolean }> {
    const key = `${options.host}:${options.port}`;
    const known = protocolVersions.get(key);
    if (known !== undefined) return MqttSession.#connect(options, known);
    try {
      const opened = await MqttSession.#connect(options, 5);
      protocolVersions.set(key, 5);
      return opened;
    } catch (error) {
      if (!(error instanceof SourceError) || error.code === 'SOURCE_TIMEOUT') throw error;
      const opened = await MqttSession.#connect(options, 4);
      protocolVersions.set(key, 4);
      return opened;
    }
  }

  static async #connect(options: MqttOptions, version: 4 | 5): Promise<{ session: MqttSession; present: boolean }> {
    const socket = connect(options.port, options.host);
    socket.setNoDelay(true);
    const session = new MqttSession(options, socket, version);
    const response = session.#waitFor('connack', options.timeout);
    socket.once('connect', () =>
      session.#send({
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: version,
        clean: !options.keepSession,
        clientId: options.clientId,
        keepalive: KEEPALIVE,
        ...(options.username === null ? {} : { username: options.username }),
        ...(options.password === null ? {} : { password: Buffer.from(options.password) }),
        ...(version === 5 && options.keepSession
          ? { properties: { sessionExpiryInterval: SESSION_EXPIRY, receiveMaximum: MAX_QUEUED_MESSAGES } }
          : {}),
      }),
    );
    const packet = (await response) as IConnackPacket;
    const code = packet.reasonCode ?? packet.returnCode ?? 0;
    if (code !== 0) {
      const error = rejected(`the broker rejected the connection (code ${code})`);
      session.close(error);
      throw error;
    }
    session.#ping = setInterval(() => session.#checkAlive(), (KEEPALIVE * 1000) / 2);
    return { session, present: packet.sessionPresent };
  }

  /** Subscribes at QoS 1. Rejects with SOURCE_REJECTED when the broker rejects any topic. */
  async subscribe(topics: readonly string[], handlers: MqttHandlers): Promise<void> {
    this.#handlers = handlers;
    const messageId = this.#nextPacketId();
    const response = this.#waitFor(`suback ${messageId}`, this.#options.timeout);
    this.#send({ cmd: 'subscribe', messageId, subscriptions: topics.map((topic) => ({ topic, qos: 1 as const })) });
    const { granted } = (await response) as ISubackPacket;
    const denied = topics.filter((_, i) => Number(granted[i]) >= 0x80);
    if (denied.length > 0) throw rejected(`the broker rejected the subscription to ${denied.join(', ')}`);
    this.#scheduleFlush();
  }

  /** Publishes at QoS 1 and waits for the acknowledgement. */
  async publish(topic: string, payload: string): Promise<void> {
    const messageId = this.#nextPacketId();
    const response = this.#waitFor(`puback ${messageId}`, this.#options.timeout);
    this.#send({ cmd: 'publish', topic, payload, qos: 1, messageId, dup: false, retain: false });
    await response;
  }

  /** Ends the connection; idempotent. */
  close(reason: Error = unavailable('the connection was closed')): void {
    clearInterval(this.#ping);
    this.#socket.destroy();
    this.#resolveEnded(reason);
    this.#queue.clear();
    this.#largePayload?.fail(reason);
    this.#largePayload = null;
    for (const [, wake] of this.#awaited) wake({ cmd: 'disconnect' } as Packet);
    this.#awaited.clear();
  }

  /** Sends DISCONNECT and closes, so that the broker does not treat the end as a failure. */
  disconnect(): void {
    if (!this.#socket.destroyed) this.#send({ cmd: 'disconnect' } as Packet);
    this.#socket.end();
    this.close();
  }

  /** Resolves when no handler is running. */
  async drained(): Promise<void> {
    await Promise.all([this.#batchDone, this.#largeDone]);
  }

  #nextPacketId(): number {
    this.#packetId = (this.#packetId % 65_535) + 1;
    return this.#packetId;
  }

  #send(packet: Packet): void {
    if (!this.#socket.destroyed) this.#socket.write(generate(packet, { protocolVersion: this.#version }));
  }

  /** Waits for a packet, such as `puback 17`. After `limit` milliseconds it closes the session and rejects with SOURCE_TIMEOUT. */
  #waitFor(key: string, limit: number): Promise<Packet> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#awaited.delete(key);
        const error = timeout(`no ${key.split(' ')[0]} from the broker within ${limit} ms`);
        this.close(error);
        reject(error);
      }, limit);
      this.#awaited.set(key, (packet) => {
        clearTimeout(timer);
        this.#awaited.delete(key);
        if (packet.cmd === 'disconnect') void this.ended.then(reject);
        else resolve(packet);
      });
    });
  }

  #onPacket(packet: Packet): void {
    if (packet.cmd === 'publish') {
      const { topic, payload, qos, messageId } = packet as IPublishPacket;
      this.#queue.add({
        message: { topic, payload: Buffer.from(payload) },
        packetId: qos > 0 ? (messageId ?? null) : null,
      });
      this.#updateFlow();
      this.#scheduleFlush();
      return;
    }
    if (packet.cmd === 'disconnect') {
      this.close(unavailable('the broker ended the session'));
      return;
    }
    const key = packet.cmd === 'connack' ? 'connack' : `${packet.cmd} ${packet.messageId}`;
    this.#awaited.get(key)?.(packet);
  }

  /** Pauses or resumes the socket. While it is paused, unread messages stay with the broker, unacknowledged. */
  #updateFlow({ idle = false } = {}): void {
    if (this.#queue.isFull || this.#largePayload?.isFull === true) this.#socket.pause();
    else if (this.#socket.isPaused() && this.#queue.canResume({ idle })) this.#socket.resume();
  }

  #onLargeMessage(header: LargeMessageHeader): void {
    const chunks = new ChunkStream(() => this.#updateFlow());
    this.#largePayload = chunks;
    const handled =
      this.#handlers?.onLarge(header, chunks) ?? Promise.reject(malformed('message received before any subscription'));
    const done = handled.then(
      () => {
        if (header.id !== null) this.#send({ cmd: 'puback', messageId: header.id } as Packet);
      },
      (error) => this.close(error instanceof Error ? error : unavailable(String(error))),
    );
    this.#largeDone = Promise.all([this.#largeDone, done]).then(() => undefined);
  }

  #scheduleFlush(): void {
    if (!this.#handlers || this.#busy || this.#queue.isEmpty) return;
    this.#busy = true;
    // After setImmediate the batch includes what the socket has received already.
    this.#batchDone = new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.#flush());
  }

  async #flush(): Promise<void> {
    const batch = this.#queue.takeBatch();
    this.#updateFlow();
    try {
      if (!this.#socket.destroyed) await this.#handlers?.onBatch(batch.map(({ message }) => message));
      this.#socket.cork();
      for (const { packetId } of batch)
        if (packetId !== null) this.#send({ cmd: 'puback', messageId: packetId } as Packet);
      this.#socket.uncork();
    } catch (error) {
      this.close(error instanceof Error ? error : unavailable(String(error)));
    }
    this.#queue.release(batch);
    this.#updateFlow({ idle: true });
    this.#busy = false;
    this.#scheduleFlush();
  }

  #checkAlive(): void {
    if (this.#socket.isPaused()) this.#lastReceivedAt = systemClock.monotonic();
    const silentMs = systemClock.monotonic() - this.#lastReceivedAt;
    if (silentMs > KEEPALIVE * 1500) this.close(timeout(`nothing received from the broker for ${KEEPALIVE * 1500} ms`));
    else this.#send({ cmd: 'pingreq' });
  }
}
