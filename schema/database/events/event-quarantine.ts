/** Invalid events, stored for inspection: rejected before they were written, or found in the log and skipped. */
import { createHash } from 'node:crypto';
import type { EventQuarantineRow } from '../entities/events.ts';
import { deleteBatch } from '../retention/delete-batch.ts';
import type { Tx } from '../transaction.ts';

/** An invalid event. */
export interface QuarantinedEvent extends Readonly<Omit<EventQuarantineRow, 'id' | 'foundAt'>> {
  /** Its foreign id in the installation; for an event in the log, its event id. */
  readonly key: string;
}

/** Characters; a longer event is truncated. */
const MAX_EVENT_LENGTH = 1024 * 1024;

/** Replaces NUL and lone surrogates, which PostgreSQL's text cannot store; in JSON they are escaped already. */
const plain = (text: string): string => text.replace(/[\0\p{Surrogate}]/gu, '\u{fffd}');

const idOf = ({ installation, position, key }: QuarantinedEvent): string =>
  position === null
    ? createHash('sha256')
        .update(JSON.stringify([installation, key]))
        .digest('hex')
    : `position ${position}`;

/** Saves each event once. Resolves with the new ones, and those with a new reason. */
export async function quarantineEvents(
  tx: Tx,
  events: readonly QuarantinedEvent[],
): Promise<readonly QuarantinedEvent[]> {
  if (events.length === 0) return [];
  // Sorted, so that concurrent writers cannot deadlock.
  const byId = new Map([...events].map((event) => [idOf(event), event] as const).sort(([a], [b]) => (a < b ? -1 : 1)));
  const all = [...byId];
  const column = (pick: (event: QuarantinedEvent) => string | null) => all.map(([, event]) => pick(event));
  const fresh: { id: string }[] = await tx.query(
    `INSERT INTO event_quarantine (id, installation, position, kind, field, reason, event)
     SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[])
     ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, field = excluded.field, reason = excluded.reason,
       event = excluded.event, found_at = now()
     WHERE (event_quarantine.field, event_quarantine.reason) IS DISTINCT FROM (excluded.field, excluded.reason)
     RETURNING id`,
    [
      all.map(([id]) => id),
      column((event) => event.installation),
      column((event) => event.position),
      column((event) => plain(event.kind).slice(0, 200)),
      column((event) => plain(event.field).slice(0, 200)),
      column((event) => plain(event.reason).slice(0, 1_000)),
      column((event) => plain(event.event).slice(0, MAX_EVENT_LENGTH)),
    ],
  );
  return fresh.flatMap(({ id }) => byId.get(id) ?? []);
}

/** Deletes at most `limit` events found before that time; resolves with their number. */
export const pruneQuarantine = (tx: Tx, before: Date, limit: number): Promise<number> =>
  deleteBatch(tx, 'event_quarantine', 'found_at < $1', [before], limit);
