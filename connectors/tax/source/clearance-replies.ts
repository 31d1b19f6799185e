/** Applies the tax office's replies to clearance requests. */
import { createHash } from 'node:crypto';
import type { Call } from '../../kit/call.ts';
import { readReplies } from '../mapping/index.ts';
import { Clearances } from './clearance.ts';
import type { DropFolders } from './drop-folders.ts';
import type { Installation } from './installation.ts';
import type { DirectoryEntry } from './sftp.ts';

/**
 * Applies a reply file and moves it from `replies/` to `done/`. It is not claimed first: the state of the case makes a repeated reply
 * harmless.
 */
export async function applyReplyFile(
  installation: Installation,
  folders: DropFolders,
  call: Call,
  name: string,
  listing: readonly DirectoryEntry[],
): Promise<void> {
  const { services } = installation;
  const { id } = services.installation;
  const bytes = await folders.read(call, `replies/${name}`);
  if (bytes === null) return;
  const digest = createHash('sha256').update(bytes).digest('hex');
  const at = services.clock.now();
  const modifiedAt = listing.find((entry) => entry.name === name)?.modifiedAt ?? at;
  await services.transaction((tx) =>
    services.store.tax.receiveTaxFile(tx, id, {
      digest,
      name,
      size: bytes.length,
      bytes,
      modifiedAt,
      receivedAt: at,
    }),
  );
  await services.transaction(async (tx) => {
    const faults = [];
    let rows = 0;
    for (const reply of readReplies(bytes)) {
      if ('line' in reply) faults.push(reply);
      else if (await new Clearances(installation).applyReply(tx, reply)) rows++;
      else faults.push({ line: 0, reason: 'VALUE_INVALID', detail: `Unknown reference ${reply.reference}.` });
    }
    const first = rows === 0 ? faults[0] : undefined;
    await services.store.tax.recordTaxFileResult(tx, id, {
      ...{ digest, at, layout: 'reply', recordedAt: null, rows, notes: [], errors: faults },
      ...{ reason: first?.reason ?? null, detail: first?.detail ?? null },
    });
  });
  await folders.removeMarker(call, 'replies', name, listing);
  await folders.move(call, `replies/${name}`, `done/${name}`);
}
