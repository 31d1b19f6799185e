/**
 * Many WebSocket clients in one process for the load tests, cheaper than the measured server: no library, no decoding of messages,
 * and only the messages of `watched` clients are passed on.
 */
import { randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';

export interface Client {
  readonly socket: Socket;
  /** Number of received messages, including protocol messages. */
  messages: number;
  bytes: number;
}

export interface ClientOptions {
  readonly port: number;
  readonly count: number;
  /** The subscription of each client; without it, clients only open a socket. */
  readonly subscribe?: (client: number) => object;
  /** Whether `got` is called for this client's messages. */
  readonly watched?: (client: number) => boolean;
  /** Called with each complete message. */
  readonly onMessage?: (message: Buffer, client: number) => void;
}

/** Number of clients opened concurrently. */
const BATCH = 100;

/** A masked client frame; the mask is zero. */
function frame(text: string): Buffer {
  const body = Buffer.from(text);
  const head = body.length < 126 ? [0x81, 0x80 | body.length] : [0x81, 0xfe, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), body]);
}
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

/** Parses the server's byte stream into messages. */
class Frames {
  #rest: Buffer | null = null;
  /** Remaining bytes of a message that is skipped. */
  #skip = 0;

  take(chunk: Buffer, looked: boolean, each: (opcode: number, body: Buffer | null) => void): void {
    let data = chunk;
    if (this.#rest) {
      data = Buffer.concat([this.#rest, chunk]);
      this.#rest = null;
    }
    let at = Math.min(this.#skip, data.length);
    this.#skip -= at;
    while (data.length - at >= 2) {
      const short = (data[at + 1] as number) & 0x7f;
      const head = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (data.length - at < head) break;
      const length =
        short < 126 ? short : short === 126 ? data.readUInt16BE(at + 2) : Number(data.readBigUInt64BE(at + 2));
      const opcode = (data[at] as number) & 0x0f;
      const end = at + head + length;
      if (end > data.length && looked) break;
      each(opcode, looked ? data.subarray(at + head, end) : null);
      at = Math.min(end, data.length);
      this.#skip = end - at;
    }
    if (at < data.length) this.#rest = data.subarray(at);
  }
}

/** Connects all clients and, with `subscribe`, sends their subscriptions. */
export async function connectClients(options: ClientOptions): Promise<Client[]> {
  const { port, count, subscribe, watched, onMessage: got } = options;
  const all: Client[] = [];
  const open = (client: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      const member: Client = { socket, messages: 0, bytes: 0 };
      all[client] = member;
      const frames = new Frames();
      const looked = got !== undefined && (watched?.(client) ?? true);
      let stage: 'upgrade' | 'acknowledge' | 'open' = 'upgrade';
      socket.setNoDelay(true);
      socket.on('error', reject);
      socket.write(
        [
          'GET /graphql HTTP/1.1',
          'Host: 127.0.0.1',
          'Upgrade: websocket',
          'Connection: Upgrade',
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
          'Sec-WebSocket-Version: 13',
          ...(subscribe ? ['Sec-WebSocket-Protocol: graphql-transport-ws'] : []),
          '\r\n',
        ].join('\r\n'),
      );
      const each = (opcode: number, body: Buffer | null) => {
        if (opcode === 9) return void socket.write(PONG);
        member.messages++;
        if (body) got?.(body, client);
      };
      socket.on('data', (chunk) => {
        member.bytes += chunk.length;
        if (stage === 'open') return frames.take(chunk, looked, each);
        const text = chunk.toString('latin1');
        if (stage === 'upgrade' && text.includes('\r\n\r\n')) {
          if (!text.startsWith('HTTP/1.1 101')) return reject(new Error(text.slice(0, 200)));
          stage = subscribe ? 'acknowledge' : 'open';
          if (subscribe) socket.write(frame('{"type":"connection_init"}'));
          else resolve();
        } else if (stage === 'acknowledge' && text.includes('connection_ack')) {
          stage = 'open';
          const payload = subscribe?.(client);
          socket.write(frame(JSON.stringify({ id: randomUUID(), type: 'subscribe', payload })));
          setTimeout(resolve, 20);
        }
      });
    });
  for (let begun = 0; begun < count; begun += BATCH)
    await Promise.all(Array.from({ length: Math.min(BATCH, count - begun) }, (_, i) => open(begun + i)));
  return all;
}

/** Disconnects all clients. */
export async function disconnectClients(all: readonly Client[]): Promise<void> {
  for (const { socket } of all) socket.destroy();
  await new Promise((resolve) => setTimeout(resolve, 500));
}
