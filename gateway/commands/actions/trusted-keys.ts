import { resolve } from 'node:path';

/** Ids of the keys that `--key` and `--keys` accept as signers; undefined when neither is given. Throws for an unreadable key set. */
export async function trustedKeys(options: { key?: string[]; keys?: string }): Promise<string[] | undefined> {
  const { readKeyIds } = await import('../../trust/audit/export/verification-report.ts');
  const ids = [...(options.key ?? []), ...(options.keys ? readKeyIds(resolve(options.keys)) : [])];
  return ids.length > 0 ? ids : undefined;
}
