/** Mutations by `clientMutationId`: each is executed once per caller, and a repetition gets the stored response. */
import type { Tx } from '../transaction.ts';

/** Identifies a mutation: the caller, the name of the field and the client's id. */
export interface MutationKey {
  readonly subject: string;
  readonly mutation: string;
  readonly clientMutationId: string;
}

/** The state of a mutation. `ownId`: the hub's id for it; `answer`: its response, null until it is `DONE`. */
export interface MutationRow {
  readonly payloadHash: string;
  readonly ownId: string;
  readonly state: 'STARTED' | 'DONE';
  readonly answer: unknown;
}

/** Records the start of a mutation. Resolves with null, or with the existing row if it was started before. */
export async function beginMutation(
  tx: Tx,
  key: MutationKey,
  payloadHash: string,
  ownId: string,
): Promise<MutationRow | null> {
  const inserted: unknown[] = await tx.query(
    `INSERT INTO mutation (subject, mutation, client_mutation_id, payload_hash, own_id, state, started_at)
     VALUES ($1, $2, $3, $4, $5, 'STARTED', now()) ON CONFLICT DO NOTHING RETURNING 1`,
    [key.subject, key.mutation, key.clientMutationId, payloadHash, ownId],
  );
  if (inserted.length > 0) return null;
  const rows: MutationRow[] = await tx.query(
    `SELECT payload_hash AS "payloadHash", own_id AS "ownId", state, answer FROM mutation
     WHERE subject = $1 AND mutation = $2 AND client_mutation_id = $3`,
    [key.subject, key.mutation, key.clientMutationId],
  );
  return rows[0] ?? null;
}

/** Stores the response of a mutation. */
export async function finishMutation(tx: Tx, key: MutationKey, answer: unknown): Promise<void> {
  await tx.query(
    `UPDATE mutation SET state = 'DONE', answer = $4 WHERE subject = $1 AND mutation = $2 AND client_mutation_id = $3`,
    [key.subject, key.mutation, key.clientMutationId, JSON.stringify(answer)],
  );
}

/** Deletes a mutation that certainly had no effect, so that the client may retry. */
export async function forgetMutation(tx: Tx, key: MutationKey): Promise<void> {
  await tx.query('DELETE FROM mutation WHERE subject = $1 AND mutation = $2 AND client_mutation_id = $3', [
    key.subject,
    key.mutation,
    key.clientMutationId,
  ]);
}
