/** What waits for a commit in this process, webhooks and messages alike: bounded in number and bytes. */

import { DEFAULT_LIMITS } from '../config/sections/limits.ts';
import { Budget } from './shared-budget.ts';

export const commitCount = new Budget(DEFAULT_LIMITS.commits);
export const commitBytes = new Budget(DEFAULT_LIMITS.commitBytes);

/** Sets `limits.commits` and `limits.commitBytes` for this process. */
export function limitCommits(limits: { readonly commits: number; readonly commitBytes: number }): void {
  commitCount.most = limits.commits;
  commitBytes.most = limits.commitBytes;
}

/** One queue's part of it: half at most, so that one source's flood leaves room for the others. */
export class CommitShare {
  #count = 0;
  #bytes = 0;

  /** Whether the queue holds its part, or there is no room in the process. */
  get full(): boolean {
    return (
      this.#count >= commitCount.most / 2 ||
      this.#bytes >= commitBytes.most / 2 ||
      commitCount.held >= commitCount.most ||
      commitBytes.held >= commitBytes.most
    );
  }

  /** Takes a place for what has come; where that is more than there is room for, too: ask `full` before more is let in. */
  enter(bytes: number): void {
    this.#count++;
    this.#bytes += bytes;
    commitCount.force(1);
    commitBytes.force(bytes);
  }

  leave(bytes: number): void {
    this.#count--;
    this.#bytes -= bytes;
    commitCount.give(1);
    commitBytes.give(bytes);
  }
}
