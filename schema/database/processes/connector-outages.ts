/**
 * Connectors' own processes that a gateway cannot reach. Each gateway writes what it sees itself and confirms it at every look; a row
 * that is not confirmed any more (its gateway has died) stops counting. Times are the database's.
 */
import type { Tx } from '../database.ts';

/** A row that was confirmed within this time counts, in seconds. */
export const OUTAGE_COUNTS = 10;

/** Notes that the gateway `seenBy` cannot reach the connector's process, or confirms it; `reason` is a predicate, such as `does not answer`. */
export async function noteOutage(tx: Tx, connector: string, seenBy: string, reason: string): Promise<void> {
  await tx.query(
    `INSERT INTO connector_outage (connector, seen_by, reason, since, seen_at) VALUES ($1, $2, $3, now(), now())
     ON CONFLICT (connector, seen_by) DO UPDATE SET reason = excluded.reason, seen_at = excluded.seen_at`,
    [connector, seenBy, reason],
  );
  await tx.query(`DELETE FROM connector_outage WHERE seen_at < now() - interval '1 hour'`);
}

/** The gateway `seenBy` reaches the connectors' processes (again). */
export async function endOutages(tx: Tx, connectors: readonly string[], seenBy: string): Promise<void> {
  await tx.query('DELETE FROM connector_outage WHERE connector = ANY($1) AND seen_by = $2', [connectors, seenBy]);
}
