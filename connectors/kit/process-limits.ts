/** The limits of `isthmus.yaml` that hold for a process as a whole, set once when it starts. */
import { limitCommits } from './commit-queue.ts';
import type { ProcessLimits } from './limits.ts';
import { readCache } from './read-cache.ts';
import { limitSourceAnswers } from './source-answers.ts';

export function limitProcess(limits: ProcessLimits): void {
  limitCommits(limits);
  limitSourceAnswers(limits);
  readCache.limit(limits.readCache);
}
