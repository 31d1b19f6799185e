/** Maintenance of the audit log: signing for dead processes, retention, erasure of salts, removal of old head files. */
import { rmSync, statSync } from 'node:fs';
import type { Clock } from '../../../connectors/kit/clock.ts';
import type { Log } from '../../../connectors/kit/log.ts';
import { startPeriodicTask } from '../../../connectors/kit/tasks/periodic-task.ts';
import {
  type AuditChainRow,
  addKey,
  chainsWithEntriesBefore,
  chainsWithout,
  dropEntries,
  eraseSalt,
  firstStatementCovering,
  signedCounts,
} from '../../../schema/database/audit/audit-log.ts';
import type { Database } from '../../../schema/database/database.ts';
import type { Tx } from '../../../schema/database/transaction.ts';
import type { SigningKey } from '../signing/signing-key.ts';
import { type Digest, initialHash } from './hash-chain.ts';
import type { HeadFileFolders } from './head-file-writer.ts';
import { type HeadFileText, loadHeadFiles, parseHeadFile } from './head-files.ts';
import type { SignedStatement, Statement } from './signed-statement.ts';
import { appendStatement, isAuthentic, signProvenEntries, walkEntries } from './statement-signer.ts';

/** The result of one retention run. */
export interface TrimResult {
  /** Number of shortened chains. */
  readonly chains: number;
  /** A message for each chain that was skipped because its old entries differ from the signed ones. */
  readonly errors: readonly string[];
  /** The new `trim` statements. */
  readonly signed: readonly SignedStatement[];
}

/** Drops entries older than `before` if they are the signed ones, and signs a `trim` statement for each chain. */
export async function trimAuditLog(database: Database, key: SigningKey, before: Date, at: Date): Promise<TrimResult> {
  return database.transaction(async (tx) => {
    await addKey(tx, key.id, key.publicJwk);
    const errors: string[] = [];
    const signed: SignedStatement[] = [];
    const counts = await signedCounts(tx);
    for (const row of await chainsWithEntriesBefore(tx, before)) {
      const last = await findOldEntries(tx, key, { ...row, signed: counts.get(row.chain) ?? 0 }, before);
      if (last === 'invalid') {
        errors.push(
          `Skipped retention of audit chain ${row.chain}: its old entries differ from the signed ones. Export the log and verify it.`,
        );
      } else if (last) {
        await dropEntries(tx, { chain: row.chain, ...last });
        const { number: count, hash } = last;
        signed.push(
          await appendStatement(tx, key, at, { kind: 'trim', chain: row.chain, count, head: hash.toString('hex') }),
        );
      }
    }
    return { chains: signed.length, errors, signed };
  });
}

/** The newest entry older than `before`; null if there is none; `invalid` if the entries differ from the signed ones. */
async function findOldEntries(
  tx: Tx,
  key: SigningKey,
  row: AuditChainRow & { readonly signed: number },
  before: Date,
): Promise<{ number: number; hash: Buffer } | null | 'invalid'> {
  const hash = row.trimmedHash ?? initialHash(row.digest as Digest, row.head);
  let last: { number: number; hash: Buffer } | null = null;
  // The time inside the signed entry decides, not the column.
  const isValid = await walkEntries(tx, row, { number: row.trimmed, hash }, ({ number, hash: entryHash, body }) => {
    if (number > row.signed || !(entryTime(body) < before.getTime())) return false;
    last = { number, hash: entryHash };
    return true;
  });
  const found = last as { number: number; hash: Buffer } | null;
  if (!found) return isValid ? null : 'invalid';
  const statement = await firstStatementCovering(tx, row.chain, found.number);
  if (!statement || !(await isAuthentic(tx, key, statement))) return 'invalid';
  const { count, head } = JSON.parse(statement.body) as Statement;
  let matches = count === found.number && head === found.hash.toString('hex');
  await walkEntries(tx, row, found, ({ number, hash: entryHash }) => {
    if (number === count) matches = entryHash.toString('hex') === head;
    return number < count;
  });
  return matches ? found : 'invalid';
}

/** Erases the salt of an entity, so that no entry can be traced to it any more; the chain does not change. Resolves with false if it had none. */
export async function eraseEntity(
  database: Database,
  key: SigningKey,
  entity: { type: string; id: string },
  at: Date,
): Promise<boolean> {
  return database.transaction(async (tx) => {
    await addKey(tx, key.id, key.publicJwk);
    const count = await eraseSalt(tx, entity.type, entity.id);
    if (count > 0) await appendStatement(tx, key, at, { kind: 'erase', chain: null, count, head: null });
    return count > 0;
  });
}

