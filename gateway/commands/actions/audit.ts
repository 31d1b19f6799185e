/** `isthmus audit …`, `isthmus export audit`: the commands that look at the hub's own database, whether the hub runs or not. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { systemClock } from '../../../connectors/kit/clock.ts';
import { isBlank, migrate } from '../../../migrations/migrate.ts';
import { type Database, openDatabase, shownUrl } from '../../../schema/database/database.ts';
import { hasCluster } from '../../../schema/database/embedded/data-folder.ts';
import { startEmbedded } from '../../../schema/database/embedded/embedded-postgres.ts';
import { addressFile, headFolder, keyFile, NothingThereError, nothingThere } from '../../data-folder.ts';
import { type GatewaySettings, readEnvironment } from '../../environment.ts';
import { eraseFromAudit, ownHeads, trimAudit } from '../../trust/audit/audit-maintenance.ts';
import { exportAudit } from '../../trust/audit/export/audit-export.ts';
import { verifyFile, verifyOptions } from '../../trust/audit/export/verification-report.ts';
import type { HeadText } from '../../trust/audit/head-files.ts';
import { signProven } from '../../trust/audit/statement-signer.ts';
import { readSigningKey, type SigningKey } from '../../trust/signing/signing-key.ts';

/**
 * Calls `work` with the hub's database, its signing key and a reader of this machine's head files. An embedded database that does not
 * run is started for that time. Makes neither key nor database: throws `NothingThereError` where there is none.
 */
async function withHub<T>(
  work: (database: Database, key: SigningKey, heads: () => HeadText[], from: string) => Promise<T>,
): Promise<T> {
  const settings = readEnvironment(process.env);
  const file = keyFile(settings);
  if (!existsSync(file)) {
    const or = 'name the key itself: ISTHMUS_SIGNING_KEY=/path/to/signing-key.pem';
    throw nothingThere(`no signing key (${file})`, settings.data, or);
  }
  const key = readSigningKey(file);
  const { database, from, close } = await openRecords(settings);
  try {
    if (await isBlank(database.source)) {
      throw new NothingThereError(
        `The database at ${shownUrl(database.url)} holds no records of a hub. Check DATABASE_URL. Nothing was made.`,
      );
    }
    await migrate(database.source);
    return await work(database, key, () => ownHeads(headFolder(settings.data)), from);
  } finally {
    await close();
  }
}

interface Records {
  readonly database: Database;
  /** Where it is, for people. */
  readonly from: string;
  close(): Promise<void>;
}

/** The database in DATABASE_URL, that of the running hub, or the embedded one of the data folder. */
async function openRecords({ databaseUrl, data }: GatewaySettings): Promise<Records> {
  const at = async (url: string): Promise<Records> => {
    const database = await openDatabase(url, { pool: 3 });
    const from = databaseUrl === null ? `the data folder ${resolve(data)}` : shownUrl(url);
    return { database, from, close: () => database.close() };
  };
  if (databaseUrl !== null) return at(databaseUrl);
  const directory = resolve(data, 'database');
  if (!(await hasCluster(directory))) {
    throw nothingThere(`no database (${directory})`, data, 'name its database: DATABASE_URL=postgres://...');
  }
  const address = addressFile(data);
  if (existsSync(address)) {
    // A killed hub leaves the address of a database that no longer runs.
    const running = await at(readFileSync(address, 'utf8').trim()).catch(() => null);
    if (running !== null) return running;
  }
  const embedded = await startEmbedded({ directory });
  try {
    const { database, from, close } = await at(embedded.url);
    return { database, from, close: () => close().finally(() => embedded.stop()) };
  } catch (error) {
    await embedded.stop();
    throw error;
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
  refuseTarget(resolve(file));
  return withHub(async (database, key, own, from) => {
    const entries = await exportAudit({ database, key, at: systemClock.now(), heads: own }, resolve(file));
    say(
      `${entries} entries are in ${resolve(file)}, from ${from}. Verify them anywhere, without the hub: isthmus audit verify ${file}`,
    );
    // Keys that only the database names are not trusted.
    const trusted = [key.id, ...(given.trusted ?? [])];
    return verifyFile(resolve(file), { trusted, heads: [...own(), ...others()] }, say);
  });
}

/** Throws `NothingThereError` when the export cannot be written there. */
function refuseTarget(file: string): void {
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory())
    throw new NothingThereError(
      `${file} is a folder; name a file in it: isthmus export audit ${join(file, 'audit.jsonl')}`,
    );
  if (!statSync(dirname(file), { throwIfNoEntry: false })?.isDirectory())
    throw new NothingThereError(
      `There is no folder ${dirname(file)} to write the export to; make it, or name another file.`,
    );
}

/** `isthmus audit trim --before DAY`: false when something old could not be dropped. */
export async function trimCommand(before: Date, say: (text: string) => void): Promise<boolean> {
  const { chains, refused, from } = await withHub(async (database, key, heads, from) => {
    const at = systemClock.now();
    await database.transaction((tx) => signProven(tx, key, at, heads));
    return { ...(await trimAudit(database, key, before, at)), from };
  });
  for (const sentence of refused) say(sentence);
  if (chains > 0) say(`Entries before ${before.toISOString()} are dropped from ${from}, in ${chains} chains.`);
  else if (refused.length === 0) say(`Nothing in ${from} is that old.`);
  return refused.length === 0;
}

/** `isthmus audit erase TYPE ID`: false when the log does not know that entity. */
export async function eraseCommand(type: string, id: string, say: (text: string) => void): Promise<boolean> {
  const { known, from } = await withHub(async (database, key, _, from) => ({
    known: await eraseFromAudit(database, key, { type, id }, systemClock.now()),
    from,
  }));
  say(
    known
      ? `No entry in ${from} can be traced to that ${type} any more; the chain still verifies.`
      : `The log in ${from} does not know that ${type}: nothing was erased.`,
  );
  return known;
}
