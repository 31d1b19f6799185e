/**
 * The drop, spoken to by SFTP: the only file that knows the protocol's library. One connection is kept as long as it lives;
 * the library does not connect again by itself, so every fault makes a new one.
 */
import { connect, type Socket } from 'node:net';
import SftpClient from 'ssh2-sftp-client';
import { malformed, rejected, SourceError, timeout, unavailable } from '../../kit/errors.ts';
import type { TaxSettings } from '../settings.ts';

/** One entry of a folder. */
export interface Entry {
  readonly name: string;
  readonly size: number;
  readonly modifiedAt: Date;
}

interface Session {
  readonly socket: Socket;
  readonly client: SftpClient;
}

/** Status codes of the SFTP protocol. */
const NO_SUCH_FILE = 2;
const PERMISSION_DENIED = 3;
const FAILURE = 4;

export class Drop {
  readonly #settings: TaxSettings;
  readonly #root: string;
  #session: Promise<Session> | null = null;
  readonly #open = new Set<Socket>();
  #closed = false;

  constructor(settings: TaxSettings) {
    this.#settings = settings;
    const path = decodeURIComponent(new URL(settings.url).pathname).replace(/\/+$/, '');
    this.#root = path === '' ? '.' : path;
  }

  /** Files of a folder below the drop ('' is the drop itself); null when the folder is not there. */
  async list(folder: string, signal: AbortSignal): Promise<readonly Entry[] | null> {
    const path = this.#path(folder);
    const found = await this.#ask(signal, (client) => orNull(client.list(path)));
    if (found === null) return null;
    return found
      .filter((one) => one.type !== 'd' && !/[/\\\0]/.test(one.name))
      .map((one) => {
        const where = JSON.stringify(one.name);
        if (!Number.isSafeInteger(one.size)) throw malformed(`the listing gives no size for ${where}`);
        if (!Number.isFinite(one.modifyTime)) throw malformed(`the listing gives no modifyTime for ${where}`);
        return { name: one.name, size: one.size, modifiedAt: new Date(one.modifyTime) };
      });
  }

