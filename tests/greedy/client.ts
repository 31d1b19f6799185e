/**
 * The greedy client, a process of its own: asks so many times a second from `start` to `stop`, whatever it is answered. It writes its
 * requests itself, because it shares its core with those who are measured: they shall wait for the hub and not for it.
 */
import { connect, type Socket } from 'node:net';

export interface GreedyTold {
  readonly port: number;
  readonly token: string;
  readonly queries: readonly string[];
  readonly perSecond: number;
}

/** What became of its requests; `lost` got no answer at all. */
export interface GreedySaid {
  sent: number;
  served: number;
  refused: number;
  lost: number;
}

const CONNECTIONS = 200;
let said: GreedySaid = { sent: 0, served: 0, refused: 0, lost: 0 };
let stop = (): void => undefined;

/** One connection; a request after the other. */
class Line {
  readonly #socket: Socket;
  readonly #free: (line: Line) => void;
  #text = '';
  #busy = false;

  constructor(port: number, free: (line: Line) => void) {
    this.#free = free;
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.setEncoding('latin1');
    this.#socket.on('connect', () => free(this));
    this.#socket.on('data', (part: string) => this.#take(part));
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => {
      if (this.#busy) said.lost += 1;
    });
  }

  ask(text: string): void {
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
    if (this.#text.includes('LIMIT_RATE')) said.refused += 1;
    else said.served += 1;
    this.#text = '';
    this.#busy = false;
    this.#free(this);
  }
}

function start({ port, token, queries, perSecond }: GreedyTold): void {
  said = { sent: 0, served: 0, refused: 0, lost: 0 };
  const requests = queries.map((query) => {
    const body = JSON.stringify({ query });
    return `POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nauthorization: Bearer ${token}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  });
  const free: Line[] = [];
  const lines = Array.from({ length: CONNECTIONS }, () => new Line(port, (line) => free.push(line)));
  const began = performance.now();
  const timer = setInterval(() => {
    const due = ((performance.now() - began) / 1000) * perSecond;
    while (said.sent < due) {
      const line = free.shift();
      if (!line) return;
      line.ask(requests[said.sent++ % requests.length] as string);
    }
  }, 5);
  stop = () => {
    clearInterval(timer);
    for (const line of lines) line.end();
  };
}

process.on('message', (told: GreedyTold | 'stop') => {
  if (told !== 'stop') return start(told);
  stop();
  // Those under way are counted as lost when their connection has ended.
  setTimeout(() => process.send?.(said), 100);
});
process.on('disconnect', () => process.exit(0));
