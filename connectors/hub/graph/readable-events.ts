/** Events of the log that fit their type, and those that do not: they are passed over, and the gap is named. */
import type { LoggedEvent } from '../model.ts';
import { loggedFault, type Unreadable } from '../source.ts';

/** Unreadable events that follow one another in what the caller reads. */
export interface Run {
  /** Position right before the first of them. */
  readonly before: string;
  /** Position of the last of them. */
  readonly upTo: string;
  readonly fromTime: Date;
  readonly toTime: Date;
}

/** Those that do not fit their type, in the given order. */
export function unreadable(rows: readonly LoggedEvent[]): readonly Unreadable[] {
  let found: Unreadable[] | null = null;
  for (const row of rows) {
    const fault = loggedFault(row);
    if (fault === null) continue;
    found ??= [];
    found.push({ row, fault });
  }
  return found ?? [];
}

/** The runs of unreadable events among rows in the log's order. */
export function runsOf(rows: readonly LoggedEvent[], bad: ReadonlySet<LoggedEvent>): Run[] {
  const runs: LoggedEvent[][] = [];
  for (const [i, row] of rows.entries()) {
    if (!bad.has(row)) continue;
    const before = rows[i - 1];
    if (before && bad.has(before)) runs.at(-1)?.push(row);
    else runs.push([row]);
  }
  return runs.flatMap((run) => {
    const [first, last] = [run[0], run.at(-1)];
    if (!first || !last) return [];
    const before = String(BigInt(first.position) - 1n);
    return [{ before, upTo: last.position, fromTime: first.recordedAt, toTime: last.recordedAt }];
  });
}
