/** Identities: the ids by which source systems know companies, vehicles, persons and meters; and copies of the companies' names. */
import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Tx } from '../transaction.ts';
import { type FactRow, saveFacts } from './company-facts.ts';

@Entity('company')
export class CompanyRow {
  @PrimaryColumn('text') uscc!: string;
  /** As last read from the register; null: never read. */
  @Column('text', { nullable: true }) name!: string | null;
  @Column('text', { name: 'name_source', nullable: true }) nameSource!: string | null;
  @Column('timestamptz', { name: 'name_recorded_at', nullable: true }) nameRecordedAt!: Date | null;
  @Column('timestamptz', { name: 'name_fetched_at', nullable: true }) nameFetchedAt!: Date | null;
  /** The name, or an empty string; lists are sorted by it. */
  @Column('text', { name: 'sort_name' }) sortName!: string;
}

@Entity('identity')
export class IdentityRow {
  @PrimaryColumn('text') entity!: string;
  @PrimaryColumn('text') key!: string;
  @PrimaryColumn('text') system!: string;
  @PrimaryColumn('text') value!: string;
  @PrimaryColumn('text') installation!: string;
  @Column('text') connector!: string;
  @Column('text') park!: string;
  @Column('timestamptz', { name: 'first_seen' }) firstSeen!: Date;
  @Column('timestamptz', { name: 'last_seen' }) lastSeen!: Date;
}

/** An installation's statement that an entity has an id in a system. */
export interface ClaimRow {
  readonly entity: string;
  readonly key: string;
  readonly system: string;
  readonly value: string;
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
       WHERE excluded.name IS NOT NULL)
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

const COMPANY =
  'uscc, name, name_source AS "nameSource", name_recorded_at AS "nameRecordedAt", name_fetched_at AS "nameFetchedAt", sort_name AS "sortName", (SELECT s.park FROM source s WHERE s.id = name_source) AS "namePark"';

/** A company with the park of the register that its name is from; null if that is no longer configured. */
export type CompanyRead = CompanyRow & { readonly namePark: string | null };

/** Companies by credit code. */
export async function companiesByCodes(tx: Tx, codes: readonly string[]): Promise<Map<string, CompanyRead>> {
  const rows: CompanyRead[] = await tx.query(`SELECT ${COMPANY} FROM company WHERE uscc = ANY($1)`, [codes]);
  return new Map(rows.map((row) => [row.uscc, row]));
}

/** The ids of each entity, in a stable order. */
export async function identifiersOf(
  tx: Tx,
  entity: string,
  keys: readonly string[],
): Promise<Map<string, IdentityRow[]>> {
  const rows: IdentityRow[] = await tx.query(
    `SELECT entity, key, system, value, installation, connector, park, first_seen AS "firstSeen", last_seen AS "lastSeen"
     FROM identity WHERE entity = $1 AND key = ANY($2) ORDER BY key, system, value, installation`,
    [entity, keys],
  );
  const found = new Map<string, IdentityRow[]>(keys.map((key) => [key, []]));
  for (const row of rows) found.get(row.key)?.push(row);
  return found;
}

/** The parks of the installations that know each company; an unknown company is not in the map. */
export async function parksOfCompanies(tx: Tx, codes: readonly string[]): Promise<Map<string, string[]>> {
  const rows: { key: string; parks: string[] }[] = await tx.query(
    `SELECT key, array_agg(DISTINCT park ORDER BY park) AS parks FROM identity
     WHERE entity = 'COMPANY' AND key = ANY($1) GROUP BY key`,
    [codes],
  );
  return new Map(rows.map((row) => [row.key, row.parks]));
}

/** Filter of a list of companies; all given conditions must hold. */
export interface CompanyQuery {
  readonly park?: readonly string[];
  readonly source?: readonly string[];
  readonly uscc?: readonly string[];
  readonly nameEq?: readonly string[];
  readonly nameContains?: string;
}

function conditions(query: CompanyQuery, values: unknown[]): string {
  const tests: string[] = [];
  const add = (value: unknown) => `$${values.push(value)}`;
  if (query.uscc) tests.push(`c.uscc = ANY(${add(query.uscc)})`);
  if (query.nameEq) tests.push(`c.name = ANY(${add(query.nameEq)})`);
  if (query.nameContains) {
    const pattern = `%${query.nameContains.replace(/[\\%_]/g, '\\$&')}%`;
    tests.push(`normalize(c.name, NFKC) ILIKE normalize(${add(pattern)}, NFKC)`);
  }
  if (query.park || query.source) {
    const park = query.park ? `AND i.park = ANY(${add(query.park)})` : '';
    const source = query.source ? `AND i.installation = ANY(${add(query.source)})` : '';
    tests.push(`EXISTS (SELECT 1 FROM identity i WHERE i.entity = 'COMPANY' AND i.key = c.uscc ${park} ${source})`);
  }
  return tests.length > 0 ? tests.join(' AND ') : 'true';
}

/** Companies by name and code in reading direction; at most `limit` after `place` (sort name, code). */
export async function companyPage(
  tx: Tx,
  query: CompanyQuery,
  page: { forward: boolean; limit: number; place: readonly (string | number)[] | null },
): Promise<CompanyRead[]> {
  const values: unknown[] = [];
  let test = conditions(query, values);
  const [compare, order] = page.forward ? ['>', 'ASC'] : ['<', 'DESC'];
  if (page.place) {
    values.push(page.place[0], page.place[1]);
    test += ` AND (c.sort_name, c.uscc) ${compare} ($${values.length - 1}, $${values.length})`;
  }
  values.push(page.limit);
  return tx.query(
    `SELECT ${COMPANY} FROM company c WHERE ${test} ORDER BY c.sort_name ${order}, c.uscc ${order} LIMIT $${values.length}`,
    values,
  );
}

/** Number of companies that match. */
export async function companyCount(tx: Tx, query: CompanyQuery): Promise<number> {
  const values: unknown[] = [];
  const rows: { count: string }[] = await tx.query(
    `SELECT count(*) FROM company c WHERE ${conditions(query, values)}`,
    values,
  );
  return Number(rows[0]?.count ?? 0);
}
