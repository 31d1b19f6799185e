/** `isthmus audit …`, `isthmus export audit`: the commands that look at the hub's own database, whether the hub runs or not. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { systemClock } from '../connectors/kit/clock.ts';
import { migrate } from '../migrations/migrate.ts';
import { startEmbedded } from '../schema/database/embedded.ts';
import { type Database, openDatabase } from '../schema/database/open.ts';
import { readEnvironment } from './settings.ts';
import { exportAudit } from './trust/audit-export.ts';
import type { HeadText } from './trust/audit-heads.ts';
import { eraseFromAudit, ownHeads, trimAudit } from './trust/audit-keep.ts';
import { verifyFile, verifyOptions } from './trust/audit-say.ts';
import { signProven } from './trust/audit-sign.ts';
import { loadSigningKey, type SigningKey } from './trust/sign-key.ts';
import { addressFile, headFolder, keyFile } from './trust-place.ts';

/** Lends the database, the key and what reads this machine's head files; an embedded database that does not run is started for the time of the work. */
async function withHub<T>(
  work: (database: Database, key: SigningKey, heads: () => HeadText[]) => Promise<T>,
): Promise<T> {
  const settings = readEnvironment(process.env);
  const key = loadSigningKey(keyFile(settings));
  const file = addressFile(settings.data);
  const known = settings.databaseUrl ?? (existsSync(file) ? readFileSync(file, 'utf8').trim() : null);
  const embedded = known === null ? await startEmbedded({ directory: resolve(settings.data, 'database') }) : null;
  try {
    const database = await openDatabase(known ?? (embedded as { url: string }).url, { pool: 3 });
    try {
      await migrate(database.source);
      return await work(database, key, () => ownHeads(headFolder(settings.data)));
    } finally {
      await database.close();
    }
  } finally {
    await embedded?.stop();
  }
}

/** `isthmus export audit FILE`; `heads` are paths besides the hub's own folder, `trusted` ids of keys besides its own. False when the log does not agree with itself or with the head files. */
export async function exportCommand(
  file: string,
  given: { readonly trusted?: readonly string[] | undefined; readonly heads?: readonly string[] | undefined },
  say: (text: string) => void,
): Promise<boolean> {
  const others = () => verifyOptions({ heads: given.heads ?? [] }).heads ?? [];
  others();
  return withHub(async (database, key, own) => {
    const entries = await exportAudit({ database, key, at: systemClock.now(), heads: own }, resolve(file));
    say(`${entries} entries are in ${file}. Verify them anywhere, without the hub: isthmus audit verify ${file}`);
    // Keys that only the database names are not trusted.
    const trusted = [key.id, ...(given.trusted ?? [])];
    return verifyFile(resolve(file), { trusted, heads: [...own(), ...others()] }, say);
  });
}

/** `isthmus audit trim --before DAY`: false when something old could not be dropped. */
export async function trimCommand(before: Date, say: (text: string) => void): Promise<boolean> {
  const { chains, refused } = await withHub(async (database, key, heads) => {
    const at = systemClock.now();
    await database.transaction((tx) => signProven(tx, key, at, heads));
    return trimAudit(database, key, before, at);
  });
  for (const sentence of refused) say(sentence);
  if (chains > 0) say(`Entries before ${before.toISOString()} are dropped, in ${chains} chains.`);
  else if (refused.length === 0) say('Nothing is that old.');
  return refused.length === 0;
}

/** `isthmus audit erase TYPE ID`. */
export async function eraseCommand(type: string, id: string, say: (text: string) => void): Promise<void> {
  const known = await withHub((database, key) => eraseFromAudit(database, key, { type, id }, systemClock.now()));
  say(known ? `No entry tells of that ${type} any more; the chain stands.` : `The log does not know that ${type}.`);
}
