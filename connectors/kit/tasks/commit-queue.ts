/** Limits what waits for a database commit in this process, webhooks and messages together: in number and bytes. */

import { DEFAULT_LIMITS } from '../config/sections/limits.ts';
import { SharedBudget } from './shared-budget.ts';

export const pendingCommits = new SharedBudget(DEFAULT_LIMITS.commits);
export const pendingCommitBytes = new SharedBudget(DEFAULT_LIMITS.commitBytes);

/** Sets `limits.commits` and `limits.commitBytes` for this process. */
export function setCommitLimits(limits: { readonly commits: number; readonly commitBytes: number }): void {
  pendingCommits.limit = limits.commits;
  pendingCommitBytes.limit = limits.commitBytes;
}

/** The share of one queue: at most half of each limit, so that one source cannot use all of it. */
export class CommitQueueShare {
  #count = 0;
  #bytes = 0;

  /** Whether the queue uses its share, or a limit of the process is reached. */
  get isFull(): boolean {
    return (
      this.#count >= pendingCommits.limit / 2 ||
      this.#bytes >= pendingCommitBytes.limit / 2 ||
      pendingCommits.used >= pendingCommits.limit ||
      pendingCommitBytes.used >= pendingCommitBytes.limit
    );
  }

  /** Counts one item, also beyond the limits: check `isFull` before. */
  reserve(bytes: number): void {
    this.#count++;
    this.#bytes += bytes;
    pendingCommits.reserve(1);
    pendingCommitBytes.reserve(bytes);
  }

  release(bytes: number): void {
    this.#count--;
    this.#bytes -= bytes;
    pendingCommits.release(1);
    pendingCommitBytes.release(bytes);
  }
}
