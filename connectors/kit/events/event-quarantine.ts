/** Stores, logs and counts events that do not match the type of their kind. */
import { channel } from 'node:diagnostics_channel';
import type { QuarantinedEvent } from '../../../schema/database/events/event-quarantine.ts';
import type { Log } from '../log.ts';
import { type CheckedEvent, type EventProblem, findNewEventProblem } from './event-check.ts';

/** Channel of invalid events: {installation, found, count}. `found`: `append` (rejected) or `log` (stored earlier, skipped when read). */
const invalidEvents = channel('isthmus:events:invalid');

/** Such as `METER_READING_TAKEN.value must be a Decimal, found a number`. */
export const describeProblem = (kind: string, { field, problem }: EventProblem): string =>
  `${kind}.${field} ${problem}`;

/** Thrown by `emit` with `strict`. Its code is of SQLSTATE class 22 (data exception), like the database's own rejection of a value. */
export class InvalidEventError extends Error {
  override name = 'InvalidEventError';
  readonly code = '22000';
  readonly eventProblem: EventProblem;
  constructor(kind: string, eventProblem: EventProblem) {
    super(describeProblem(kind, eventProblem));
    this.eventProblem = eventProblem;
  }
}

/** JSON that never fails: values without a JSON form are replaced by their type. */
function toJson(event: object): string {
  const above: object[] = [];
  return JSON.stringify(event, function (this: object, _, value: unknown) {
    if (typeof value === 'bigint' || typeof value === 'number') return Number.isFinite(value) ? value : String(value);
    if (typeof value === 'function' || typeof value === 'symbol') return `[${typeof value}]`;
    if (typeof value !== 'object' || value === null) return value;
    while (above.length > 0 && above.at(-1) !== this) above.pop();
    if (above.includes(value)) return '[circular]';
    above.push(value);
    return value;
  });
}

/** The quarantine row of a stored event. */
export function toQuarantinedEvent(
  row: { readonly position: string; readonly id: string; readonly kind: string; readonly installation: string },
  { field, problem }: EventProblem,
): QuarantinedEvent {
  const { position, id, kind, installation } = row;
  return { installation, position, key: id, kind, field, reason: problem, event: toJson(row) };
}

/** Splits new events into valid ones and quarantine rows of the others. */
export function splitEvents<E extends CheckedEvent & { readonly foreignId: unknown }>(
  installation: string,
  events: readonly E[],
): { readonly valid: readonly E[]; readonly rejected: readonly QuarantinedEvent[] } {
  const rejected: QuarantinedEvent[] = [];
  const valid = events.filter((event) => {
    const found = findNewEventProblem(event);
    if (found === null) return true;
    rejected.push({
      ...{ installation, position: null, key: String(event.foreignId), kind: String(event.kind) },
      ...{ field: found.field, reason: found.problem, event: toJson(event) },
    });
    return false;
  });
  return { valid, rejected };
}

/** Logs and counts invalid events: one line for all that were rejected together, one for each stored event. */
export function reportInvalidEvents(log: Log, events: readonly QuarantinedEvent[]): void {
  const rejected = events.filter(({ position }) => position === null);
  const [first] = rejected;
  if (first) {
    const reason = describeProblem(first.kind, { field: first.field, problem: first.reason });
    const { installation } = first;
    log.warn(`Rejected ${rejected.length} invalid events of ${installation}. They are stored in event_quarantine.`, {
      ...{ installation, count: rejected.length, reason },
    });
    invalidEvents.publish({ installation, found: 'append', count: rejected.length });
  }
  for (const { installation, position, kind, field, reason } of events) {
    if (position === null) continue;
    log.warn(`Skipped invalid event ${position} of the log. It is listed in event_quarantine.`, {
      ...{ installation, position, reason: describeProblem(kind, { field, problem: reason }) },
    });
    invalidEvents.publish({ installation, found: 'log', count: 1 });
  }
}
