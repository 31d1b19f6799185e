/**
 * Writes the head file of one chain. The signed head is on disk before its entries are committed, so after any crash a line proves
 * every entry that the hub wrote. Lines that newer ones supersede are dropped when the file grows.
 */
import { mkdirSync } from 'node:fs';
import { type FileHandle, open, rename, rm, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../../connectors/kit/clock.ts';
import type { Log } from '../../../connectors/kit/log.ts';
import { type SigningKey, SigningKeyError } from '../signing/signing-key.ts';
import {
  type ChainPosition,
  confirmedLine,
  type EntryPosition,
  headFileName,
  recordedStatementLine,
  signedHeadLine,
} from './head-files.ts';
import type { SignedStatement, Statement } from './signed-statement.ts';

/** The folders of head files. */
export interface HeadFileFolders {
  /** Contains all heads; beside the database's folder. */
  readonly folder: string;
  /** Contains copies of the signed statements; null: none. */
  readonly second: string | null;
}

interface WriterOptions {
  readonly key: SigningKey;
  readonly clock: Clock;
  readonly log: Log;
}

/** Bytes. A larger file is rewritten with only the lines that are still needed. */
const MAX_BYTES = 256 * 1024;

/** A file with one writer. After a failed append it is rewritten, so that an incomplete line is never followed by another. */
class LineFile {
  readonly file: string;
  readonly #initialLines: () => readonly string[];
  #handle: FileHandle | null = null;
  #bytes = 0;
  #queue: Promise<unknown> = Promise.resolve();

  /** @param initialLines returns the lines with which a rewritten file starts */
  constructor(file: string, initialLines: () => readonly string[]) {
    this.file = file;
    this.#initialLines = initialLines;
  }

  /** Appends the line. With `sync` it is on disk when this resolves; without, it survives a crash of the process only. */
  append(line: string, { sync }: { readonly sync: boolean }): Promise<void> {
    return this.#enqueue(async () => {
      const handle = this.#handle && this.#bytes < MAX_BYTES ? this.#handle : await this.#rewrite();
      try {
        const { bytesWritten } = await handle.write(`${line}\n`);
        this.#bytes += bytesWritten;
        if (bytesWritten < Buffer.byteLength(line) + 1)
          throw new Error(`Only part of a line was written to ${this.file}.`);
        if (sync) await handle.datasync();
      } catch (error) {
        this.#handle = null;
        await handle.close().catch(() => undefined);
        throw error;
      }
    });
  }

  /** Closes the file, and deletes it with `remove`. */
  close({ remove }: { readonly remove: boolean }): Promise<void> {
    return this.#enqueue(async () => {
      await this.#handle?.close();
      this.#handle = null;
      if (remove) await rm(this.file, { force: true });
    });
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  async #rewrite(): Promise<FileHandle> {
    await this.#handle?.close();
    this.#handle = null;
    mkdirSync(dirname(this.file), { recursive: true, mode: 0o700 });
    const temporary = `${this.file}.new`;
    const handle = await open(temporary, 'w', 0o600);
    try {
      const text = this.#initialLines()
        .map((line) => `${line}\n`)
        .join('');
      await handle.write(text);
      await handle.datasync();
      this.#bytes = Buffer.byteLength(text);
    } finally {
      await handle.close();
    }
    await rename(temporary, this.file);
    await syncFolder(dirname(this.file));
    this.#handle = await open(this.file, 'a', 0o600);
    return this.#handle;
  }
}

/** Makes the rename durable where the system supports it. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {
    // Windows cannot open folders.
  }
}

/** Writes the heads of one chain to the hub's folder, and its signed statements to the second folder as well. */
export class HeadFileWriter {
  readonly #key: SigningKey;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #first: LineFile;
  readonly #second: LineFile | null;
  #statementLine: string | null = null;
  #newestStatement = 0;
  #confirmedLines: readonly string[] = [];
  /** Heads on disk whose entries may or may not be in the database, by `number:hash`. */
  #unconfirmed = new Map<string, string>();
  #secondFailed = false;
  #closed = false;
  /** The current write to the second folder. */
  #secondWrite: Promise<void> = Promise.resolve();