/** The time of an entry in milliseconds since the epoch; NaN if the text is not an entry. */
const entryTime = (body: string): number =>
  Date.parse(/^\{"chain":"[^"]*","number":\d+,"time":"([^"]*)"/.exec(body)?.[1] ?? '');

const DAY = 86_400_000;
/** Milliseconds that a head file is kept after its process; a live process touches its file every minute. */
const HEAD_FILE_RETENTION = 30 * DAY;

/** Options of `startAuditMaintenance`. */
export interface MaintenanceOptions {
  readonly database: Database;
  readonly key: SigningKey;
  readonly heads: HeadFileFolders;
  /** Writes a signed statement to the head file of this process. */
  readonly recordStatement: (signed: SignedStatement) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds that entries are kept; null: forever. */
  readonly retention: number | null;
}

/** Reads the head files of the hub's folder; empty if the folder does not exist. */
export function readOwnHeadFiles(folder: string): HeadFileText[] {
  return statSync(folder, { throwIfNoEntry: false }) ? loadHeadFiles([folder]) : [];
}

/**
 * Removes head files that were not touched for 30 days, after signing the end of their chains: from then on the statements, of which
 * live processes keep the newest in their head files, prove what the removed file proved.
 */
export async function removeOldHeadFiles(
  parts: Pick<MaintenanceOptions, 'database' | 'key' | 'heads' | 'recordStatement'>,
  at: Date,
): Promise<void> {
  const { database, key, heads } = parts;
  const keys = new Map([[key.id, key.publicKey]]);
  for (const folder of [heads.folder, heads.second]) {
    if (folder === null) continue;
    const old = readOwnHeadFiles(folder).filter(({ file }) => {
      const touchedAt = statSync(file, { throwIfNoEntry: false })?.mtimeMs;
      return touchedAt !== undefined && touchedAt < at.getTime() - HEAD_FILE_RETENTION;
    });
    if (old.length === 0) continue;
    const files = old.map((headFile) => parseHeadFile(headFile, keys));
    const signed = await database.transaction(async (tx) => {
      const statements: SignedStatement[] = [];
      const open = new Set((await chainsWithout(tx, ['end', 'conflict'])).map((row) => row.chain));
      const counts = await signedCounts(tx);
      for (const { chain } of files) {
        const last = open.has(chain) ? await firstStatementCovering(tx, chain, counts.get(chain) ?? 0) : null;
        if (!last || !(await isAuthentic(tx, key, last))) continue;
        const { count, head } = JSON.parse(last.body) as Statement;
        statements.push(await appendStatement(tx, key, at, { kind: 'end', chain, count, head }));
      }
      return statements;
    });
    // The proof of these chains' ends is stored before their files are removed.
    for (const statement of [...files.flatMap((file) => file.statements), ...signed])
      await parts.recordStatement(statement);
    for (const { file } of old) rmSync(file, { force: true });
  }
}

/**
 * Signs the proven entries of dead processes, applies `retention` and removes old head files; at once and then daily. Errors are logged,
 * and the run is repeated the next day. `first` resolves after the first run.
 */
export function startAuditMaintenance(parts: MaintenanceOptions): {
  readonly first: Promise<void>;
  close(): Promise<void>;
} {
  const { database, key, heads, clock, log, retention } = parts;
  return startPeriodicTask(
    DAY,
    async () => {
      const now = clock.now();
      const { unproven, signed } = await database.transaction((tx) =>
        signProvenEntries(tx, key, now, () => readOwnHeadFiles(heads.folder)),
      );
      for (const { chain, first, last } of unproven) {
        log.error(
          `Entries ${first} to ${last} of audit chain ${chain} are not in its head file: the hub did not write them and does not sign them. Export the log and verify it.`,
          { chain },
        );
      }
      for (const statement of signed) await parts.recordStatement(statement);
      if (retention !== null) {
        const { errors, signed: trims } = await trimAuditLog(database, key, new Date(now.getTime() - retention), now);
        for (const trim of trims) await parts.recordStatement(trim);
        for (const message of errors) log.error(message);
      }
      await removeOldHeadFiles(parts, now);
    },
    (error) => log.warn('Audit log maintenance failed. Retrying in 24 h.', { error }),
  );
}
