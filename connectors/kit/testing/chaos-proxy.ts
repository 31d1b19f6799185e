/**
 * A TCP proxy that injects nine network faults. It is independent of the protocol, so the same faults apply to a database, an HTTP
 * server, an SFTP server, a Modbus gateway and an MQTT broker.
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
 * `latency`: every chunk is delayed · `refused`: the port is closed and open connections are cut · `reset`: accepted, then reset at
 * the first byte · `half-open`: open connections stay open and silent, as after a lost FIN; new ones are accepted and never served ·
 * `black-hole`: requests pass, responses are dropped · `drip`: responses arrive one byte at a time · `garbage`: random bytes instead
 * of the response · `endless`: the response never ends · `duplicate`: each chunk of the response is sent twice.
 */
export type Fault = (typeof FAULTS)[number];

export interface ChaosOptions {
  readonly target: { readonly host: string; readonly port: number };
  /** Delay of a chunk under `latency`, in milliseconds. */
  readonly latency?: number;
  /** Pause between two bytes under `drip`, in milliseconds. */
  readonly drip?: number;
}

export interface ChaosProxy {
  readonly port: number;
  /** Applies the fault to open and new connections; null: traffic passes unchanged. Cuts open connections if a fault was set before. */
  setFault(fault: Fault | null): Promise<void>;
  /** Connections accepted since the start. */
  readonly accepted: number;
  /** How often the current fault had an effect since it was set: connections cut or left unserved, chunks changed or withheld. */
  readonly affected: number;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly target: Socket | null;
}

const ENDLESS_CHUNK = 16 * 1024;

/** Starts the proxy on a free loopback port. */
export async function startChaosProxy(options: ChaosOptions): Promise<ChaosProxy> {
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

  /** Forwards the bytes of one side in order, with the current fault applied. */
  const relay = (pair: Pair, from: Socket, to: Socket, { isResponse }: { isResponse: boolean }): void => {
    let last: Promise<void> = Promise.resolve();
    const alive = () => pairs.has(pair) && !to.destroyed;
    const write = (bytes: Buffer) => void (alive() && to.write(bytes));
    const writeEndlessly = (bytes: Buffer) => {
      if (!alive() || fault !== 'endless') return;
      // About 3 MB/s, so that the machine has time for other work.
      if (to.write(bytes)) setTimeout(() => writeEndlessly(bytes), 5);
      else to.once('drain', () => writeEndlessly(bytes));
    };
    const forward = async (bytes: Buffer): Promise<void> => {
      if (isAffected(fault, isResponse)) hurt++;
      switch (fault) {
        case 'reset':
          return cut(pair, true);
        case 'half-open':
          return;
        case 'black-hole':
          return isResponse ? undefined : write(bytes);
        case 'latency':
          await pause(latency);
          return write(bytes);
        case 'drip':
          if (!isResponse) return write(bytes);
          for (const byte of bytes) {
            if (!alive()) return;
            write(Buffer.of(byte));
            if (fault === 'drip') await pause(drip);
          }
          return;
        case 'garbage':
          return write(isResponse ? randomBytes(Math.max(bytes.length, 64)) : bytes);
        case 'endless':
          write(bytes);
          if (isResponse) writeEndlessly(randomBytes(ENDLESS_CHUNK));
          return;
        case 'duplicate':
          write(bytes);
          return isResponse ? write(bytes) : undefined;
        default:
          return write(bytes);
      }
    };
    from.on('data', (bytes: Buffer) => {
      last = last.then(() => forward(bytes));
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
    relay(pair, client, upstream, { isResponse: false });
    relay(pair, upstream, client, { isResponse: true });
  };

  const listen = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const created = createServer(accept);
      created.once('error', reject);
      created.listen(port, '127.0.0.1', () => {
        port = (created.address() as { port: number }).port;
        server = created;
        resolve();
      });
    });
  const stopListening = (): Promise<void> =>
    new Promise((resolve) => {
      if (!server) return resolve();
      const current = server;
      server = null;
      current.close(() => resolve());
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
    get affected() {
      return hurt;
    },
    setFault: async (next) => {
      const previous = fault;
      fault = next;
      hurt = 0;
      if (previous !== null) for (const pair of [...pairs]) cut(pair);
      if (next === 'refused') await stopListening();
      else if (server === null) await listen();
    },
    close: stopListening,
  };
}

/** Whether the fault affects a chunk of a response, or of a request. */
const isAffected = (fault: Fault | null, isResponse: boolean): boolean =>
  fault !== null && (isResponse || fault === 'reset' || fault === 'half-open' || fault === 'latency');

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
