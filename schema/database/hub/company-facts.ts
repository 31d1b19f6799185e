/** Facts of companies that several installations tell: kept as they come in, so that nobody is asked when they are compared. */
import type { Tx } from '../database.ts';

/** What one installation says. */
export interface FactRow {
  readonly uscc: string;
  /** Such as name. */
  readonly field: string;
  readonly value: string;
  /** Whether the installation is the authority for it. */
  readonly authority: boolean;
  readonly recordedAt: Date | null;
}

export interface ToldFact extends FactRow {
  /** Of the installation; null when isthmus.yaml no longer names it. */
  readonly park: string | null;
  readonly installation: string;
  readonly connector: string;
  readonly fetchedAt: Date;
}

/** Keeps the newest word of the installation; a word recorded earlier than what is kept is left out. Sorted by the caller. */
export async function saveFacts(
  tx: Tx,
  by: { installation: string; connector: string; at: Date },
  facts: readonly FactRow[],
): Promise<void> {
  if (facts.length === 0) return;
  const distinct = [...new Map(facts.map((one) => [`${one.uscc}\0${one.field}`, one])).values()];
  await tx.query(
    `INSERT INTO company_fact (uscc, field, installation, connector, value, authority, recorded_at, fetched_at)
     SELECT uscc, field, $6, $7, value, authority, recorded_at, $8
     FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::timestamptz[]) AS told (uscc, field, value, authority, recorded_at)
     ON CONFLICT (uscc, field, installation) DO UPDATE
       SET value = excluded.value, authority = excluded.authority, recorded_at = excluded.recorded_at, fetched_at = excluded.fetched_at
     WHERE (company_fact.recorded_at IS NULL OR excluded.recorded_at IS NULL OR excluded.recorded_at >= company_fact.recorded_at)
       AND (company_fact.value <> excluded.value OR company_fact.fetched_at < excluded.fetched_at - interval '1 minute')`,
    [
      distinct.map((one) => one.uscc),
      distinct.map((one) => one.field),
      distinct.map((one) => one.value),
      distinct.map((one) => one.authority),
      distinct.map((one) => one.recordedAt),
      by.installation,
      by.connector,
      by.at,
    ],
  );
}

/** All that is told of each company, by field, in an order that does not change by itself. */
export async function factsOf(tx: Tx, codes: readonly string[]): Promise<Map<string, ToldFact[]>> {
  const rows: ToldFact[] = await tx.query(
    `SELECT uscc, field, installation, connector, value, authority, recorded_at AS "recordedAt", fetched_at AS "fetchedAt",
       (SELECT s.park FROM source s WHERE s.id = installation) AS park
     FROM company_fact WHERE uscc = ANY($1) ORDER BY uscc, field, connector, installation`,
    [codes],
  );
  const found = new Map<string, ToldFact[]>(codes.map((code) => [code, []]));
  for (const row of rows) found.get(row.uscc)?.push(row);
  return found;
}
