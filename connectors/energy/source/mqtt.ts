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
import { CommitShare } from '../../kit/commit-queue.ts';
import { malformed, rejected, SourceError, timeout, unavailable } from '../../kit/errors.ts';

export interface MqttOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly username: string | null;
  readonly password: string | null;
  readonly timeout: number;
  /** False for a short visit that keeps no session. */
  readonly keep: boolean;
}

export interface MqttMessage {
  readonly topic: string;
  readonly payload: Buffer;
}

/** Messages of one batch, at most. */
const BATCH = 500;
/** Beyond this many unread messages the socket waits. */
const FULL = 4 * BATCH;
/** A packet of more bytes than this is none of a meter; a broker that speaks MQTT 5 is told, and holds it back. */
const LARGEST_PACKET = 1024 * 1024;
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
  #handle: ((batch: readonly MqttMessage[]) => Promise<void>) | null = null;
  #busy = false;
  /** What it holds of all that waits for a commit in this process. */
  readonly #share = new CommitShare();
  /** Bytes since the last packet ended. */
  #unfinished = 0;
  #ping: NodeJS.Timeout | undefined;
  #working: Promise<void> = Promise.resolve();
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
    this.#parser.on('packet', (packet: Packet) => {
      this.#unfinished = 0;
      this.#received(packet);
    });
    this.#parser.on('error', (error: unknown) => this.close(malformed('the broker talks no MQTT', error)));
    socket.on('data', (bytes: Buffer) => {
      this.#heard = systemClock.monotonic();
      this.#unfinished += bytes.length;
      this.#parser.parse(bytes);
      if (this.#unfinished > LARGEST_PACKET)
        this.close(malformed(`the broker sends a packet of more than ${LARGEST_PACKET} bytes`));
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
          ? { properties: { sessionExpiryInterval: EXPIRY, receiveMaximum: FULL, maximumPacketSize: LARGEST_PACKET } }
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

  /** Subscribes at QoS 1; `handle` gets batches, one at a time, and its rejection ends the session without acknowledging them. */
  async subscribe(topics: readonly string[], handle: (batch: readonly MqttMessage[]) => Promise<void>): Promise<void> {
    this.#handle = handle;
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
  settled(): Promise<void> {
    return this.#working;
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
      this.#share.enter(payload.length);
      if (this.#crowded) this.#socket.pause();
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

  #plan(): void {
    if (!this.#handle || this.#busy || this.#messages.length === 0) return;
    this.#busy = true;
    // Whatever the socket has for us already comes along.
    this.#working = new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.#flush());
  }

  async #flush(): Promise<void> {
    const batch = this.#messages.splice(0, BATCH);
    this.#resume();
    try {
      if (!this.#socket.destroyed) await this.#handle?.(batch.map((one) => one.message));
      this.#socket.cork();
      for (const { id } of batch) if (id !== null) this.#send({ cmd: 'puback', messageId: id } as Packet);
      this.#socket.uncork();
    } catch (error) {
      this.close(error instanceof Error ? error : unavailable(String(error)));
    }
    for (const { message } of batch) this.#share.leave(message.payload.length);
    this.#resume(true);
    this.#busy = false;
    this.#plan();
  }

  /** Whether the broker is to wait: a session that holds something of its own goes on by itself when that is committed. */
  get #crowded(): boolean {
    return this.#messages.length >= FULL || (this.#share.full && this.#messages.length > 0);
  }

  /** `idle`: no batch is being committed. What is left unread keeps the broker waiting, and nothing is acknowledged. */
  #resume(idle = false): void {
    if (!this.#socket.isPaused()) return;
    const { length } = this.#messages;
    if (length < BATCH && (!this.#share.full || (idle && length === 0))) this.#socket.resume();
  }

  #alive(): void {
    if (this.#socket.isPaused()) this.#heard = systemClock.monotonic();
    if (systemClock.monotonic() - this.#heard > KEEPALIVE * 1500) this.close(timeout('the broker has fallen silent'));
    else this.#send({ cmd: 'pingreq' });
  }
}
