/**
 * The heavy client, a separate process: sends requests at a fixed rate from `start` to `stop`, whatever the responses. It writes HTTP
 * itself to stay cheap, because it shares its core with the measured callers.
 */
import { connect, type Socket } from 'node:net';

export interface HeavyClientOptions {
  readonly port: number;
  readonly token: string;
  readonly queries: readonly string[];
  readonly perSecond: number;
}

/** Outcomes of its requests; `lost` ones got no response. */
export interface HeavyClientReport {
  sent: number;
  served: number;
  rejected: number;
  lost: number;
}

const CONNECTIONS = 200;
let report: HeavyClientReport = { sent: 0, served: 0, rejected: 0, lost: 0 };
let stop = (): void => undefined;

/** One connection, which sends one request at a time. */
class Connection {
  readonly #socket: Socket;
  readonly #free: (line: Connection) => void;
  #text = '';
  #busy = false;

  constructor(port: number, free: (line: Connection) => void) {
    this.#free = free;
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.setEncoding('latin1');
    this.#socket.on('connect', () => free(this));
    this.#socket.on('data', (part: string) => this.#take(part));
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => {
      if (this.#busy) report.lost += 1;
    });
  }

  send(text: string): void {
    this.#busy = true;
    this.#socket.write(text);
  }

  end(): void {
    this.#socket.destroy();
  }

  #take(part: string): void {
    this.#text += part;
    const head = this.#text.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(this.#text.slice(0, head))?.[1] ?? 0);
    if (this.#text.length < head + 4 + length) return;
    if (this.#text.includes('LIMIT_RATE')) report.rejected += 1;
    else report.served += 1;
    this.#text = '';
    this.#busy = false;
    this.#free(this);
  }
}

function start({ port, token, queries, perSecond }: HeavyClientOptions): void {
  report = { sent: 0, served: 0, rejected: 0, lost: 0 };
  const requests = queries.map((query) => {
    const body = JSON.stringify({ query });
    return `POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nauthorization: Bearer ${token}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  });
  const free: Connection[] = [];
  const lines = Array.from({ length: CONNECTIONS }, () => new Connection(port, (line) => free.push(line)));
  const began = performance.now();
  const timer = setInterval(() => {
    const due = ((performance.now() - began) / 1000) * perSecond;
    while (report.sent < due) {
      const line = free.shift();
      if (!line) return;
      line.send(requests[report.sent++ % requests.length] as string);
    }
  }, 5);
  stop = () => {
    clearInterval(timer);
    for (const line of lines) line.end();
  };
}

process.on('message', (message: HeavyClientOptions | 'stop') => {
  if (message !== 'stop') return start(message);
  stop();
  // Requests in progress count as lost once their connections have closed.
  setTimeout(() => process.send?.(report), 100);
});
process.on('disconnect', () => process.exit(0));