  /** Bytes of a file from `start`, at most `length`; fewer at its end. Null when the file is not there. */
  read(file: string, start: number, length: number, signal: AbortSignal): Promise<Buffer | null> {
    const options = { readStreamOptions: { start, end: start + length - 1 } };
    return this.#ask(signal, async (client) => {
      const bytes = await orNull(client.get(this.#path(file), undefined, options as never));
      // Nothing at all comes as an empty list instead of a buffer.
      return bytes === null ? null : Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0);
    });
  }

  /** Moves a file in one step, over one of that name; false when it is not there (any more). */
  async move(from: string, to: string, signal: AbortSignal): Promise<boolean> {
    const [source, target] = [this.#path(from), this.#path(to)];
    const moved = await this.#ask(signal, (client) =>
      orNull(client.posixRename(source, target)).catch(async (error: Error) => {
        if (!/does not support this extended request/.test(error.message)) throw error;
        // Plain renaming must not replace: what is in the way goes first.
        if ((await client.exists(source)) === false) return null;
        await client.delete(target, true);
        return orNull(client.rename(source, target));
      }),
    );
    return moved !== null;
  }

  /** Writes a file so that nobody sees half of it: under a hidden name, then moved. */
  async write(file: string, bytes: Buffer, signal: AbortSignal): Promise<void> {
    const slash = file.lastIndexOf('/') + 1;
    const hidden = `${file.slice(0, slash)}.${file.slice(slash)}.part`;
    await this.#ask(signal, (client) => client.put(bytes, this.#path(hidden)));
    if (!(await this.move(hidden, file, signal)))
      throw rejected(`the file ${hidden} was gone before it could be moved`);
  }

  /** Whether the file is there. */
  has(file: string, signal: AbortSignal): Promise<boolean> {
    return this.#ask(signal, async (client) => (await client.exists(this.#path(file))) === '-');
  }

  /** Deletes a file; one that is not there is no fault. */
  async remove(file: string, signal: AbortSignal): Promise<void> {
    await this.#ask(signal, (client) => client.delete(this.#path(file), true));
  }

  /** Makes the folders that are not there yet. */
  async furnish(folders: readonly string[], signal: AbortSignal): Promise<void> {
    for (const folder of folders) {
      await this.#ask(signal, async (client) => {
        const path = this.#path(folder);
        if ((await client.exists(path)) !== false) return;
        await client.mkdir(path).catch(async (error: Error) => {
          // The office may have made it in the meantime.
          if ((await client.exists(path)) === false) throw error;
        });
      });
    }
  }

  /** One cheap question. */
  async ping(signal: AbortSignal): Promise<void> {
    const there = await this.#ask(signal, (client) => client.exists(this.#root));
    if (there !== 'd') throw rejected('the folder of the drop is not there');
  }

  /** Idempotent; the connection is closed when this resolves. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#session = null;
    await Promise.all(
      [...this.#open].map(
        (socket) =>
          new Promise<void>((resolve) => {
            socket.once('close', () => resolve());
            socket.destroy();
          }),
      ),
    );
  }

  #path(name: string): string {
    return name === '' ? this.#root : `${this.#root}/${name}`;
  }

  /** One question over the connection of the moment; a fault of the connection, or `signal`, ends it. */
  async #ask<T>(signal: AbortSignal, work: (client: SftpClient) => Promise<T>): Promise<T> {
    let session: Session | null = null;
    const drop = () => {
      this.#session = null;
      session?.socket.destroy();
    };
    signal.addEventListener('abort', drop, { once: true });
    try {
      this.#session ??= this.#connect();
      session = await this.#session;
      if (signal.aborted) throw unavailable('the question was given up while the connection was made');
      return await work(session.client);
    } catch (error) {
      const fault = named(error);
      // A no, or nonsense, came over a connection that works; others may be using it.
      if (fault.retryable) drop();
      throw fault;
    } finally {
      signal.removeEventListener('abort', drop);
    }
  }

  /** Several questions may wait for one connection, so it has a time limit of its own. */
  async #connect(): Promise<Session> {
    if (this.#closed) throw unavailable('the installation is closed');
    const { url, hostKey, password, privateKey, timeout: limit } = this.#settings;
    const { hostname, port, username } = new URL(url);
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 22), noDelay: true });
    this.#open.add(socket);
    socket.on('close', () => {
      this.#open.delete(socket);
      if (this.#current === socket) this.#session = null;
    });
    this.#current = socket;
    // The library writes to the console where nobody listens.
    const deaf = { error: () => undefined, end: () => undefined, close: () => undefined };
    const client = new SftpClient('isthmus', deaf);
    let trusted = true;
    try {
      socket.setTimeout(limit, () => socket.destroy(timeout(`no connection within ${limit} ms`)));
      await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
      socket.setTimeout(0);
      await client.connect({
        sock: socket,
        username: decodeURIComponent(username),
        ...(password === null ? {} : { password }),
        ...(privateKey === null ? {} : { privateKey }),
        hostHash: 'sha256',
        hostVerifier: (seen: string) => {
          trusted = hostKey.includes(seen);
          return trusted;
        },
        readyTimeout: limit,
        keepaliveInterval: 15_000,
        keepaliveCountMax: 2,
      });
      return { socket, client };
    } catch (error) {
      if (this.#current === socket) this.#session = null;
      socket.destroy();
      throw trusted ? named(error) : rejected('the host key is another than the one in the settings', error);
    }
  }

  /** The socket of the newest connection: an older one that closes late must not take it along. */
  #current: Socket | null = null;
}

/** The answer, or null when the file or folder is not there. */
const orNull = <T>(answer: Promise<T>): Promise<T | null> =>
  answer.catch((error: { code?: unknown }) => {
    if (error.code === NO_SUCH_FILE || error.code === 'ENOENT') return null;
    throw error;
  });

const NETWORK = /^(E(CONN|HOST|NET|PIPE|AI_|NOTFOUND|ADDR)|ERR_(STREAM|SOCKET|NOT_CONNECTED))/;
const GONE =
  /Unexpected (end|close) event|No response from server|Not connected|Keepalive timeout|Connection lost|Channel/i;
const SLOW = /Timed out while waiting for handshake|ETIMEDOUT/;
const REFUSED = /authentication methods failed|no matching|Unable to (start|request) subsystem|Permission denied/i;

/** A fault of the library in the house's words. The library says most things only in its messages. */
function named(error: unknown): SourceError {
  if (error instanceof SourceError) return error;
  const { message, code } = error as { message: string; code?: unknown };
  if (code === PERMISSION_DENIED || code === FAILURE || code === NO_SUCH_FILE) return rejected(message, error);
  if (SLOW.test(message)) return timeout(message, error);
  if (REFUSED.test(message)) return rejected(message, error);
  if (NETWORK.test(String(code ?? '')) || GONE.test(message)) return unavailable(message, error);
  return malformed(message, error);
}
