import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import type { WebSocket } from 'ws';
import { beginning, Wire } from './socket-writer.ts';

/** The way to a client: what it takes at once is copied, what it does not is held as it was given until `flow`. */
class Way {
  taken: Buffer[] = [];
  stuck = false;
  #held: (() => void)[] = [];
  readonly raw = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _, done) => {
      const take = () => {
        this.taken.push(Buffer.from(chunk));
        done();
      };
      if (this.stuck) this.#held.push(take);
      else take();
    },
  });
  readonly wire = new Wire({ readyState: 1, OPEN: 1 } as WebSocket, this.raw);
  flow(): void {
    this.stuck = false;
    for (const take of this.#held.splice(0)) take();
  }
  /** Messages, read as frames of RFC 6455. */
  get messages(): string[] {
    const bytes = Buffer.concat(this.taken);
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

test('every client gets each payload under its own id, of whatever length, whoever is stuck meanwhile', async () => {
  const ids = ['a', 'b', 'c', '"', 'ü', 'a longer id', 'x'.repeat(200), 'd', 'e'];
  const ways = ids.map(() => new Way());
  const begins = ids.map((id) => beginning(id));
  const payloads = [
    '{"a":1}',
    '{"a":2}',
    `{"b":"${'y'.repeat(300)}"}`,
    `{"c":"${'ö'.repeat(1_500)}"}`,
    `{"d":"${'z'.repeat(70_000)}"}`,
  ];
  for (const [turn, payload] of [...payloads, ...payloads].entries()) {
    const rest = Buffer.from(`${payload}}`);
    ways.forEach((way, i) => {
      // Each is stuck for some of the turns, so that frames that wait stand between those that are taken at once.
      if ((turn + i) % 4 === 0) way.stuck = true;
      way.wire.write(begins[i] as Buffer, rest);
    });
    ways.forEach((way, i) => {
      if ((turn + i) % 3 === 0) way.flow();
    });
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (let i = 0; i < 20; i++) {
    for (const way of ways) way.flow();
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (const [i, way] of ways.entries()) {
    const expected = [...payloads, ...payloads].map(
      (payload) => `{"id":${JSON.stringify(ids[i])},"type":"next","payload":${payload}}`,
    );
    expect(way.messages).toEqual(expected);
  }
});
