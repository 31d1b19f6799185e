/** Applies the limits of isthmus.yaml that hold for the whole process, once at start. */

import { processReadCache } from '../guard/read-cache-memory.ts';
import { bufferedResponseBytes, setResponseLimits } from '../protocols/response-body.ts';
import { pendingCommitBytes, pendingCommits, setCommitLimits } from '../tasks/commit-queue.ts';
import type { ProcessLimits } from './sections/limits.ts';

export function applyProcessLimits(limits: ProcessLimits): void {
  setCommitLimits(limits);
  setResponseLimits(limits);
  processReadCache.setMaxBytes(limits.readCache);
}

/** Current use of each limit, for metrics. `rejections` of the read cache: evicted readings. */
export const processLimitUsage = () => ({
  commits: pendingCommits,
  commitBytes: pendingCommitBytes,
  readCache: {
    limit: processReadCache.maxBytes,
    used: processReadCache.usedBytes,
    rejections: processReadCache.evictions,
  },
  sourceBytes: bufferedResponseBytes,
});
