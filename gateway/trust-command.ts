/** `isthmus audit …`, `isthmus export audit`: the commands that look at the hub's own database, whether the hub runs or not. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { migrate } from '../migrations/migrate.ts';
import { startEmbedded } from '../schema/database/embedded.ts';
import { type Database, openDatabase } from '../schema/database/open.ts';
import { readEnvironment } from './settings.ts';
import { exportAudit } from './trust/audit-export.ts';
import { eraseFromAudit, trimAudit } from './trust/audit-keep.ts';
import { loadSigningKey, type SigningKey } from './trust/sign-key.ts';
import { addressFile, keyFile } from './trust-place.ts';

/** Lends the database and the key; an embedded database that does not run is started for the time of the work. */
async function withHub<T>(work: (database: Database, key: SigningKey) => Promise<T>): Promise<T> {
  const settings = readEnvironment(process.env);
  const key = loadSigningKey(keyFile(settings));
  const file = addressFile(settings.data);
  const known = settings.databaseUrl ?? (existsSync(file) ? readFileSync(file, 'utf8').trim() : null);
  const embedded = known === null ? await startEmbedded({ directory: resolve(settings.data, 'database') }) : null;
  try {
    const database = await openDatabase(known ?? (embedded as { url: string }).url, { pool: 3 });
    try {
      await migrate(database.source);
      return await work(database, key);
    } finally {
      await database.close();
    }
  } finally {
    await embedded?.stop();
  }
}

/** `isthmus export audit FILE`. */
export async function exportCommand(file: string, say: (text: string) => void): Promise<void> {
  const entries = await withHub((database, key) => exportAudit(database, key, resolve(file), new Date()));
  say(`${entries} entries are in ${file}. Verify them anywhere, without the hub: isthmus audit verify ${file}`);
}

/** `isthmus audit trim --before DAY`. */
export async function trimCommand(before: Date, say: (text: string) => void): Promise<void> {
  const chains = await withHub((database, key) => trimAudit(database, key, before, new Date()));
  say(
    chains === 0 ? 'Nothing is that old.' : `Entries before ${before.toISOString()} are dropped, in ${chains} chains.`,
  );
}

/** `isthmus audit erase TYPE ID`. */
export async function eraseCommand(type: string, id: string, say: (text: string) => void): Promise<void> {
  const known = await withHub((database, key) => eraseFromAudit(database, key, { type, id }, new Date()));
  say(known ? `No entry tells of that ${type} any more; the chain stands.` : `The log does not know that ${type}.`);
}
