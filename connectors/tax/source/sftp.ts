/**
 * The tax office's SFTP folder; the only module that uses the SFTP library. One connection is reused until it fails. The library does
 * not reconnect, so a new connection is made after every retryable error.
 */
import { connect, type Socket } from 'node:net';
import SftpClient from 'ssh2-sftp-client';
import { malformed, rejected, SourceError, timeout, unavailable } from '../../kit/errors.ts';
import type { TaxSettings } from '../settings.ts';

/** One entry of a folder. */
export interface DirectoryEntry {
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

export class SftpDrop {
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

  /** Files of a subfolder ('' is the folder itself); null if it does not exist. */
  async list(folder: string, signal: AbortSignal): Promise<readonly DirectoryEntry[] | null> {
    const path = this.#path(folder);
    const found = await this.#run(signal, (client) => orNull(client.list(path)));
    if (found === null) return null;
    return found
      .filter(({ type, name }) => type !== 'd' && !/[/\\\0]/.test(name))
      .map(({ name, size, modifyTime }) => {
        if (!Number.isSafeInteger(size)) throw malformed(`listing has no size for ${JSON.stringify(name)}`);
        if (!Number.isFinite(modifyTime)) throw malformed(`listing has no modifyTime for ${JSON.stringify(name)}`);
        return { name, size, modifiedAt: new Date(modifyTime) };
      });
  }

  /** At most `length` bytes of a file from `start`, fewer at its end; null if the file does not exist. */
  read(file: string, start: number, length: number, signal: AbortSignal): Promise<Buffer | null> {
    const options = { readStreamOptions: { start, end: start + length - 1 } };
    return this.#run(signal, async (client) => {
      const bytes = await orNull(client.get(this.#path(file), undefined, options as never));
      // For zero bytes the library returns an empty list instead of a buffer.
      return bytes === null ? null : Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0);
    });
  }

  /** Moves a file atomically, replacing a file of the new name; returns false if it does not exist. */
  async move(from: string, to: string, signal: AbortSignal): Promise<boolean> {
    const [source, target] = [this.#path(from), this.#path(to)];
    const moved = await this.#run(signal, (client) =>
      orNull(client.posixRename(source, target)).catch(async (error: Error) => {
        if (!/does not support this extended request/.test(error.message)) throw error;
        // A plain rename does not replace, so the file in the way is deleted first.
        if ((await client.exists(source)) === false) return null;
        await client.delete(target, true);
        return orNull(client.rename(source, target));
      }),
    );
    return moved !== null;
  }

  /** Writes a file under a hidden name and moves it, so that readers never see a partial file. */
  async write(file: string, bytes: Buffer, signal: AbortSignal): Promise<void> {
    const slash = file.lastIndexOf('/') + 1;
    const hidden = `${file.slice(0, slash)}.${file.slice(slash)}.part`;
    await this.#run(signal, (client) => client.put(bytes, this.#path(hidden)));
    if (!(await this.move(hidden, file, signal))) throw rejected(`file ${hidden} disappeared before it was moved`);
  }

  /** Whether the file exists. */
  exists(file: string, signal: AbortSignal): Promise<boolean> {
    return this.#run(signal, async (client) => (await client.exists(this.#path(file))) === '-');
  }

  /** Deletes a file if it exists. */
  async remove(file: string, signal: AbortSignal): Promise<void> {
    await this.#run(signal, (client) => client.delete(this.#path(file), true));
  }

  /** Creates the subfolders that do not exist. */
  async createFolders(folders: readonly string[], signal: AbortSignal): Promise<void> {
    for (const folder of folders) {
      await this.#run(signal, async (client) => {
        const path = this.#path(folder);
        if ((await client.exists(path)) !== false) return;
        await client.mkdir(path).catch(async (error: Error) => {
          // The office may have created it in the meantime.
          if ((await client.exists(path)) === false) throw error;
        });
      });
    }
  }

  /** Health check: the folder exists. Throws SOURCE_REJECTED if not. */
  async ping(signal: AbortSignal): Promise<void> {
    const type = await this.#run(signal, (client) => client.exists(this.#root));
    if (type !== 'd') throw rejected('SFTP folder does not exist');
  }

  /** Closes the connection; idempotent. */
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

  /** Runs one operation on the current connection. A connection error or `signal` closes the connection. */
  async #run<T>(signal: AbortSignal, work: (client: SftpClient) => Promise<T>): Promise<T> {
    let session: Session | null = null;
    const closeSession = () => {
      this.#session = null;
      session?.socket.destroy();
    };
    signal.addEventListener('abort', closeSession, { once: true });
    try {
      this.#session ??= this.#connect();
      session = await this.#session;
      if (signal.aborted) throw unavailable('call cancelled while connecting');
      return await work(session.client);
    } catch (error) {
      const failure = toSftpError(error);
      // A rejection or an invalid response arrived over a working connection, which other calls may be using.
      if (failure.retryable) closeSession();
      throw failure;
    } finally {
      signal.removeEventListener('abort', closeSession);
    }
  }

  /** Connects, with a timeout of its own because several calls may be waiting for the connection. */
  async #connect(): Promise<Session> {
    if (this.#closed) throw unavailable('installation is closed');
    const { url, hostKey, password, privateKey, timeout: limit } = this.#settings;
    const { hostname, port, username } = new URL(url);
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 22), noDelay: true });
    this.#open.add(socket);
    socket.on('close', () => {
      this.#open.delete(socket);
      if (this.#current === socket) this.#session = null;
    });
    this.#current = socket;
    // Without listeners the library writes to the console.
    const ignoreEvents = { error: () => undefined, end: () => undefined, close: () => undefined };
    const client = new SftpClient('isthmus', ignoreEvents);
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
        hostVerifier: (fingerprint: string) => {
          trusted = hostKey.includes(fingerprint);
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
      throw trusted ? toSftpError(error) : rejected('host key does not match the setting hostKey', error);
    }
  }

  /** The socket of the newest connection; an older socket that closes late must not reset the session. */
  #current: Socket | null = null;
}

/** The result, or null if the file or folder does not exist. */
const orNull = <T>(result: Promise<T>): Promise<T | null> =>
  result.catch((error: { code?: unknown }) => {
    if (error.code === NO_SUCH_FILE || error.code === 'ENOENT') return null;
    throw error;
  });

const NETWORK = /^(E(CONN|HOST|NET|PIPE|AI_|NOTFOUND|ADDR)|ERR_(STREAM|SOCKET|NOT_CONNECTED))/;
const DISCONNECTED =
  /Unexpected (end|close) event|No response from server|Not connected|Keepalive timeout|Connection lost|Channel/i;
const TIMED_OUT = /Timed out while waiting for handshake|ETIMEDOUT/;
const REJECTED = /authentication methods failed|no matching|Unable to (start|request) subsystem|Permission denied/i;

/** Converts an error of the library, most of which differ only in their messages. */
function toSftpError(error: unknown): SourceError {
  if (error instanceof SourceError) return error;
  const { message, code } = error as { message: string; code?: unknown };
  if (code === PERMISSION_DENIED || code === FAILURE || code === NO_SUCH_FILE) return rejected(message, error);
  if (TIMED_OUT.test(message)) return timeout(message, error);
  if (REJECTED.test(message)) return rejected(message, error);
  if (NETWORK.test(String(code ?? '')) || DISCONNECTED.test(message)) return unavailable(message, error);
  return malformed(message, error);
}
