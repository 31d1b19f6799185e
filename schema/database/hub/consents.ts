/** Consents: which client may use a company's data for which purpose. They are granted and revoked, but never changed otherwise. */
import { randomUUID } from 'node:crypto';
import { selectList } from '../column-names.ts';
import { ConsentRow } from '../entities/companies.ts';
import { genericPlan } from '../pool/prepared-statements.ts';
import { notify, type Tx } from '../transaction.ts';

/** A consent without the subjects that granted and revoked it. */
export type Consent = Omit<ConsentRow, 'grantedBy' | 'revokedBy'>;

const CONSENT = selectList(ConsentRow);

/** NOTIFY channel; the payload is the client whose consents have changed. */
export const CONSENT_CHANNEL = 'isthmus_consent';

/** Grants a consent and notifies all processes. */
export async function grantConsent(
  tx: Tx,
  consent: { company: string; client: string; purpose: string; expiresAt: Date | null; by: string; at: Date },
): Promise<Consent> {
  const { by, at, ...given } = consent;
  const row: Consent = { id: randomUUID(), ...given, grantedAt: at, revokedAt: null };
  await tx.insert(ConsentRow, { ...row, grantedBy: by });
  await notify(tx, CONSENT_CHANNEL, consent.client);
  return row;
}

/** Revokes a consent; if it is already revoked, its time stays. Resolves with null for an unknown id. */
export async function revokeConsent(tx: Tx, id: string, by: string, at: Date): Promise<Consent | null> {
  const [rows]: [Consent[]] = await tx.query(
    `UPDATE consent SET revoked_at = coalesce(revoked_at, $2), revoked_by = coalesce(revoked_by, $3)
     WHERE id = $1 RETURNING ${CONSENT}`,
    [id, at, by],
  );
  const row = rows[0];
  if (row) await notify(tx, CONSENT_CHANNEL, row.client);
  return row ?? null;
}

/** The consent; null for an unknown id. */
export const consentById = (tx: Tx, id: string): Promise<Consent | null> => tx.findOneBy(ConsentRow, { id });

/** All consents of a company, newest first. */
export const consentsOf = (tx: Tx, company: string): Promise<Consent[]> =>
  tx.find(ConsentRow, { where: { company }, order: { grantedAt: 'DESC', id: 'ASC' } });

/** The consents to a client that are neither revoked nor expired at `at`. */
export const grantsTo = (
  tx: Tx,
  client: string,
  at: Date,
): Promise<{ company: string; purpose: string; expiresAt: Date | null }[]> =>
  tx.query(
    genericPlan(`SELECT DISTINCT company, purpose, expires_at AS "expiresAt" FROM consent
     WHERE client = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)`),
    [client, at],
  );