  private constructor(folders: HeadFileFolders, chain: string, options: WriterOptions) {
    const statement = () => (this.#statementLine === null ? [] : [this.#statementLine]);
    this.#key = options.key;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#first = new LineFile(join(folders.folder, headFileName(chain)), () => [
      ...statement(),
      ...this.#confirmedLines,
      ...this.#unconfirmed.values(),
    ]);
    this.#second =
      folders.second === null ? null : new LineFile(join(folders.second, headFileName(chain)), () => statement());
  }

  /** Creates the chain's head file. Rejects with `SigningKeyError` if the folder is not writable. */
  static async open(
    folders: HeadFileFolders,
    chain: string,
    first: ChainPosition,
    options: WriterOptions,
  ): Promise<HeadFileWriter> {
    const writer = new HeadFileWriter(folders, chain, options);
    try {
      await writer.writeHead(first);
    } catch (error) {
      throw new SigningKeyError(
        `Cannot write the head file of the audit log to ${folders.folder} (${(error as { code?: string }).code ?? 'error'}). Check the owner and mode of the folder, or set ISTHMUS_DATA to another one.`,
        { cause: error },
      );
    }
    return writer;
  }

  /** Resolves when the signed head is on disk. Call it before the entries are committed. */
  async writeHead(head: ChainPosition): Promise<void> {
    const line = signedHeadLine(this.#key, head, this.#now());
    await this.#first.append(line, { sync: true });
    this.#unconfirmed.set(`${head.number}:${head.hash}`, line);
  }

  /** Records that the entries up to the position are in the database. Call it before the responses are sent. */
  async confirm(position: EntryPosition): Promise<void> {
    const head = this.#unconfirmed.get(`${position.number}:${position.hash}`);
    const line = confirmedLine(position, this.#now());
    this.#confirmedLines = head ? [head, line] : [];
    this.#unconfirmed = new Map();
    await this.#first.append(line, { sync: false });
  }

  /** Records a committed statement unless a newer one is recorded. Does not wait for the second folder, which may be remote. */
  async recordStatement(signed: SignedStatement): Promise<void> {
    const { number } = JSON.parse(signed.body) as Statement;
    if (number <= this.#newestStatement || this.#closed) return;
    this.#newestStatement = number;
    const line = recordedStatementLine(signed.body, signed.signature, this.#now());
    this.#statementLine = line;
    const second = this.#second?.append(line, { sync: true }).then(
      () => {
        if (this.#secondFailed) this.#log.info('The second folder of audit head files is writable again.');
        this.#secondFailed = false;
      },
      (error: unknown) => {
        if (!this.#secondFailed)
          this.#log.error(
            'Failed to write to the second folder of audit head files. Retrying with the next statement.',
            {
              error,
              file: this.#second?.file,
            },
          );
        this.#secondFailed = true;
      },
    );
    this.#secondWrite = second ?? this.#secondWrite;
    await this.#first.append(line, { sync: true });
  }

  /** Updates the files' times: files that are not touched for a month are removed. */
  async touch(): Promise<void> {
    const now = this.#clock.now();
    for (const lineFile of [this.#first, this.#second])
      if (lineFile) await utimes(lineFile.file, now, now).catch(() => undefined);
  }

  /** Idempotent. Waits at most 1 s for the second folder. `remove`: deletes the files of a chain that was not begun. */
  async close({ remove = false }: { readonly remove?: boolean } = {}): Promise<void> {
    this.#closed = true;
    await this.#first.close({ remove });
    const second = this.#secondWrite.then(() => this.#second?.close({ remove })).catch(() => undefined);
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([second, new Promise((resolve) => (timer = setTimeout(resolve, 1_000)))]);
    clearTimeout(timer);
  }

  #now(): string {
    return this.#clock.now().toISOString();
  }
}
