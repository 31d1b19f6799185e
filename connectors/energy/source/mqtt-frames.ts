/**
 * Splits the byte stream into MQTT packets, so that a PUBLISH of any size (up to 256 MB by the protocol) is never buffered as a whole:
 * packets up to a limit are passed on as received, the payload of a larger PUBLISH is streamed in chunks.
 */
import { malformed } from '../../kit/errors.ts';

/** Header of a PUBLISH that is larger than the limit. */
export interface LargeMessageHeader {
  readonly topic: string;
  /** Packet id; null at QoS 0. */
  readonly id: number | null;
  /** Payload size in bytes. */
  readonly size: number;
}

export interface FrameEvents {
  /** Bytes of packets up to the limit, in order. */
  onPacketBytes(bytes: Buffer): void;
  onLargeBegin(head: LargeMessageHeader): void;
  onLargeChunk(bytes: Buffer): void;
  onLargeEnd(): void;
}

const PUBLISH = 3;
/** Maximum size of topic, packet id and properties. */
const MAX_HEADER_BYTES = 256 * 1024;

export class MqttFrames {
  readonly #version: 4 | 5;
  readonly #limit: number;
  readonly #events: FrameEvents;
  /** Received part of a fixed header, or of the variable header of a large packet. */
  #header: Buffer = Buffer.alloc(0);
  #state: 'fixed' | 'small' | 'head' | 'payload' = 'fixed';
  /** Bytes of the packet that are not received yet. */
  #remaining = 0;
  #qos = 0;

  /** @param limit size in bytes up to which a packet is passed on as a whole */
  constructor(version: 4 | 5, limit: number, events: FrameEvents) {
    this.#version = version;
    this.#limit = limit;
    this.#events = events;
  }

  /** Processes received bytes. Throws SOURCE_MALFORMED when they cannot be a packet. */
  push(bytes: Buffer): void {
    let rest = bytes;
    while (rest.length > 0) rest = this.#state === 'fixed' ? this.#readFixedHeader(rest) : this.#readBody(rest);
  }

  /** Reads type, flags and the remaining length (one to four bytes of seven bits). Returns the bytes that follow. */
  #readFixedHeader(bytes: Buffer): Buffer {
    const known = this.#header.length;
    const head = Buffer.concat([this.#header, bytes.subarray(0, 5 - known)]);
    const last = head.findIndex((byte, i) => i > 0 && byte < 0x80);
    if (last < 0) {
      if (head.length === 5) throw malformed('invalid remaining length of a packet');
      this.#header = head;
      return bytes.subarray(head.length - known);
    }
    const fixed = head.subarray(0, last + 1);
    const length = variableInteger(fixed, 1).value;
    const first = fixed[0] ?? 0;
    this.#header = Buffer.alloc(0);
    this.#remaining = length;
    if (first >> 4 === PUBLISH && length > this.#limit) {
      this.#state = 'head';
      this.#qos = (first >> 1) & 3;
    } else {
      this.#events.onPacketBytes(fixed);
      this.#state = length > 0 ? 'small' : 'fixed';
    }
    return bytes.subarray(fixed.length - known);
  }

  #readBody(bytes: Buffer): Buffer {
    if (this.#state === 'head') return this.#readVariableHeader(bytes);
    const own = bytes.subarray(0, this.#remaining);
    this.#remaining -= own.length;
    const large = this.#state === 'payload';
    if (large) this.#events.onLargeChunk(own);
    else this.#events.onPacketBytes(own);
    if (this.#remaining === 0) {
      this.#state = 'fixed';
      if (large) this.#events.onLargeEnd();
    }
    return bytes.subarray(own.length);
  }

  #readVariableHeader(bytes: Buffer): Buffer {
    const known = this.#header.length;
    this.#header = Buffer.concat([
      this.#header,
      bytes.subarray(0, Math.min(this.#remaining, MAX_HEADER_BYTES) - known),
    ]);
    const found = this.#parsePublishHeader(this.#header);
    if (found === null) {
      if (this.#header.length >= Math.min(this.#remaining, MAX_HEADER_BYTES))
        throw malformed('the header of a PUBLISH is too long or incomplete');
      return bytes.subarray(this.#header.length - known);
    }
    this.#header = Buffer.alloc(0);
    this.#remaining -= found.length;
    this.#state = this.#remaining > 0 ? 'payload' : 'fixed';
    this.#events.onLargeBegin({ topic: found.topic, id: found.id, size: this.#remaining });
    if (this.#remaining === 0) this.#events.onLargeEnd();
    return bytes.subarray(found.length - known);
  }

  /** Topic, packet id and length of the variable header; null while it is incomplete. */
  #parsePublishHeader(head: Buffer): { topic: string; id: number | null; length: number } | null {
    if (head.length < 2) return null;
    const name = head.readUInt16BE(0);
    let at = 2 + name;
    const id = at + 2 <= head.length && this.#qos > 0 ? head.readUInt16BE(at) : null;
    if (this.#qos > 0) at += 2;
    if (this.#version === 5) {
      const properties = variableInteger(head, at);
      if (!properties.whole) return null;
      at = properties.end + properties.value;
    }
    return at > head.length ? null : { topic: head.toString('utf8', 2, 2 + name), id, length: at };
  }
}

/** Reads an MQTT variable byte integer. `whole`: its last byte has been received. */
function variableInteger(bytes: Buffer, from: number): { value: number; end: number; whole: boolean } {
  let value = 0;
  for (let at = from, shift = 1; at < bytes.length && at < from + 4; at++, shift *= 128) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * shift;
    if (byte < 0x80) return { value, end: at + 1, whole: true };
  }
  return { value, end: bytes.length, whole: false };
}
