/**
 * Finds where MQTT packets begin and end, so that a PUBLISH of any size (256 MB by the protocol) is never held whole: packets up to a
 * limit go to the packet reader as they come, the payload of a larger one comes out piece by piece.
 */
import { malformed } from '../../kit/errors.ts';

/** The head of a PUBLISH that is larger than the limit. */
export interface LargeHead {
  readonly topic: string;
  /** Packet id; null at QoS 0. */
  readonly id: number | null;
  /** Bytes of the payload. */
  readonly size: number;
}

export interface FrameEvents {
  /** Bytes of packets within the limit, in order. */
  small(bytes: Buffer): void;
  begin(head: LargeHead): void;
  piece(bytes: Buffer): void;
  end(): void;
}

const PUBLISH = 3;
/** Topic, packet id and properties: no broker sends more. */
const LARGEST_HEAD = 256 * 1024;

export class MqttFrames {
  readonly #version: 4 | 5;
  readonly #limit: number;
  readonly #events: FrameEvents;
  /** What has come of a fixed header, or of the variable header of a large packet. */
  #head: Buffer = Buffer.alloc(0);
  #state: 'fixed' | 'small' | 'head' | 'payload' = 'fixed';
  /** Bytes of the packet that are still to come. */
  #left = 0;
  #qos = 0;

  /** @param limit bytes of a packet that is read whole */
  constructor(version: 4 | 5, limit: number, events: FrameEvents) {
    this.#version = version;
    this.#limit = limit;
    this.#events = events;
  }

  /** Throws SOURCE_MALFORMED for what cannot be a packet. */
  push(bytes: Buffer): void {
    let rest = bytes;
    while (rest.length > 0) rest = this.#state === 'fixed' ? this.#fixed(rest) : this.#body(rest);
  }

  /** One to five bytes: type and flags, then the length of the rest, seven bits each. */
  #fixed(bytes: Buffer): Buffer {
    const known = this.#head.length;
    const head = Buffer.concat([this.#head, bytes.subarray(0, 5 - known)]);
    const last = head.findIndex((byte, i) => i > 0 && byte < 0x80);
    if (last < 0) {
      if (head.length === 5) throw malformed('a packet has no length');
      this.#head = head;
      return bytes.subarray(head.length - known);
    }
    const fixed = head.subarray(0, last + 1);
    const length = variable(fixed, 1).value;
    const first = fixed[0] ?? 0;
    this.#head = Buffer.alloc(0);
    this.#left = length;
    if (first >> 4 === PUBLISH && length > this.#limit) {
      this.#state = 'head';
      this.#qos = (first >> 1) & 3;
    } else {
      this.#events.small(fixed);
      this.#state = length > 0 ? 'small' : 'fixed';
    }
    return bytes.subarray(fixed.length - known);
  }

  #body(bytes: Buffer): Buffer {
    if (this.#state === 'head') return this.#variableHeader(bytes);
    const own = bytes.subarray(0, this.#left);
    this.#left -= own.length;
    const large = this.#state === 'payload';
    if (large) this.#events.piece(own);
    else this.#events.small(own);
    if (this.#left === 0) {
      this.#state = 'fixed';
      if (large) this.#events.end();
    }
    return bytes.subarray(own.length);
  }

  #variableHeader(bytes: Buffer): Buffer {
    const known = this.#head.length;
    this.#head = Buffer.concat([this.#head, bytes.subarray(0, Math.min(this.#left, LARGEST_HEAD) - known)]);
    const found = this.#readHead(this.#head);
    if (found === null) {
      if (this.#head.length >= Math.min(this.#left, LARGEST_HEAD))
        throw malformed('a PUBLISH has no payload behind its head');
      return bytes.subarray(this.#head.length - known);
    }
    this.#head = Buffer.alloc(0);
    this.#left -= found.length;
    this.#state = this.#left > 0 ? 'payload' : 'fixed';
    this.#events.begin({ topic: found.topic, id: found.id, size: this.#left });
    if (this.#left === 0) this.#events.end();
    return bytes.subarray(found.length - known);
  }

  /** Null while it is not whole. */
  #readHead(head: Buffer): { topic: string; id: number | null; length: number } | null {
    if (head.length < 2) return null;
    const name = head.readUInt16BE(0);
    let at = 2 + name;
    const id = at + 2 <= head.length && this.#qos > 0 ? head.readUInt16BE(at) : null;
    if (this.#qos > 0) at += 2;
    if (this.#version === 5) {
      const properties = variable(head, at);
      if (!properties.whole) return null;
      at = properties.end + properties.value;
    }
    return at > head.length ? null : { topic: head.toString('utf8', 2, 2 + name), id, length: at };
  }
}

/** A number of seven bits a byte, least first. */
function variable(bytes: Buffer, from: number): { value: number; end: number; whole: boolean } {
  let value = 0;
  for (let at = from, shift = 1; at < bytes.length && at < from + 4; at++, shift *= 128) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * shift;
    if (byte < 0x80) return { value, end: at + 1, whole: true };
  }
  return { value, end: bytes.length, whole: false };
}
