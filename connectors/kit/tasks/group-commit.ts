/** What comes in piece by piece is committed in batches: commits of one log stand in line, so a batch costs hardly more than one piece. */

import { Overloaded } from '../errors.ts';
import { CommitShare, commitCount } from './commit-queue.ts';

/** Whether the database refused a value (SQLSTATE classes 22 and 23), not the whole work. */
export const isDataFault = (error: unknown): boolean =>
  /^2[23]/.test(String((error as { code?: unknown } | null)?.code ?? ''));

/**
 * Works a batch at once. When the database takes offence at a value, halves find the item that bears it, and only that one is handed
 * to `offended`. Rejects with any other fault; what was worked before it stays worked.
 */
export async function inHalves<T>(
  batch: readonly T[],
  work: (batch: readonly T[]) => Promise<void>,
  offended: (item: T, error: unknown) => Promise<void> | void,
): Promise<void> {
  try {
    await work(batch);
  } catch (error) {
    if (!isDataFault(error)) throw error;
    if (batch.length === 1) {
      await offended(batch[0] as T, error);
      return;
    }
    const half = batch.length >> 1;
    await inHalves(batch.slice(0, half), work, offended);
    await inHalves(batch.slice(half), work, offended);
  }
}

interface Waiting<T> {
  readonly item: T;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Group commit: what arrives while one batch is being committed is the next batch. `add` resolves after the commit that holds the item,
 * and rejects when it failed; an item that the database takes offence at fails alone.
 */
export class GroupCommit<T> {
  readonly #work: (batch: readonly T[]) => Promise<void>;
  readonly #most: number;
  readonly #share = new CommitShare();
  #waiting: Waiting<T>[] = [];
  #busy = false;

  /** `most`: items of one batch. */
  constructor(work: (batch: readonly T[]) => Promise<void>, most: number) {
    this.#work = work;
    this.#most = most;
  }

  /** `bytes`: what it came as. Rejects with `Overloaded` when too much waits for a commit already: then it is not taken. */
  add(item: T, bytes = 0): Promise<void> {
    if (this.#share.full) {
      commitCount.refuse();
      return Promise.reject(new Overloaded('Too much waits to be written; send it again.'));
    }
    this.#share.enter(bytes);
    return new Promise<void>((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (!this.#busy) void this.#run();
    }).finally(() => this.#share.leave(bytes));
  }

  async #run(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#most);
      // Halves that were committed before another fault are resolved already; to reject them then does nothing.
      await inHalves(
        batch,
        async (part) => {
          await this.#work(part.map((one) => one.item));
          for (const one of part) one.resolve();
        },
        (one, error) => one.reject(error),
      ).catch((error: unknown) => {
        for (const one of batch) one.reject(error);
      });
    }
    this.#busy = false;
  }
}
