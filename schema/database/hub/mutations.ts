/** Mutations by `clientMutationId`: each is executed once per caller, and a repetition gets the stored response. */
import { MutationRow } from '../entities/processes.ts';
import type { Tx } from '../transaction.ts';

/** Identifies a mutation: the caller, the name of the field and the client's id. */
export type MutationKey = Readonly<Pick<MutationRow, 'subject' | 'mutation' | 'clientMutationId'>>;

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
  return inserted.length > 0 ? null : tx.findOneBy(MutationRow, key);
}

/** Stores the response of a mutation. */
export async function finishMutation(tx: Tx, key: MutationKey, answer: unknown): Promise<void> {
  await tx.update(MutationRow, key, { state: 'DONE', answer: answer as object });
}

/** Deletes a mutation that certainly had no effect, so that the client may retry. */
export async function forgetMutation(tx: Tx, key: MutationKey): Promise<void> {
  await tx.delete(MutationRow, key);
}
