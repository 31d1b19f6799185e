/** The limits of `isthmus.yaml` that hold for a process as a whole, set once when it starts. */

import { readCache } from '../guard/read-cache-memory.ts';
import { limitSourceAnswers, sourceBytes } from '../protocols/response-body.ts';
import { commitBytes, commitCount, limitCommits } from '../tasks/commit-queue.ts';
import type { ProcessLimits } from './sections/limits.ts';

export function limitProcess(limits: ProcessLimits): void {
  limitCommits(limits);
  limitSourceAnswers(limits);
  readCache.limit(limits.readCache);
}

/** What this process holds of each, by the name of its limit; `refused` of the read cache: readings put out to make room. */
export const processUse = () => ({
  commits: commitCount,
  commitBytes,
  readCache: { most: readCache.most, held: readCache.held, refused: readCache.evictions },
  sourceBytes,
});
