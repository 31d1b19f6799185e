/** Runs a mutation once per (subject, mutation, clientMutationId), across processes and restarts. */
import { createHash, randomUUID } from 'node:crypto';
import type { Database } from '../../../schema/database/database.ts';
import { beginMutation, finishMutation, forgetMutation } from '../../../schema/database/hub/mutations.ts';
import { decodeJson, encodeJson } from '../../../schema/database/json-codec.ts';
import { badInput, SourceError, unavailable } from '../errors.ts';
import type { Services } from '../services.ts';

interface MutationKey {
  readonly subject: string;
  readonly mutation: string;
  readonly clientMutationId: string;
}

/** `Services.runOnce` of one installation; see there. */
export function createRunOnce(database: Database): Services['runOnce'] {
  /** In this process, by key: equal mutations run one after the other. */
  const running = new Map<string, Promise<unknown>>();
  return async (call, request, send, recover) => {
    const key: MutationKey = {
      subject: call.principal.subject,
      mutation: request.mutation,
      clientMutationId: request.clientMutationId,
    };
    const name = JSON.stringify(key);
    const payloadHash = createHash('sha256').update(JSON.stringify(request.payload)).digest('hex');
    const earlier = running.get(name);
    if (earlier !== undefined) await earlier.catch(() => undefined);
    const run = runMutation(database, key, payloadHash, send, recover);
    running.set(name, run);
    try {
      return await run;
    } finally {
      if (running.get(name) === run) running.delete(name);
    }
  };
}

async function runMutation<T>(
  database: Database,
  key: MutationKey,
  payloadHash: string,
  send: (ownId: string) => Promise<T>,
  recover: ((ownId: string) => Promise<T | null>) | undefined,
): Promise<T> {
  const newId = randomUUID();
  const earlier = await database.transaction((tx) => beginMutation(tx, key, payloadHash, newId));
  const finish = async (response: T): Promise<T> => {
    await database.transaction((tx) => finishMutation(tx, key, encodeJson(response)));
    return response;
  };
  if (earlier && earlier.payloadHash !== payloadHash) {
    throw badInput(
      `clientMutationId "${key.clientMutationId}" was already used with different input. Use a new clientMutationId.`,
    );
  }
  if (earlier?.state === 'DONE') return decodeJson(earlier.answer) as T;
  if (earlier) {
    // An earlier attempt ended without a response: look it up in the source by our id, never send it again blindly.
    if (!recover)
      throw unavailable('the outcome of an earlier attempt is unknown, and the source cannot be queried for it');
    const found = await recover(earlier.ownId);
    if (found !== null) return finish(found);
  }
  try {
    return await finish(await send(earlier?.ownId ?? newId));
  } catch (error) {
    const isCertain = !(error instanceof SourceError) || error.code === 'SOURCE_REJECTED';
    if (isCertain) await database.transaction((tx) => forgetMutation(tx, key));
    throw error;
  }
}
