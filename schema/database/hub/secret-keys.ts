/** Random keys that all processes of this hub share, such as the key of cursors. */
import { randomBytes } from 'node:crypto';
import type { Tx } from '../transaction.ts';

/** The 32-byte key of that name; created at first use. */
export async function secretKey(tx: Tx, name: string): Promise<Buffer> {
  await tx.query('INSERT INTO secret (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING', [name, randomBytes(32)]);
  const rows: { value: Buffer }[] = await tx.query('SELECT value FROM secret WHERE name = $1', [name]);
  return rows[0]?.value ?? Buffer.alloc(0);
}
