/**
 * Writes the head file of one chain. The head is on disk before the entries are committed, so every entry of the database that the
 * hub wrote is proven by a line here, after any crash. Small: old lines are dropped once newer ones say more.
 */
import { mkdirSync } from 'node:fs';
import { type FileHandle, open, rename, rm, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../../connectors/kit/connector.ts';
import type { Log } from '../../../connectors/kit/log.ts';
import { type SigningKey, SigningKeyError } from '../signing/signing-key.ts';
import { type Head, headFileName, headLine, type Place, recordedLine, writtenLine } from './head-files.ts';
import type { SignedStatement, Statement } from './signed-statement.ts';

/** Where head files are kept. */
export interface HeadFolders {
  /** Holds every head; beside the database's own folder, never in the database. */
  readonly folder: string;
  /** Holds the signed statements besides; null: none. */
  readonly second: string | null;
}

/** Bytes from which a file is written anew with what still says something. */
const LARGEST = 256 * 1024;

/** One file, appended to by one writer. After a failed append it is written anew, so a torn line never stands in its middle. */
class LineFile {
  readonly file: string;
  readonly #kept: () => readonly string[];
  #handle: FileHandle | null = null;
  #bytes = 0;
  #queue: Promise<unknown> = Promise.resolve();

  /** `kept` answers the lines that a file written anew begins with. */
  constructor(file: string, kept: () => readonly string[]) {
    this.file = file;
    this.#kept = kept;
  }

  /** Appends the line; `sync`: it is on disk when this resolves, else it survives the end of the process but not of the machine. */
  append(line: string, sync: boolean): Promise<void> {
    return this.#next(async () => {
      const handle = this.#handle && this.#bytes < LARGEST ? this.#handle : await this.#anew();
      try {
        const { bytesWritten } = await handle.write(`${line}\n`);
        this.#bytes += bytesWritten;
        if (bytesWritten < Buffer.byteLength(line) + 1) throw new Error(`${this.file} took part of a line only.`);
        if (sync) await handle.datasync();
      } catch (error) {
        this.#handle = null;
        await handle.close().catch(() => undefined);
        throw error;
      }
    });
  }

  /** Closes the file; `gone`: removes it. */
  close(gone = false): Promise<void> {
    return this.#next(async () => {
      await this.#handle?.close();
      this.#handle = null;
      if (gone) await rm(this.file, { force: true });
    });
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  async #anew(): Promise<FileHandle> {
    await this.#handle?.close();
    this.#handle = null;
    mkdirSync(dirname(this.file), { recursive: true, mode: 0o700 });
    const made = `${this.file}.new`;
    const handle = await open(made, 'w', 0o600);
    try {
      const text = this.#kept()
        .map((line) => `${line}\n`)
        .join('');
      await handle.write(text);
      await handle.datasync();
      this.#bytes = Buffer.byteLength(text);
    } finally {
      await handle.close();
    }
    await rename(made, this.file);
    await syncFolder(dirname(this.file));
    this.#handle = await open(this.file, 'a', 0o600);
    return this.#handle;
  }
}

/** Makes a renamed file's name durable, where the system can. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {
    // Windows opens no folders.
  }
}

/** The heads of one chain, in the hub's folder and, as far as signed statements tell, in the second one. */
export class HeadWriter {
  readonly #key: SigningKey;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #first: LineFile;
  readonly #second: LineFile | null;
  #statement: string | null = null;
  #newest = 0;
  #confirmed: readonly string[] = [];
  /** Heads that are on disk and may or may not be in the database, by `number:hash`. */
  #open = new Map<string, string>();
  #secondFailed = false;
  #closed = false;
  /** The write to the second folder that is under way. */
  #pending: Promise<void> = Promise.resolve();

  private constructor(folders: HeadFolders, chain: string, parts: { key: SigningKey; clock: Clock; log: Log }) {
    const statement = () => (this.#statement === null ? [] : [this.#statement]);
    this.#key = parts.key;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#first = new LineFile(join(folders.folder, headFileName(chain)), () => [
      ...statement(),
      ...this.#confirmed,
      ...this.#open.values(),
    ]);
    this.#second =
      folders.second === null ? null : new LineFile(join(folders.second, headFileName(chain)), () => statement());
  }

  /** Begins the chain's file. Rejects with `SigningKeyError` when the folder cannot be written. */
  static async open(
    folders: HeadFolders,
    chain: string,
    first: Head,
    parts: { key: SigningKey; clock: Clock; log: Log },
  ): Promise<HeadWriter> {
    const made = new HeadWriter(folders, chain, parts);
    try {
      await made.intend(first);
    } catch (error) {
      throw new SigningKeyError(
        `The head file of the audit log cannot be written in ${folders.folder} (${(error as { code?: string }).code ?? 'error'}); check the owner and mode of the folder, or name another by ISTHMUS_DATA.`,
        { cause: error },
      );
    }
    return made;
  }

  /** Puts the head on disk. To be called before the entries are committed. */
  async intend(head: Head): Promise<void> {
    const line = headLine(this.#key, head, this.#now());
    await this.#first.append(line, true);
    this.#open.set(`${head.number}:${head.hash}`, line);
  }

  /** Says that the entries up to there are in the database. Before an answer leaves. */
  async confirm(place: Place): Promise<void> {
    const head = this.#open.get(`${place.number}:${place.hash}`);
    const line = writtenLine(place, this.#now());
    this.#confirmed = head ? [head, line] : [];
    this.#open = new Map();
    await this.#first.append(line, false);
  }

  /** Keeps a statement that is in the database, unless a newer one is kept. The second folder is written behind the caller's back: it may be far away. */
  async record(signed: SignedStatement): Promise<void> {
    const { number } = JSON.parse(signed.body) as Statement;
    if (number <= this.#newest || this.#closed) return;
    this.#newest = number;
    const line = recordedLine(signed.body, signed.signature, this.#now());
    this.#statement = line;
    const second = this.#second?.append(line, true).then(
      () => {
        if (this.#secondFailed) this.#log.info('The second folder of the audit heads is written again.');
        this.#secondFailed = false;
      },
      (error: unknown) => {
        if (!this.#secondFailed)
          this.#log.error('The second folder of the audit heads cannot be written; tried again at each statement.', {
            error,
            file: this.#second?.file,
          });
        this.#secondFailed = true;
      },
    );
    this.#pending = second ?? this.#pending;
    await this.#first.append(line, true);
  }

  /** Shows that the chain's process is alive: files that are old are retired. */
  async touch(): Promise<void> {
    const now = this.#clock.now();
    for (const one of [this.#first, this.#second]) if (one) await utimes(one.file, now, now).catch(() => undefined);
  }

  /** Idempotent. Waits at most a second for the second folder. `gone`: the chain was never begun, and its files are removed. */
  async close(gone = false): Promise<void> {
    this.#closed = true;
    await this.#first.close(gone);
    const second = this.#pending.then(() => this.#second?.close(gone)).catch(() => undefined);
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([second, new Promise((resolve) => (timer = setTimeout(resolve, 1_000)))]);
    clearTimeout(timer);
  }

  #now(): string {
    return this.#clock.now().toISOString();
  }
}
