/** Decides which files are complete: those with a marker file, or with unchanged size and time in two listings. */
import type { DirectoryEntry } from './sftp.ts';

/** Names of hidden and partial files, markers and reason files. */
const IGNORED = /^\.|\.(ok|part|filepart|tmp|reason)$/i;

export class StableFiles {
  /** The previous listing: name to size and time. */
  #before = new Map<string, string>();

  /** The files of a new listing that may be processed; an empty file only if it has a marker. */
  finished(listing: readonly DirectoryEntry[]): DirectoryEntry[] {
    const names = new Set(listing.map(({ name }) => name));
    const files = listing.filter(({ name }) => !IGNORED.test(name));
    const before = this.#before;
    const fingerprint = ({ size, modifiedAt }: DirectoryEntry) => `${size} ${modifiedAt.getTime()}`;
    this.#before = new Map(files.map((file) => [file.name, fingerprint(file)]));
    return files.filter(
      (file) => names.has(`${file.name}.ok`) || (file.size > 0 && before.get(file.name) === fingerprint(file)),
    );
  }
}
