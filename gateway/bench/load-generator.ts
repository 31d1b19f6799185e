/** A load of keep-alive connections that costs little itself: ready-made bytes out, lengths counted in. */
import { connect, type Socket } from 'node:net';

export interface Load {
  readonly requests: number;
  readonly faults: number;
  /** Requests per second. */
  readonly rate: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

const BREAK = Buffer.from('\r\n\r\n');

/** Loads `port` for `milliseconds`; bodies in turn. */
export async function load(
  port: number,
  bodies: readonly string[],
  milliseconds: number,
  connections = 16,
): Promise<Load> {
  const requests = bodies.map((body) =>
    Buffer.from(
      `POST /graphql HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\naccept: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    ),
  );
  const times: number[] = [];
  let faults = 0;
  let next = 0;
  const began = performance.now();
  const until = began + milliseconds;
  await Promise.all(
    Array.from(
      { length: connections },
      () =>
        new Promise<void>((resolve) => {
          const socket = connect(port, '127.0.0.1');
          socket.setNoDelay(true);
          let sent = 0;
          const ask = (): void => {
            if (performance.now() >= until) {
              socket.destroy();
              resolve();
              return;
            }
            sent = performance.now();
            socket.write(requests[next++ % requests.length] as Buffer);
          };
          reader(socket, (status, sound) => {
            times.push(performance.now() - sent);
            if (status !== 200 || !sound) faults++;
            ask();
          });
          socket.on('connect', ask);
          socket.on('error', () => {
            faults++;
            resolve();
          });
          socket.on('close', () => resolve());
        }),
    ),
  );
  const seconds = (performance.now() - began) / 1_000;
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? 0;
  return { requests: times.length, faults, rate: times.length / seconds, p50: at(0.5), p99: at(0.99) };
}

/** Calls `done` for each whole answer, with content-length or in chunks. */
function reader(socket: Socket, done: (status: number, sound: boolean) => void): void {
  let kept: Buffer = Buffer.alloc(0);
  socket.on('data', (part) => {
    kept = kept.length === 0 ? part : Buffer.concat([kept, part]);
    for (;;) {
      const end = kept.indexOf(BREAK);
      if (end < 0) return;
      const head = kept.toString('latin1', 0, end).toLowerCase();
      const status = Number(head.slice(9, 12));
      const length = /content-length: (\d+)/.exec(head);
      const start = end + BREAK.length;
      let size: number;
      if (length) size = Number(length[1]);
      else {
        const last = kept.indexOf('0\r\n\r\n', start);
        if (last < 0) return;
        size = last + 5 - start;
      }
      if (kept.length < start + size) return;
      const sound = kept[start] !== 0x7b || kept.toString('latin1', start, start + 9) === '{"data":{';
      kept = kept.subarray(start + size);
      done(status, sound);
    }
  });
}
