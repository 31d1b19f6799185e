/** Random keys that all processes of this hub share, such as the key of cursors. */
import { randomBytes } from 'node:crypto';
import { SecretRow } from '../entities/processes.ts';
import type { Tx } from '../transaction.ts';

/** The 32-byte key of that name; created at first use. */
export async function secretKey(tx: Tx, name: string): Promise<Buffer> {
  const value = randomBytes(32);
  await tx.createQueryBuilder().insert().into(SecretRow).values({ name, value }).orIgnore().execute();
  return (await tx.findOneByOrFail(SecretRow, { name })).value;
}
