/** The whole log as a file that is verified without the hub. */
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import { systemClock } from '../../../../connectors/kit/clock.ts';
import {
  allChains,
  allKeys,
  allStatements,
  askToSign,
  chainTails,
  entriesOf,
  signedCounts,
} from '../../../../schema/database/audit/audit-log.ts';
import type { Database } from '../../../../schema/database/database.ts';
import type { PublicJwk, SigningKey } from '../../signing/signing-key.ts';
import type { HeadText } from '../head-files.ts';
import { signProven } from '../statement-signer.ts';
import { ExportWriter, entryLine, headerLine, headLine, statementLine } from './export-format.ts';

/** What an export needs besides the database. */
export interface ExportParts {
  readonly database: Database;
  readonly key: SigningKey;
  /** When it is made: before anything is read. */
  readonly at: Date;
  /** Reads the head files of this machine. */
  readonly heads: () => readonly HeadText[];
  /** How long processes on other machines may take to sign what they have written, in milliseconds. */
  readonly patience?: number;
}

const PATIENCE = 5_000;

/**
 * Writes the whole log into a file that `isthmus audit verify` reads. Answers how many entries. What a running process writes
 * meanwhile is left for the next export; whatever else nobody has signed is in the file, and the verifier names it.
 */
export async function exportAudit(parts: ExportParts, file: string): Promise<number> {
  const { database, key, at } = parts;
  const tails = await chainTails(database.plain);
  await database.transaction((tx) => signProven(tx, key, at, parts.heads));
  await signedElsewhere(database, tails, parts.patience ?? PATIENCE);
  const handle = await open(file, 'w', 0o600);
  const stream = handle.createWriteStream();
  // A full disk ends the export at the next line, not the process.
  stream.on('error', () => undefined);
  const writer = new ExportWriter(async (text) => {
    if (stream.errored) throw stream.errored;
    if (!stream.write(text)) await once(stream, 'drain');
  });
  // One view of the log, whatever is written or dropped meanwhile.
  const count = await database.transaction(async (tx) => {
    await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const keys = await allKeys(tx);
    const counts = await signedCounts(tx);
    await writer.lines([headerLine(keys.map((one) => ordered(one.jwk as PublicJwk)))]);
    await writer.lines((await allStatements(tx)).map((one) => statementLine(one.body, one.signature)));
    let entries = 0;
    for (const row of await allChains(tx)) {
      await writer.lines([headLine(row.head)]);
      let last = row.trimmed;
      const end = Math.max(tails.get(row.chain) ?? 0, counts.get(row.chain) ?? 0);
      for (;;) {
        const page = (await entriesOf(tx, row.chain, last, 5_000)).filter((one) => one.number <= end);
        await writer.lines(page.map((one) => entryLine(one.hash.toString('hex'), one.body)));
        entries += page.length;
        last = page.at(-1)?.number ?? last;
        if (page.length < 5_000) break;
      }
    }
    return entries;
  });
  await writer.end(key, at);
  stream.end();
  await finished(stream);
  return count;
}

/** Asks processes of which this machine holds no head file to sign, and waits while entries up to `tails` are not signed. */
async function signedElsewhere(database: Database, tails: ReadonlyMap<string, number>, patience: number) {
  const until = systemClock.monotonic() + patience;
  const unsigned = async () => {
    const counts = await signedCounts(database.plain);
    return [...tails].some(([chain, tail]) => tail > (counts.get(chain) ?? 0));
  };
  if (!(await unsigned())) return;
  await askToSign(database.plain);
  while (systemClock.monotonic() < until && (await unsigned()))
    await new Promise((resolve) => setTimeout(resolve, 200));
}

/** The database keeps JSON in an order of its own. */
const ordered = ({ kty, crv, x, kid, use, alg }: PublicJwk): PublicJwk => ({ kty, crv, x, kid, use, alg });
