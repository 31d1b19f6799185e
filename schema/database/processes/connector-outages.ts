/**
 * Connector processes that a gateway cannot reach. Each gateway writes its own observations and confirms them at every check; a row that
 * is no longer confirmed (its gateway has died) expires. Times are those of the database.
 */
import { Any } from 'typeorm';
import { ConnectorOutageRow } from '../entities/sources.ts';
import type { Tx } from '../transaction.ts';

/** Seconds. A row expires this long after its last confirmation. */
export const OUTAGE_TTL_SECONDS = 10;

/** Records or confirms that the gateway `seenBy` cannot reach the connector's process. `reason`: a predicate, such as `does not respond`. */
export async function recordOutage(tx: Tx, connector: string, seenBy: string, reason: string): Promise<void> {
  await tx.query(
    `INSERT INTO connector_outage (connector, seen_by, reason, since, seen_at) VALUES ($1, $2, $3, now(), now())
     ON CONFLICT (connector, seen_by) DO UPDATE SET reason = excluded.reason, seen_at = excluded.seen_at`,
    [connector, seenBy, reason],
  );
  await tx.query(`DELETE FROM connector_outage WHERE seen_at < now() - interval '1 hour'`);
}

/** Ends the outages that the gateway `seenBy` has recorded for these connectors. */
export async function endOutages(tx: Tx, connectors: readonly string[], seenBy: string): Promise<void> {
  await tx.delete(ConnectorOutageRow, { connector: Any(connectors), seenBy });
}
