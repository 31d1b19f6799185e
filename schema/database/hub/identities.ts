/** Identities: the ids by which source systems know companies, vehicles, persons and meters; and copies of the companies' names. */
import { selectList } from '../column-names.ts';
import { IdentityRow } from '../entities/companies.ts';
import { genericPlan } from '../pool/prepared-statements.ts';
import type { Tx } from '../transaction.ts';
import { type FactRow, saveFacts } from './company-facts.ts';

/** An installation's statement that an entity has an id in a system, with facts about a company. */
export interface ClaimRow extends Readonly<Pick<IdentityRow, 'entity' | 'key' | 'system' | 'value'>> {
  readonly name?: string | null;
  readonly facts?: Readonly<Record<string, string | null>>;
  readonly authority?: boolean;
  readonly recordedAt?: Date | null;
}

/** The facts about a company in a claim. */
const factsOfClaim = ({ entity, key, name, facts, authority, recordedAt }: ClaimRow): FactRow[] =>
  entity !== 'COMPANY'
    ? []
    : Object.entries({ ...facts, ...(name ? { name } : {}) }).flatMap(([field, value]) =>
        value
          ? [
              {
                uscc: key,
                field,
                value,
                authority: authority ?? (field === 'name' && value === name),
                recordedAt: recordedAt ?? null,
              },
            ]
          : [],
      );

/** Saves claims and adds new companies. Rows are sorted, so that concurrent writers cannot deadlock. */
export async function saveClaims(
  tx: Tx,
  by: { installation: string; connector: string; park: string; at: Date },
  claims: readonly ClaimRow[],
): Promise<void> {
  if (claims.length === 0) return;
  const byKey = new Map(
    claims.map((claim) => [`${claim.entity}\0${claim.key}\0${claim.system}\0${claim.value}`, claim]),
  );
  const sorted = [...byKey.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, claim]) => claim);
  const companies = new Map<string, string | null>();
  for (const claim of sorted) {
    if (claim.entity === 'COMPANY') companies.set(claim.key, claim.name ?? companies.get(claim.key) ?? null);
  }
  await saveFacts(tx, by, sorted.flatMap(factsOfClaim));
  await tx.query(
    `WITH named AS (
       INSERT INTO company (uscc, name, name_source, name_fetched_at, sort_name)
       SELECT uscc, name, CASE WHEN name IS NULL THEN NULL ELSE $5 END, CASE WHEN name IS NULL THEN NULL ELSE $8::timestamptz END, coalesce(name, '')
       FROM unnest($9::text[], $10::text[]) AS claimed (uscc, name)
       ON CONFLICT (uscc) DO UPDATE SET name = excluded.name, name_source = excluded.name_source,
         name_fetched_at = excluded.name_fetched_at, sort_name = excluded.sort_name
       WHERE excluded.name IS NOT NULL AND (company.name IS DISTINCT FROM excluded.name OR company.name_source IS DISTINCT FROM excluded.name_source
         OR company.name_fetched_at < excluded.name_fetched_at - interval '1 minute'))
     INSERT INTO identity (entity, key, system, value, installation, connector, park, first_seen, last_seen)
     SELECT entity, key, system, value, $5, $6, $7, $8, $8
     FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS claimed (entity, key, system, value)
     ON CONFLICT (entity, key, installation, system, value) DO UPDATE SET last_seen = excluded.last_seen
     WHERE identity.last_seen < excluded.last_seen - interval '1 minute'`,
    [
      sorted.map((claim) => claim.entity),
      sorted.map((claim) => claim.key),
      sorted.map((claim) => claim.system),
      sorted.map((claim) => claim.value),
      by.installation,
      by.connector,
      by.park,
      by.at,
      [...companies.keys()],
      [...companies.values()],
    ],
  );
}

const IDENTITY = selectList(IdentityRow);

/** The ids of each entity, in a stable order. */
export async function identifiersOf(
  tx: Tx,
  entity: string,
  keys: readonly string[],
): Promise<Map<string, IdentityRow[]>> {
  const rows: IdentityRow[] = await tx.query(
    genericPlan(
      `SELECT ${IDENTITY} FROM identity WHERE entity = $1 AND key = ANY($2) ORDER BY key, system, value, installation`,
    ),
    [entity, keys],
  );
  const found = new Map<string, IdentityRow[]>(keys.map((key) => [key, []]));
  for (const row of rows) found.get(row.key)?.push(row);
  return found;
}

/** The installations that have claimed each entity; an unknown one is not in the map. */
export async function installationsKnowing(
  tx: Tx,
  entity: string,
  keys: readonly string[],
): Promise<Map<string, string[]>> {
  const rows: { key: string; installations: string[] }[] = await tx.query(
    genericPlan(`SELECT key, array_agg(DISTINCT installation) AS installations FROM identity
     WHERE entity = $1 AND key = ANY($2) GROUP BY key`),
    [entity, keys],
  );
  return new Map(rows.map((row) => [row.key, row.installations]));
}

/** The parks of the installations that know each company; an unknown company is not in the map. */
export async function parksOfCompanies(tx: Tx, codes: readonly string[]): Promise<Map<string, string[]>> {
  const rows: { key: string; parks: string[] }[] = await tx.query(
    genericPlan(`SELECT key, array_agg(DISTINCT park ORDER BY park) AS parks FROM identity
     WHERE entity = 'COMPANY' AND key = ANY($1) GROUP BY key`),
    [codes],
  );
  return new Map(rows.map((row) => [row.key, row.parks]));
}
