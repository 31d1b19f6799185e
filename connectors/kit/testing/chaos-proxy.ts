/**
 * A TCP proxy that does to a connection what networks and dying servers do. It knows no protocol: the same nine faults stand
 * before a database, an HTTP server, an SFTP server, a Modbus meter and a broker.
 */
import { randomBytes } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';

export const FAULTS = [
  'latency',
  'refused',
  'reset',
  'half-open',
  'black-hole',
  'drip',
  'garbage',
  'endless',
  'duplicate',
] as const;

/**
 * `latency`: each chunk comes late · `refused`: nobody listens, what stood is cut · `reset`: accepted, then reset at the first
 * byte · `half-open`: what stands stays open and silent, as after a lost FIN; new connections are accepted and never served ·
 * `black-hole`: requests go through, answers vanish · `drip`: one byte at a time · `garbage`: random bytes instead of the answer ·
 * `endless`: the answer never stops · `duplicate`: each chunk of the answer comes twice.
 */
export type Fault = (typeof FAULTS)[number];

export interface ChaosOptions {
  readonly target: { readonly host: string; readonly port: number };
  /** How late a chunk comes under `latency`, in milliseconds. */
  readonly latency?: number;
  /** Pause between two bytes under `drip`, in milliseconds. */
  readonly drip?: number;
}

export interface Chaos {
  readonly port: number;
  /** From now on, for what stands and what comes; null: everything goes through. Connections that the old fault has hurt are cut. */
  set(fault: Fault | null): Promise<void>;
  /** Connections that were accepted since the start. */
  readonly accepted: number;
  /** How often the fault of this moment has been at work since it was set: connections cut or left alone, chunks changed or withheld. */
  readonly hurt: number;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly target: Socket | null;
}

const NOISE = 16 * 1024;

/** Listens on a free port of the loopback. */
export async function chaosProxy(options: ChaosOptions): Promise<Chaos> {
  const { target, latency = 3_000, drip = 200 } = options;
  const pairs = new Set<Pair>();
  let fault: Fault | null = null;
  let accepted = 0;
  let hurt = 0;
  let port = 0;
  let server: Server | null = null;

  const cut = (pair: Pair, hard = false): void => {
    if (!pairs.delete(pair)) return;
    if (fault === 'refused') hurt++;
    if (hard) pair.client.resetAndDestroy();
    else pair.client.destroy();
    pair.target?.destroy();
  };

  /** Hands on what one side said, in order, the way the fault of this moment wants it. */
  const relay = (pair: Pair, from: Socket, to: Socket, answer: boolean): void => {
    let last: Promise<void> = Promise.resolve();
    const alive = () => pairs.has(pair) && !to.destroyed;
    const write = (bytes: Buffer) => void (alive() && to.write(bytes));
    const pour = (bytes: Buffer) => {
      if (!alive() || fault !== 'endless') return;
      // Three megabytes a second: without an end, yet the machine has time for others.
      if (to.write(bytes)) setTimeout(() => pour(bytes), 5);
      else to.once('drain', () => pour(bytes));
    };
    const hand = async (bytes: Buffer): Promise<void> => {
      if (touches(fault, answer)) hurt++;
      switch (fault) {
        case 'reset':
          return cut(pair, true);
        case 'half-open':
          return;
        case 'black-hole':
          return answer ? undefined : write(bytes);
        case 'latency':
          await pause(latency);
          return write(bytes);
        case 'drip':
          if (!answer) return write(bytes);
          for (const byte of bytes) {
            if (!alive()) return;
            write(Buffer.of(byte));
            if (fault === 'drip') await pause(drip);
          }
          return;
        case 'garbage':
          return write(answer ? randomBytes(Math.max(bytes.length, 64)) : bytes);
        case 'endless':
          write(bytes);
          if (answer) pour(randomBytes(NOISE));
          return;
        case 'duplicate':
          write(bytes);
          return answer ? write(bytes) : undefined;
        default:
          return write(bytes);
      }
    };
    from.on('data', (bytes: Buffer) => {
      last = last.then(() => hand(bytes));
    });
    from.on('end', () => void last.then(() => (fault === 'half-open' ? undefined : to.end())));
    from.on('error', () => cut(pair));
    from.on('close', () => void last.then(() => cut(pair)));
  };

  const accept = (client: Socket): void => {
    accepted++;
    if (fault === 'half-open') hurt++;
    client.setNoDelay(true);
    client.on('error', () => undefined);
    const upstream = fault === 'half-open' ? null : connect(target);
    const pair: Pair = { client, target: upstream };
    pairs.add(pair);
    client.on('close', () => cut(pair));
    if (upstream === null) return void client.resume();
    upstream.setNoDelay(true);
    relay(pair, client, upstream, false);
    relay(pair, upstream, client, true);
  };

  const listen = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const made = createServer(accept);
      made.once('error', reject);
      made.listen(port, '127.0.0.1', () => {
        port = (made.address() as { port: number }).port;
        server = made;
        resolve();
      });
    });
  const shut = (): Promise<void> =>
    new Promise((resolve) => {
      if (!server) return resolve();
      const old = server;
      server = null;
      old.close(() => resolve());
      for (const pair of [...pairs]) cut(pair);
    });

  await listen();
  return {
    get port() {
      return port;
    },
    get accepted() {
      return accepted;
    },
    get hurt() {
      return hurt;
    },
    set: async (next) => {
      const before = fault;
      fault = next;
      hurt = 0;
      if (before !== null) for (const pair of [...pairs]) cut(pair);
      if (next === 'refused') await shut();
      else if (server === null) await listen();
    },
    close: shut,
  };
}

/** Whether the fault does something to a chunk of an answer, or of a question. */
const touches = (fault: Fault | null, answer: boolean): boolean =>
  fault !== null && (answer || fault === 'reset' || fault === 'half-open' || fault === 'latency');

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
