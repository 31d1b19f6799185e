/** Facts about companies from several installations, saved as they are received, so that conflicts are found without calls to sources. */
import { selectList } from '../column-names.ts';
import { CompanyFactRow } from '../entities/companies.ts';
import { genericPlan } from '../pool/prepared-statements.ts';
import type { Tx } from '../transaction.ts';

/** A fact from one installation. */
export type FactRow = Pick<CompanyFactRow, 'uscc' | 'field' | 'value' | 'authority' | 'recordedAt'>;

/** Saves the installation's facts; one recorded earlier than the saved one is ignored. `facts` are sorted, against deadlocks. */
export async function saveFacts(
  tx: Tx,
  by: { installation: string; connector: string; at: Date },
  facts: readonly FactRow[],
): Promise<void> {
  if (facts.length === 0) return;
  const distinct = [...new Map(facts.map((fact) => [`${fact.uscc}\0${fact.field}`, fact])).values()];
  await tx.query(
    `INSERT INTO company_fact (uscc, field, installation, connector, value, authority, recorded_at, fetched_at)
     SELECT uscc, field, $6, $7, value, authority, recorded_at, $8
     FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::timestamptz[]) AS given (uscc, field, value, authority, recorded_at)
     ON CONFLICT (uscc, field, installation) DO UPDATE
       SET value = excluded.value, authority = excluded.authority, recorded_at = excluded.recorded_at, fetched_at = excluded.fetched_at
     WHERE (company_fact.recorded_at IS NULL OR excluded.recorded_at IS NULL OR excluded.recorded_at >= company_fact.recorded_at)
       AND (company_fact.value <> excluded.value OR company_fact.fetched_at < excluded.fetched_at - interval '1 minute')`,
    [
      distinct.map((fact) => fact.uscc),
      distinct.map((fact) => fact.field),
      distinct.map((fact) => fact.value),
      distinct.map((fact) => fact.authority),
      distinct.map((fact) => fact.recordedAt),
      by.installation,
      by.connector,
      by.at,
    ],
  );
}

const FACT = selectList(CompanyFactRow);

/** All facts of each company, by field, in a stable order. */
export async function factsOf(tx: Tx, codes: readonly string[]): Promise<Map<string, CompanyFactRow[]>> {
  const rows: CompanyFactRow[] = await tx.query(
    genericPlan(`SELECT ${FACT} FROM company_fact WHERE uscc = ANY($1) ORDER BY uscc, field, connector, installation`),
    [codes],
  );
  const found = new Map<string, CompanyFactRow[]>(codes.map((code) => [code, []]));
  for (const row of rows) found.get(row.uscc)?.push(row);
  return found;
}
