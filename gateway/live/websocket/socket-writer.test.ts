import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import type { WebSocket } from 'ws';
import { messageHead, SocketWriter } from './socket-writer.ts';

/** The client's end: copies what it receives at once, and keeps the rest by reference until `unblock`. */
class ClientEnd {
  received: Buffer[] = [];
  isStuck = false;
  #pending: (() => void)[] = [];
  readonly raw = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _, done) => {
      const receive = () => {
        this.received.push(Buffer.from(chunk));
        done();
      };
      if (this.isStuck) this.#pending.push(receive);
      else receive();
    },
  });
  readonly writer = new SocketWriter({ readyState: 1, OPEN: 1 } as WebSocket, this.raw);
  unblock(): void {
    this.isStuck = false;
    for (const receive of this.#pending.splice(0)) receive();
  }
  /** Messages, read as frames of RFC 6455. */
  get messages(): string[] {
    const bytes = Buffer.concat(this.received);
    const all: string[] = [];
    for (let at = 0; at < bytes.length; ) {
      expect(bytes[at]).toBe(0x81);
      const short = bytes[at + 1] as number;
      const [head, length] =
        short < 126
          ? [2, short]
          : short === 126
            ? [4, bytes.readUInt16BE(at + 2)]
            : [10, Number(bytes.readBigUInt64BE(at + 2))];
      all.push(bytes.toString('utf8', at + head, at + head + length));
      at += head + length;
    }
    return all;
  }
}

test('socket writer: sends each payload to every client with its own id, whatever the length and whichever clients block', async () => {
  const ids = ['a', 'b', 'c', '"', 'ü', 'a longer id', 'x'.repeat(200), 'd', 'e'];
  const clients = ids.map(() => new ClientEnd());
  const heads = ids.map((id) => messageHead(id));
  const payloads = [
    '{"a":1}',
    '{"a":2}',
    `{"b":"${'y'.repeat(300)}"}`,
    `{"c":"${'ö'.repeat(1_500)}"}`,
    `{"d":"${'z'.repeat(70_000)}"}`,
  ];
  for (const [turn, payload] of [...payloads, ...payloads].entries()) {
    const rest = Buffer.from(`${payload}}`);
    clients.forEach((client, i) => {
      // Each client blocks for some rounds, so that pending frames mix with frames that are received at once.
      if ((turn + i) % 4 === 0) client.isStuck = true;
      client.writer.write(heads[i] as Buffer, rest);
    });
    clients.forEach((client, i) => {
      if ((turn + i) % 3 === 0) client.unblock();
    });
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (let i = 0; i < 20; i++) {
    for (const client of clients) client.unblock();
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (const [i, client] of clients.entries()) {
    const expected = [...payloads, ...payloads].map(
      (payload) => `{"id":${JSON.stringify(ids[i])},"type":"next","payload":${payload}}`,
    );
    expect(client.messages).toEqual(expected);
  }
});
