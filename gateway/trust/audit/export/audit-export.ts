/** Exports the audit log to a file that can be verified without the hub. */
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import { systemClock } from '../../../../connectors/kit/clock.ts';
import {
  allChains,
  allKeys,
  allStatements,
  chainTails,
  entriesAfter,
  requestSignatures,
  signedCounts,
} from '../../../../schema/database/audit/audit-log.ts';
import type { Database } from '../../../../schema/database/database.ts';
import type { PublicJwk, SigningKey } from '../../signing/signing-key.ts';
import type { HeadFileText } from '../head-files.ts';
import { signProvenEntries } from '../statement-signer.ts';
import { chainLine, ExportWriter, entryLine, headerLine, statementLine } from './export-format.ts';

/** Options of `exportAuditLog`. */
export interface ExportOptions {
  readonly database: Database;
  readonly key: SigningKey;
  /** The time of the export, taken before anything is read. */
  readonly at: Date;
  /** Reads the head files of this machine. */
  readonly readHeadFiles: () => readonly HeadFileText[];
  /** Milliseconds that processes on other machines have to sign their entries; default 5,000. */
  readonly signatureTimeout?: number;
}

const SIGNATURE_TIMEOUT = 5_000;

/**
 * Writes the log to a file for `isthmus audit verify`; resolves with the number of entries. Entries that running processes write in the
 * meantime are left for the next export. Other unsigned entries are exported, and the verifier reports them.
 */
export async function exportAuditLog(options: ExportOptions, file: string): Promise<number> {
  const { database, key, at } = options;
  const tails = await chainTails(database.plain);
  await database.transaction((tx) => signProvenEntries(tx, key, at, options.readHeadFiles));
  await waitForSignatures(database, tails, options.signatureTimeout ?? SIGNATURE_TIMEOUT);
  const handle = await open(file, 'w', 0o600);
  const stream = handle.createWriteStream();
  // A full disk must fail the export, not the process; the error is thrown at the next write.
  stream.on('error', () => undefined);
  const writer = new ExportWriter(async (text) => {
    if (stream.errored) throw stream.errored;
    if (!stream.write(text)) await once(stream, 'drain');
  });
  // A consistent snapshot, whatever is written or dropped in the meantime.
  const count = await database.transaction(async (tx) => {
    await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const keys = await allKeys(tx);
    const counts = await signedCounts(tx);
    await writer.writeLines([headerLine(keys.map((key) => withOrderedMembers(key.jwk as PublicJwk)))]);
    await writer.writeLines(
      (await allStatements(tx)).map((statement) => statementLine(statement.body, statement.signature)),
    );
    let entries = 0;
    for (const row of await allChains(tx)) {
      await writer.writeLines([chainLine(row.head)]);
      let last = row.trimmed;
      const end = Math.max(tails.get(row.chain) ?? 0, counts.get(row.chain) ?? 0);
      for (;;) {
        const page = (await entriesAfter(tx, row.chain, last, 5_000)).filter((entry) => entry.number <= end);
        await writer.writeLines(page.map((entry) => entryLine(entry.hash.toString('hex'), entry.body)));
        entries += page.length;
        last = page.at(-1)?.number ?? last;
        if (page.length < 5_000) break;
      }
    }
    return entries;
  });
  await writer.writeEnd(key, at);
  stream.end();
  await finished(stream);
  return count;
}

/** Requests signatures from processes on other machines, and waits until the entries up to `tails` are signed or the timeout is over. */
async function waitForSignatures(database: Database, tails: ReadonlyMap<string, number>, timeout: number) {
  const deadline = systemClock.monotonic() + timeout;
  const hasUnsigned = async () => {
    const counts = await signedCounts(database.plain);
    return [...tails].some(([chain, tail]) => tail > (counts.get(chain) ?? 0));
  };
  if (!(await hasUnsigned())) return;
  await requestSignatures(database.plain);
  while (systemClock.monotonic() < deadline && (await hasUnsigned()))
    await new Promise((resolve) => setTimeout(resolve, 200));
}

/** Restores the order of members, which jsonb does not keep. */
const withOrderedMembers = ({ kty, crv, x, kid, use, alg }: PublicJwk): PublicJwk => ({ kty, crv, x, kid, use, alg });
