/** Consents: which client may use a company's data for which purpose. They are granted and revoked, but never changed otherwise. */
import { randomUUID } from 'node:crypto';
import type { Tx } from '../transaction.ts';

/** A consent. */
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

/** NOTIFY channel; the payload is the client whose consents have changed. */
export const CONSENT_CHANNEL = 'isthmus_consent';

const notifyProcesses = (tx: Tx, client: string): Promise<unknown> =>
  tx.query('SELECT pg_notify($1, $2)', [CONSENT_CHANNEL, client]);

/** Grants a consent and notifies all processes. */
export async function grantConsent(
  tx: Tx,
  consent: { company: string; client: string; purpose: string; expiresAt: Date | null; by: string; at: Date },
): Promise<ConsentRow> {
  const rows: ConsentRow[] = await tx.query(
    `INSERT INTO consent (id, company, client, purpose, granted_at, granted_by, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ${CONSENT}`,
    [randomUUID(), consent.company, consent.client, consent.purpose, consent.at, consent.by, consent.expiresAt],
  );
  await notifyProcesses(tx, consent.client);
  return rows[0] as ConsentRow;
}

/** Revokes a consent; if it is already revoked, its time stays. Resolves with null for an unknown id. */
export async function revokeConsent(tx: Tx, id: string, by: string, at: Date): Promise<ConsentRow | null> {
  const [rows]: [ConsentRow[]] = await tx.query(
    `UPDATE consent SET revoked_at = coalesce(revoked_at, $2), revoked_by = coalesce(revoked_by, $3)
     WHERE id = $1 RETURNING ${CONSENT}`,
    [id, at, by],
  );
  const row = rows[0];
  if (row) await notifyProcesses(tx, row.client);
  return row ?? null;
}

/** The consent; null for an unknown id. */
export async function consentById(tx: Tx, id: string): Promise<ConsentRow | null> {
  const rows: ConsentRow[] = await tx.query(`SELECT ${CONSENT} FROM consent WHERE id = $1`, [id]);
  return rows[0] ?? null;
}

/** All consents of a company, newest first. */
export const consentsOf = (tx: Tx, company: string): Promise<ConsentRow[]> =>
  tx.query(`SELECT ${CONSENT} FROM consent WHERE company = $1 ORDER BY granted_at DESC, id`, [company]);

/** The consents to a client that are neither revoked nor expired at `at`. */
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
