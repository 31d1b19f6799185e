/** Tells finished files from growing ones: by a marker beside them, or because two listings show the same size and time. */
import type { Entry } from './sftp.ts';

/** Endings of files that somebody is still writing, and of what stands beside files. */
const LEFT_ALONE = /^\.|\.(ok|part|filepart|tmp|reason)$/i;

export class Settling {
  #before = new Map<string, string>();

  /** Those of a new listing that may be taken; an empty one only with its marker. */
  finished(listing: readonly Entry[]): Entry[] {
    const names = new Set(listing.map((one) => one.name));
    const files = listing.filter((one) => !LEFT_ALONE.test(one.name));
    const before = this.#before;
    const shape = (one: Entry) => `${one.size} ${one.modifiedAt.getTime()}`;
    this.#before = new Map(files.map((one) => [one.name, shape(one)]));
    return files.filter((one) => names.has(`${one.name}.ok`) || (one.size > 0 && before.get(one.name) === shape(one)));
  }
}
