/** Which client may use a company's data for which purpose: given, ended, never changed otherwise. */
import { randomUUID } from 'node:crypto';
import type { Tx } from '../database.ts';

/** One consent as it is kept. */
export interface ConsentRow {
  readonly id: string;
  readonly company: string;
  readonly client: string;
  readonly purpose: string;
  readonly grantedAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
}

const CONSENT = `id, company, client, purpose, granted_at AS "grantedAt", expires_at AS "expiresAt", revoked_at AS "revokedAt"`;

/** Tells every process which client's consents have changed. */
export const CONSENT_CHANNEL = 'isthmus_consent';

const tell = (tx: Tx, client: string): Promise<unknown> =>
  tx.query('SELECT pg_notify($1, $2)', [CONSENT_CHANNEL, client]);

/** Gives a consent and tells every process. */
export async function grantConsent(
  tx: Tx,
  consent: { company: string; client: string; purpose: string; expiresAt: Date | null; by: string; at: Date },
): Promise<ConsentRow> {
  const rows: ConsentRow[] = await tx.query(
    `INSERT INTO consent (id, company, client, purpose, granted_at, granted_by, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ${CONSENT}`,
    [randomUUID(), consent.company, consent.client, consent.purpose, consent.at, consent.by, consent.expiresAt],
  );
  await tell(tx, consent.client);
  return rows[0] as ConsentRow;
}

/** Ends it; one that has ended keeps its time. Null when there is none of that id. */
export async function revokeConsent(tx: Tx, id: string, by: string, at: Date): Promise<ConsentRow | null> {
  const [rows]: [ConsentRow[]] = await tx.query(
    `UPDATE consent SET revoked_at = coalesce(revoked_at, $2), revoked_by = coalesce(revoked_by, $3)
     WHERE id = $1 RETURNING ${CONSENT}`,
    [id, at, by],
  );
  const row = rows[0];
  if (row) await tell(tx, row.client);
  return row ?? null;
}

/** Null when there is none of that id. */
export async function consentById(tx: Tx, id: string): Promise<ConsentRow | null> {
  const rows: ConsentRow[] = await tx.query(`SELECT ${CONSENT} FROM consent WHERE id = $1`, [id]);
  return rows[0] ?? null;
}

/** All of a company, the newest first. */
export const consentsOf = (tx: Tx, company: string): Promise<ConsentRow[]> =>
  tx.query(`SELECT ${CONSENT} FROM consent WHERE company = $1 ORDER BY granted_at DESC, id`, [company]);

/** What a client may do now or later: everything not revoked and not expired. */
export const grantsTo = (
  tx: Tx,
  client: string,
  at: Date,
): Promise<{ company: string; purpose: string; expiresAt: Date | null }[]> =>
  tx.query(
    `SELECT DISTINCT company, purpose, expires_at AS "expiresAt" FROM consent
     WHERE client = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)`,
    [client, at],
  );
