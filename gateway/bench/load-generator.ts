/** Generates load over keep-alive connections at low cost: prepared bytes are sent, and of a response little more than its length is read. */
import { connect, type Socket } from 'node:net';

export interface LoadResult {
  readonly requests: number;
  /** Responses that are not HTTP 200 with data, and failed connections. */
  readonly failures: number;
  /** Requests per second. */
  readonly rate: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

const HEADER_END = Buffer.from('\r\n\r\n');

export interface LoadOptions {
  /** Default 16. */
  readonly connections?: number;
  /** Headers in addition to those of a GraphQL request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Requests per second of all connections together, as long as the server keeps up; default: as many as possible. */
  readonly rate?: number | undefined;
}

/** Sends the bodies in turn to `port` for `milliseconds`; each connection has one request in progress. */
export async function generateLoad(
  port: number,
  bodies: readonly string[],
  milliseconds: number,
  { connections = 16, headers = {}, rate }: LoadOptions = {},
): Promise<LoadResult> {
  const extra = Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  const requests = bodies.map((body) =>
    Buffer.from(
      `POST /graphql HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\naccept: application/json\r\n${extra}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    ),
  );
  /** Milliseconds between two requests of all connections. */
  const interval = rate === undefined ? 0 : 1_000 / rate;
  const times: number[] = [];
  let failures = 0;
  let next = 0;
  const startedAt = performance.now();
  const endsAt = startedAt + milliseconds;
  await Promise.all(
    Array.from(
      { length: connections },
      () =>
        new Promise<void>((resolve) => {
          const socket = connect(port, '127.0.0.1');
          socket.setNoDelay(true);
          let sentAt = 0;
          const sendNext = (): void => {
            const now = performance.now();
            if (now >= endsAt) {
              socket.destroy();
              resolve();
              return;
            }
            const due = startedAt + next * interval;
            if (due > now) {
              setTimeout(sendNext, due - now);
              return;
            }
            sentAt = now;
            socket.write(requests[next++ % requests.length] as Buffer);
          };
          onResponse(socket, (status, hasData) => {
            times.push(performance.now() - sentAt);
            if (status !== 200 || !hasData) failures++;
            sendNext();
          });
          socket.on('connect', sendNext);
          socket.on('error', () => {
            failures++;
            resolve();
          });
          socket.on('close', () => resolve());
        }),
    ),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  times.sort((a, b) => a - b);
  const percentile = (share: number): number => times[Math.floor(times.length * share)] ?? 0;
  return {
    requests: times.length,
    failures,
    rate: times.length / seconds,
    p50: percentile(0.5),
    p99: percentile(0.99),
  };
}

/** Calls `listener` for each complete response, with content-length or chunked. */
function onResponse(socket: Socket, listener: (status: number, hasData: boolean) => void): void {
  let unread: Buffer = Buffer.alloc(0);
  socket.on('data', (part) => {
    unread = unread.length === 0 ? part : Buffer.concat([unread, part]);
    for (;;) {
      const headerEnd = unread.indexOf(HEADER_END);
      if (headerEnd < 0) return;
      const header = unread.toString('latin1', 0, headerEnd).toLowerCase();
      const status = Number(header.slice(9, 12));
      const length = /content-length: (\d+)/.exec(header);
      const start = headerEnd + HEADER_END.length;
      let size: number;
      if (length) size = Number(length[1]);
      else {
        const lastChunk = unread.indexOf('0\r\n\r\n', start);
        if (lastChunk < 0) return;
        size = lastChunk + 5 - start;
      }
      if (unread.length < start + size) return;
      // A chunked body begins with the chunk's length, not with a brace.
      const hasData = unread[start] !== 0x7b || unread.toString('latin1', start, start + 9) === '{"data":{';
      unread = unread.subarray(start + size);
      listener(status, hasData);
    }
  });
}
