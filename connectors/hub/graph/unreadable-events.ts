/** Finds logged events that do not match their type, and groups them into gaps. */
import type { LoggedEvent } from '../model.ts';
import { checkLoggedEvent, type UnreadableEvent } from '../source.ts';

/** Consecutive unreadable events in the caller's view of the log. */
export interface Run {
  /** Position before the first of them. */
  readonly before: string;
  /** Position of the last of them. */
  readonly upTo: string;
  readonly fromTime: Date;
  readonly toTime: Date;
}

/** The events that do not match their type, in the given order. */
export function findUnreadable(rows: readonly LoggedEvent[]): readonly UnreadableEvent[] {
  let found: UnreadableEvent[] | null = null;
  for (const row of rows) {
    const fault = checkLoggedEvent(row);
    if (fault === null) continue;
    found ??= [];
    found.push({ row, fault });
  }
  return found ?? [];
}

/** Runs of the given unreadable events among rows in log order. */
export function groupRuns(rows: readonly LoggedEvent[], unreadableRows: ReadonlySet<LoggedEvent>): Run[] {
  const runs: LoggedEvent[][] = [];
  for (const [i, row] of rows.entries()) {
    if (!unreadableRows.has(row)) continue;
    const before = rows[i - 1];
    if (before && unreadableRows.has(before)) runs.at(-1)?.push(row);
    else runs.push([row]);
  }
  return runs.flatMap((run) => {
    const [first, last] = [run[0], run.at(-1)];
    if (!first || !last) return [];
    const before = String(BigInt(first.position) - 1n);
    return [{ before, upTo: last.position, fromTime: first.recordedAt, toTime: last.recordedAt }];
  });
}
