/** The whole log as a file that is verified without the hub. */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { allChains, allKeys, allStatements, entriesOf } from '../../schema/database/audit.ts';
import type { Database } from '../../schema/database/open.ts';
import { ExportWriter, entryLine, headerLine, headLine, statementLine } from './audit-file.ts';
import { standAll } from './audit-keep.ts';
import type { PublicJwk, SigningKey } from './sign-key.ts';

/** Writes the whole log into a file that `isthmus audit verify` reads. Answers how many entries. */
export async function exportAudit(database: Database, key: SigningKey, file: string, at: Date): Promise<number> {
  await database.transaction((tx) => standAll(tx, key, at));
  const stream = createWriteStream(file, { mode: 0o600 });
  const writer = new ExportWriter(async (text) => {
    if (!stream.write(text)) await once(stream, 'drain');
  });
  // One view of the log, whatever is written or dropped meanwhile.
  const count = await database.transaction(async (tx) => {
    await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const keys = await allKeys(tx);
    await writer.lines([headerLine(keys.map((one) => ordered(one.jwk as PublicJwk)))]);
    await writer.lines((await allStatements(tx)).map((one) => statementLine(one.body, one.signature)));
    let entries = 0;
    for (const row of await allChains(tx)) {
      await writer.lines([headLine(row.head)]);
      let last = row.trimmed;
      for (;;) {
        const page = await entriesOf(tx, row.chain, last, 5_000);
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

/** The database keeps JSON in an order of its own. */
const ordered = ({ kty, crv, x, kid, use, alg }: PublicJwk): PublicJwk => ({ kty, crv, x, kid, use, alg });
