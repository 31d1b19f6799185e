/** `isthmus audit trim`, `erase`, and `isthmus export audit`: commands on the hub's database, whether or not the hub is running. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { systemClock } from '../../../connectors/kit/clock.ts';
import { isEmptyDatabase, migrate } from '../../../migrations/migrate.ts';
import { type Database, openDatabase, withoutPassword } from '../../../schema/database/database.ts';
import { hasCluster } from '../../../schema/database/embedded/data-folder.ts';
import { startEmbeddedPostgres } from '../../../schema/database/embedded/embedded-postgres.ts';
import {
  addressFile,
  auditHeadsFolder,
  MissingDataError,
  missingDataError,
  signingKeyFile,
} from '../../data-folder.ts';
import { type GatewaySettings, readEnvironment } from '../../environment.ts';
import { eraseEntity, readOwnHeadFiles, trimAuditLog } from '../../trust/audit/audit-maintenance.ts';
import { exportAuditLog } from '../../trust/audit/export/audit-export.ts';
import { readVerifyOptions, verifyExportFile } from '../../trust/audit/export/verification-report.ts';
import type { HeadFileText } from '../../trust/audit/head-files.ts';
import { signProvenEntries } from '../../trust/audit/statement-signer.ts';
import { readSigningKey, type SigningKey } from '../../trust/signing/signing-key.ts';

/**
 * Calls `work` with the hub's database, its signing key, a reader of this machine's head files and a description of where the database
 * is. Starts an embedded database that is not running, and stops it afterwards. Creates neither key nor database: throws
 * `NothingThereError` if one is missing.
 */
async function withHub<T>(
  work: (database: Database, key: SigningKey, readHeads: () => HeadFileText[], from: string) => Promise<T>,
): Promise<T> {
  const settings = readEnvironment(process.env);
  const file = signingKeyFile(settings);
  if (!existsSync(file)) {
    const alternative = 'name the key itself: ISTHMUS_SIGNING_KEY=/path/to/signing-key.pem';
    throw missingDataError(`no signing key (${file})`, settings.data, alternative);
  }
  const key = readSigningKey(file);
  const { database, from, close } = await openHubDatabase(settings);
  try {
    if (await isEmptyDatabase(database.source)) {
      throw new MissingDataError(
        `The database at ${withoutPassword(database.url)} holds no records of a hub. Check DATABASE_URL. Nothing was created.`,
      );
    }
    await migrate(database.source);
    return await work(database, key, () => readOwnHeadFiles(auditHeadsFolder(settings.data)), from);
  } finally {
    await close();
  }
}

interface HubDatabase {
  readonly database: Database;
  /** Where the records are, for messages: the data folder or the address of the database. */
  readonly from: string;
  close(): Promise<void>;
}

/** Opens the database in DATABASE_URL, that of the running hub, or the embedded one in the data folder. */
async function openHubDatabase({ databaseUrl, data }: GatewaySettings): Promise<HubDatabase> {
  const open = async (url: string): Promise<HubDatabase> => {
    const database = await openDatabase(url, { poolSize: 3 });
    const from = databaseUrl === null ? `the data folder ${resolve(data)}` : withoutPassword(url);
    return { database, from, close: () => database.close() };
  };
  if (databaseUrl !== null) return open(databaseUrl);
  const directory = resolve(data, 'database');
  if (!(await hasCluster(directory))) {
    throw missingDataError(`no database (${directory})`, data, 'name its database: DATABASE_URL=postgres://...');
  }
  const address = addressFile(data);
  if (existsSync(address)) {
    // A killed hub leaves the address of a database that is no longer running.
    const running = await open(readFileSync(address, 'utf8').trim()).catch(() => null);
    if (running !== null) return running;
  }
  const embedded = await startEmbeddedPostgres({ directory });
  try {
    const { database, from, close } = await open(embedded.url);
    return { database, from, close: () => close().finally(() => embedded.stop()) };
  } catch (error) {
    await embedded.stop();
    throw error;
  }
}

/**
 * `isthmus export audit FILE`. `heads`: paths in addition to the hub's own folder; `trusted`: ids of keys in addition to its own.
 * Resolves with false when the log is inconsistent or contradicts a head file.
 */
export async function exportCommand(
  file: string,
  options: { readonly trusted?: readonly string[] | undefined; readonly heads?: readonly string[] | undefined },
  say: (text: string) => void,
): Promise<boolean> {
  const readGivenHeads = () => readVerifyOptions({ heads: options.heads ?? [] }).headFiles ?? [];
  // Unreadable head files are reported before anything is written; the export then reads them again.
  readGivenHeads();
  checkTarget(resolve(file));
  return withHub(async (database, key, readOwnHeads, from) => {
    const entries = await exportAuditLog(
      { database, key, at: systemClock.now(), readHeadFiles: readOwnHeads },
      resolve(file),
    );
    say(
      `Exported ${entries} entries to ${resolve(file)}, from ${from}. Verify them on any machine, without the hub: isthmus audit verify ${file}`,
    );
    // Keys that only the database names are not trusted.
    const trusted = [key.id, ...(options.trusted ?? [])];
    return verifyExportFile(resolve(file), { trusted, headFiles: [...readOwnHeads(), ...readGivenHeads()] }, say);
  });
}

/** Throws `NothingThereError` if `file` is a folder, or its folder does not exist. */
function checkTarget(file: string): void {
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory())
    throw new MissingDataError(
      `${file} is a folder; name a file in it: isthmus export audit ${join(file, 'audit.jsonl')}`,
    );
  if (!statSync(dirname(file), { throwIfNoEntry: false })?.isDirectory())
    throw new MissingDataError(`There is no folder ${dirname(file)} for the export. Create it, or name another file.`);
}

/** `isthmus audit trim --before DAY`. Resolves with false when some entries of that age had to be kept. */
export async function trimCommand(before: Date, say: (text: string) => void): Promise<boolean> {
  const { chains, errors, from } = await withHub(async (database, key, heads, from) => {
    const at = systemClock.now();
    await database.transaction((tx) => signProvenEntries(tx, key, at, heads));
    return { ...(await trimAuditLog(database, key, before, at)), from };
  });
  for (const error of errors) say(error);
  if (chains > 0) say(`Deleted entries before ${before.toISOString()} from ${from}, in ${chains} chains.`);
  else if (errors.length === 0) say(`Nothing deleted: ${from} has no entries before ${before.toISOString()}.`);
  return errors.length === 0;
}

/** `isthmus audit erase TYPE ID`. Resolves with false when the log has no salt of that entity. */
export async function eraseCommand(type: string, id: string, say: (text: string) => void): Promise<boolean> {
  const { known, from } = await withHub(async (database, key, _, from) => ({
    known: await eraseEntity(database, key, { type, id }, systemClock.now()),
    from,
  }));
  say(
    known
      ? `Erased the salt: no entry in ${from} can be linked to that ${type} any more. The chain still verifies.`
      : `Nothing erased: the log in ${from} has no entry about that ${type}.`,
  );
  return known;
}
