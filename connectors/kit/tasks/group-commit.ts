/**
 * Group commit: items that arrive one by one are committed in batches. Commits of one log are serialized, so a batch takes hardly longer
 * than one item.
 */

import { OverloadedError } from '../errors.ts';
import { CommitQueueShare, pendingCommits } from './commit-queue.ts';

/** Whether the database rejected a value (SQLSTATE classes 22 and 23) rather than the whole transaction. */
export const isDataError = (error: unknown): boolean =>
  /^2[23]/.test(String((error as { code?: unknown } | null)?.code ?? ''));

/**
 * Commits a batch. If the database rejects a value, bisects the batch to find the rejected item and passes it to `onRejected`; the other
 * items are committed. Rejects with any other error; items committed before stay committed.
 */
export async function bisectBatch<T>(
  batch: readonly T[],
  commit: (batch: readonly T[]) => Promise<void>,
  onRejected: (item: T, error: unknown) => Promise<void> | void,
): Promise<void> {
  try {
    await commit(batch);
  } catch (error) {
    if (!isDataError(error)) throw error;
    if (batch.length === 1) {
      await onRejected(batch[0] as T, error);
      return;
    }
    const half = batch.length >> 1;
    await bisectBatch(batch.slice(0, half), commit, onRejected);
    await bisectBatch(batch.slice(half), commit, onRejected);
  }
}

interface PendingItem<T> {
  readonly item: T;
  resolve(): void;
  reject(error: unknown): void;
}

/** Items that arrive while one batch is being committed are the next batch. */
export class GroupCommit<T> {
  readonly #commit: (batch: readonly T[]) => Promise<void>;
  readonly #maxBatch: number;
  readonly #share = new CommitQueueShare();
  #pending: PendingItem<T>[] = [];
  #running = false;

  /** `commit` writes one batch in one transaction; `maxBatch`: items of a batch. */
  constructor(commit: (batch: readonly T[]) => Promise<void>, maxBatch: number) {
    this.#commit = commit;
    this.#maxBatch = maxBatch;
  }

  /**
   * Resolves when the item is committed. Rejects with the error of the commit, or of this item alone if the database rejected it; with
   * `OverloadedError`, and without taking the item, if too much waits for a commit. `bytes`: its size as received.
   */
  add(item: T, bytes = 0): Promise<void> {
    if (this.#share.isFull) {
      pendingCommits.recordRejection();
      return Promise.reject(new OverloadedError('Too many items wait to be committed. Send it again later.'));
    }
    this.#share.reserve(bytes);
    return new Promise<void>((resolve, reject) => {
      this.#pending.push({ item, resolve, reject });
      if (!this.#running) void this.#run();
    }).finally(() => this.#share.release(bytes));
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0, this.#maxBatch);
      // Items that were committed before an error are resolved already; rejecting them then has no effect.
      await bisectBatch(
        batch,
        async (part) => {
          await this.#commit(part.map(({ item }) => item));
          for (const pending of part) pending.resolve();
        },
        (pending, error) => pending.reject(error),
      ).catch((error: unknown) => {
        for (const pending of batch) pending.reject(error);
      });
    }
    this.#running = false;
  }
}
