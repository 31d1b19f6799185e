/** Events that do not fit their type, kept for whoever has to look: refused at the door, or found in the log and passed over. */
import { createHash } from 'node:crypto';
import type { Tx } from '../database.ts';

/** One of them. `position` null: it was refused and is not in the log. */
export interface QuarantinedEvent {
  readonly installation: string;
  readonly position: string | null;
  /** What it is known by within its installation; of one in the log, its id. */
  readonly key: string;
  readonly kind: string;
  readonly field: string;
  readonly reason: string;
  /** The event as JSON. */
  readonly event: string;
}

/** Characters of an event that are kept. */
const LONGEST = 1024 * 1024;

/** PostgreSQL's text holds no NUL and no half of a character; JSON has both escaped already. */
const plain = (text: string): string => text.replace(/[\0\p{Surrogate}]/gu, '\u{fffd}');

const idOf = ({ installation, position, key }: QuarantinedEvent): string =>
  position === null
    ? createHash('sha256')
        .update(JSON.stringify([installation, key]))
        .digest('hex')
    : `position ${position}`;

/** Keeps them, each once. Answers those that were not known before, or for another reason. */
export async function quarantineEvents(
  tx: Tx,
  events: readonly QuarantinedEvent[],
): Promise<readonly QuarantinedEvent[]> {
  if (events.length === 0) return [];
  // Sorted, so that two processes that keep the same ones wait for one another in one order.
  const byId = new Map([...events].map((one) => [idOf(one), one] as const).sort(([a], [b]) => (a < b ? -1 : 1)));
  const all = [...byId];
  const column = (pick: (one: QuarantinedEvent) => string | null) => all.map(([, one]) => pick(one));
  const fresh: { id: string }[] = await tx.query(
    `INSERT INTO event_quarantine (id, installation, position, kind, field, reason, event)
     SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[])
     ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, field = excluded.field, reason = excluded.reason,
       event = excluded.event, found_at = now()
     WHERE (event_quarantine.field, event_quarantine.reason) IS DISTINCT FROM (excluded.field, excluded.reason)
     RETURNING id`,
    [
      all.map(([id]) => id),
      column((one) => one.installation),
      column((one) => one.position),
      column((one) => plain(one.kind).slice(0, 200)),
      column((one) => plain(one.field).slice(0, 200)),
      column((one) => plain(one.reason).slice(0, 1_000)),
      column((one) => plain(one.event).slice(0, LONGEST)),
    ],
  );
  return fresh.flatMap(({ id }) => byId.get(id) ?? []);
}

/** Forgets those found before that time. At most `most`; answers how many. */
export async function pruneQuarantine(tx: Tx, before: Date, most: number): Promise<number> {
  const [, count]: [unknown, number] = await tx.query(
    `DELETE FROM event_quarantine WHERE ctid = ANY(ARRAY(SELECT ctid FROM event_quarantine WHERE found_at < $1 LIMIT $2))`,
    [before, most],
  );
  return count;
}
