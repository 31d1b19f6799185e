/** What is done with events that do not fit their type: kept, said in the log, counted. */
import { channel } from 'node:diagnostics_channel';
import type { QuarantinedEvent } from '../../../schema/database/events/event-quarantine.ts';
import type { Log } from '../log.ts';
import { type CheckedEvent, type EventFault, newEventFault } from './event-check.ts';

/** Events that do not fit their type: {installation, found, count}; `found` is `append` (refused) or `log` (stored, passed over). */
const invalidEvents = channel('isthmus:events:invalid');

/** `METER_READING_TAKEN.value must be a Decimal, found a number`. */
export const sentenceOf = (kind: string, { field, problem }: EventFault): string => `${kind}.${field} ${problem}`;

/** An event does not fit its type, and the connector keeps it itself. Known as a refusal of a value, like the database's own (SQLSTATE class 22). */
export class EventRefused extends Error {
  override name = 'EventRefused';
  readonly code = '22000';
  readonly fault: EventFault;
  constructor(kind: string, fault: EventFault) {
    super(sentenceOf(kind, fault));
    this.fault = fault;
  }
}

/** JSON that never fails: what JSON cannot hold is named by its type. */
function asJson(event: object): string {
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

/** An event of the log, as its row. */
export function quarantined(
  row: { readonly position: string; readonly id: string; readonly kind: string; readonly installation: string },
  { field, problem }: EventFault,
): QuarantinedEvent {
  const { position, id, kind, installation } = row;
  return { installation, position, key: id, kind, field, reason: problem, event: asJson(row) };
}

/** Those that may be appended, and those that may not. */
export function sorted<E extends CheckedEvent & { readonly foreignId: unknown }>(
  installation: string,
  events: readonly E[],
): { readonly sound: readonly E[]; readonly refused: readonly QuarantinedEvent[] } {
  let refused: QuarantinedEvent[] | null = null;
  const sound = events.filter((event) => {
    const fault = newEventFault(event);
    if (fault === null) return true;
    refused ??= [];
    refused.push({
      ...{ installation, position: null, key: String(event.foreignId), kind: String(event.kind) },
      ...{ field: fault.field, reason: fault.problem, event: asJson(event) },
    });
    return false;
  });
  return { sound: refused === null ? events : sound, refused: refused ?? [] };
}

/** Says and counts those that are new; one line for all that were refused together, one for each that lies in the log. */
export function reportInvalid(log: Log, events: readonly QuarantinedEvent[]): void {
  const refused = events.filter((one) => one.position === null);
  const [first] = refused;
  if (first) {
    const reason = sentenceOf(first.kind, { field: first.field, problem: first.reason });
    const { installation } = first;
    log.warn('Events do not fit their type and were not written; they are kept in event_quarantine.', {
      ...{ installation, count: refused.length, reason },
    });
    invalidEvents.publish({ installation, found: 'append', count: refused.length });
  }
  for (const { installation, position, kind, field, reason } of events) {
    if (position === null) continue;
    log.warn('An event of the log does not fit its type and is passed over; it is named in event_quarantine.', {
      ...{ installation, position, reason: sentenceOf(kind, { field, problem: reason }) },
    });
    invalidEvents.publish({ installation, found: 'log', count: 1 });
  }
}
