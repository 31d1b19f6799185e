/** Small state of installations, keys of the hub, and mutations done once. */
import { randomBytes } from 'node:crypto';
import type { Tx } from '../database.ts';

export async function getState<T>(tx: Tx, installation: string, name: string): Promise<T | null> {
  const rows: { value: T }[] = await tx.query('SELECT value FROM state WHERE installation = $1 AND name = $2', [
    installation,
    name,
  ]);
  return rows[0]?.value ?? null;
}

export async function setState(tx: Tx, installation: string, name: string, value: unknown): Promise<void> {
  await tx.query(
    `INSERT INTO state (installation, name, value) VALUES ($1, $2, $3)
     ON CONFLICT (installation, name) DO UPDATE SET value = excluded.value`,
    [installation, name, JSON.stringify(value)],
  );
}

/** The key of that name, made at first use; the same for every process of this hub. 32 bytes. */
export async function secretKey(tx: Tx, name: string): Promise<Buffer> {
  await tx.query('INSERT INTO secret (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING', [name, randomBytes(32)]);
  const rows: { value: Buffer }[] = await tx.query('SELECT value FROM secret WHERE name = $1', [name]);
  return rows[0]?.value ?? Buffer.alloc(0);
}

/** A mutation under its client's id. */
export interface MutationRow {
  readonly payloadHash: string;
  readonly ownId: string;
  readonly state: 'STARTED' | 'DONE';
  readonly answer: unknown;
}

/** Notes that the mutation begins; answers the earlier row when there is one. */
export async function beginMutation(
  tx: Tx,
  key: { subject: string; mutation: string; clientMutationId: string },
  payloadHash: string,
  ownId: string,
): Promise<MutationRow | null> {
  const made: unknown[] = await tx.query(
    `INSERT INTO mutation (subject, mutation, client_mutation_id, payload_hash, own_id, state, started_at)
     VALUES ($1, $2, $3, $4, $5, 'STARTED', now()) ON CONFLICT DO NOTHING RETURNING 1`,
    [key.subject, key.mutation, key.clientMutationId, payloadHash, ownId],
  );
  if (made.length > 0) return null;
  const rows: MutationRow[] = await tx.query(
    `SELECT payload_hash AS "payloadHash", own_id AS "ownId", state, answer FROM mutation
     WHERE subject = $1 AND mutation = $2 AND client_mutation_id = $3`,
    [key.subject, key.mutation, key.clientMutationId],
  );
  return rows[0] ?? null;
}

export async function finishMutation(
  tx: Tx,
  key: { subject: string; mutation: string; clientMutationId: string },
  answer: unknown,
): Promise<void> {
  await tx.query(
    `UPDATE mutation SET state = 'DONE', answer = $4 WHERE subject = $1 AND mutation = $2 AND client_mutation_id = $3`,
    [key.subject, key.mutation, key.clientMutationId, JSON.stringify(answer)],
  );
}

/** Forgets a mutation that was certainly not done, so that the client may try again. */
export async function forgetMutation(
  tx: Tx,
  key: { subject: string; mutation: string; clientMutationId: string },
): Promise<void> {
  await tx.query('DELETE FROM mutation WHERE subject = $1 AND mutation = $2 AND client_mutation_id = $3', [
    key.subject,
    key.mutation,
    key.clientMutationId,
  ]);
}
