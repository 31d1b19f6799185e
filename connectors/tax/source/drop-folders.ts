/** The folders of the tax office's SFTP account, called under the source's guard. Every step is idempotent and may be retried. */
import type { Call } from '../../kit/call.ts';
import { rejected } from '../../kit/errors.ts';
import type { Installation } from './installation.ts';
import type { DirectoryEntry } from './sftp.ts';

const SUBFOLDERS = ['claimed', 'done', 'refused', 'outbound', 'replies'];
/** Bytes read per call. */
const CHUNK_SIZE = 4 * 1024 * 1024;

export class DropFolders {
  readonly #installation: Installation;
  #created = false;

  constructor(installation: Installation) {
    this.#installation = installation;
  }

  /** Creates the missing subfolders, once per process and again after one has disappeared. */
  async create(call: Call): Promise<void> {
    if (this.#created) return;
    await this.#step(call, 'furnish', (signal) => this.#installation.drop.createFolders(SUBFOLDERS, signal));
    this.#created = true;
  }

  /** Files of a subfolder ('' is the inbox). Throws SOURCE_REJECTED if it does not exist. */
  async list(call: Call, folder: string): Promise<readonly DirectoryEntry[]> {
    const found = await this.#step(call, 'list', (signal) => this.#installation.drop.list(folder, signal));
    if (found === null) {
      this.#created = false;
      throw rejected(`SFTP folder ${folder === '' ? 'of the installation' : folder} does not exist`);
    }
    return found;
  }

  /** The content of a file; null if it does not exist. */
  async read(call: Call, path: string): Promise<Buffer | null> {
    const chunks: Buffer[] = [];
    for (let start = 0; ; start += CHUNK_SIZE) {
      const chunk = await this.#step(call, 'read file', (signal) =>
        this.#installation.drop.read(path, start, CHUNK_SIZE, signal),
      );
      if (chunk === null) return null;
      chunks.push(chunk);
      if (chunk.length < CHUNK_SIZE) return Buffer.concat(chunks);
    }
  }

  /** Moves a file; returns false if it does not exist. */
  move(call: Call, from: string, to: string): Promise<boolean> {
    return this.#step(call, 'move', (signal) => this.#installation.drop.move(from, to, signal));
  }

  /** Deletes the marker of a file in `folder` ('' is the inbox) if the listing has one. */
  async removeMarker(call: Call, folder: string, name: string, listing: readonly DirectoryEntry[]): Promise<void> {
    const marker = `${name}.ok`;
    if (!listing.some((entry) => entry.name === marker)) return;
    const path = folder === '' ? marker : `${folder}/${marker}`;
    await this.#step(call, 'remove marker', (signal) => this.#installation.drop.remove(path, signal));
  }

  /** Moves a claimed file to `refused/` and writes the reason beside it, for the sender. */
  async reject(call: Call, name: string, reasonText: string): Promise<void> {
    const file = `refused/${name}.reason`;
    await this.#step(call, 'write reason', (signal) =>
      this.#installation.drop.write(file, Buffer.from(reasonText, 'utf8'), signal),
    );
    await this.move(call, `claimed/${name}`, `refused/${name}`);
  }

  async #step<T>(call: Call, operation: string, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return (await this.#installation.services.guard.read(call, { operation: `poll: ${operation}` }, send)).value;
  }
}
