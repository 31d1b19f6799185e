/** What is done with the log beside writing entries: dropping what is too old, erasing salts, retiring head files. */

import { rmSync, statSync } from 'node:fs';
import type { Clock } from '../../../connectors/kit/connector.ts';
import type { Log } from '../../../connectors/kit/log.ts';
import { inRounds } from '../../../connectors/kit/tasks/periodic-task.ts';
import {
  type AuditChainRow,
  addKey,
  chainsWithout,
  dropEntries,
  eraseSalt,
  signedCounts,
  statementFrom,
  trimmable,
} from '../../../schema/database/audit/audit-log.ts';
import type { Database, Tx } from '../../../schema/database/database.ts';
import type { SigningKey } from '../signing/signing-key.ts';
import { type Digest, headHash } from './hash-chain.ts';
import type { HeadFolders } from './head-file-writer.ts';
import { findHeadFiles, type HeadText, readHeadFile } from './head-files.ts';
import type { SignedStatement, Statement } from './signed-statement.ts';
import { isAuthentic, signProven, state, walkEntries } from './statement-signer.ts';

/** What a round of retention has done. */
export interface Trimmed {
  /** How many chains were shortened. */
  readonly chains: number;
  /** A sentence for each chain that was left as it is, because its old entries are not those that were signed. */
  readonly refused: readonly string[];
  readonly signed: readonly SignedStatement[];
}

/** Drops entries older than `before`, as far as they are those that were signed, and signs up to where. */
export async function trimAudit(database: Database, key: SigningKey, before: Date, at: Date): Promise<Trimmed> {
  return database.transaction(async (tx) => {
    await addKey(tx, key.id, key.publicJwk);
    const refused: string[] = [];
    const signed: SignedStatement[] = [];
    const counts = await signedCounts(tx);
    for (const row of await trimmable(tx, before)) {
      const to = await oldEntries(tx, key, { ...row, signed: counts.get(row.chain) ?? 0 }, before);
      if (to === 'broken') {
        refused.push(
          `Entries of the audit chain ${row.chain} are not dropped: they are not those that were signed. Export the log and verify it.`,
        );
      } else if (to) {
        await dropEntries(tx, { chain: row.chain, ...to });
        const { number: count, hash } = to;
        signed.push(await state(tx, key, at, { kind: 'trim', chain: row.chain, count, head: hash.toString('hex') }));
      }
    }
    return { chains: signed.length, refused, signed };
  });
}

/** The newest entry older than `before`; null when none is. `broken`: what stands there was not signed. */
async function oldEntries(
  tx: Tx,
  key: SigningKey,
  row: AuditChainRow & { readonly signed: number },
  before: Date,
): Promise<{ number: number; hash: Buffer } | null | 'broken'> {
  const hash = row.trimmedHash ?? headHash(row.digest as Digest, row.head);
  let to: { number: number; hash: Buffer } | null = null;
  // The time that was signed decides, not the column beside it.
  const fits = await walkEntries(tx, row, { number: row.trimmed, hash }, ({ number, hash: made, body }) => {
    if (number > row.signed || !(timeOf(body) < before.getTime())) return false;
    to = { number, hash: made };
    return true;
  });
  const found = to as { number: number; hash: Buffer } | null;
  if (!found) return fits ? null : 'broken';
  const mark = await statementFrom(tx, row.chain, found.number);
  if (!mark || !(await isAuthentic(tx, key, mark))) return 'broken';
  const { count, head } = JSON.parse(mark.body) as Statement;
  let same = count === found.number && head === found.hash.toString('hex');
  await walkEntries(tx, row, found, ({ number, hash: made }) => {
    if (number === count) same = made.toString('hex') === head;
    return number < count;
  });
  return same ? found : 'broken';
}

/** Makes the entity unrecognisable in every entry, for ever; the chain stays as it is. False when it was not known. */
export async function eraseFromAudit(
  database: Database,
  key: SigningKey,
  entity: { type: string; id: string },
  at: Date,
): Promise<boolean> {
  return database.transaction(async (tx) => {
    await addKey(tx, key.id, key.publicJwk);
    const count = await eraseSalt(tx, entity.type, entity.id);
    if (count > 0) await state(tx, key, at, { kind: 'erase', chain: null, count, head: null });
    return count > 0;
  });
}

/** When the entry says that it was written, in milliseconds; NaN for what is no entry. */
const timeOf = (body: string): number =>
  Date.parse(/^\{"chain":"[^"]*","number":\d+,"time":"([^"]*)"/.exec(body)?.[1] ?? '');

const DAY = 86_400_000;
/** How long a head file outlives its process, in milliseconds; a live process touches its own every minute. */
const RETIRE = 30 * DAY;

/** What the upkeep of the log needs. */
export interface KeepParts {
  readonly database: Database;
  readonly key: SigningKey;
  readonly heads: HeadFolders;
  /** Keeps a signed statement in the head file of this process. */
  readonly keep: (signed: SignedStatement) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  /** How long entries are kept, in milliseconds; null: for ever. */
  readonly retention: number | null;
}

/** Head files of the hub's folder as they are at this moment; none where the folder is not there yet. */
export function ownHeads(folder: string): HeadText[] {
  return statSync(folder, { throwIfNoEntry: false }) ? findHeadFiles([folder]) : [];
}

/**
 * Removes head files that no process has touched for a month, once their chains have a signed end: the statements, of which living
 * processes keep the newest, prove from then on what the file proved.
 */
export async function retireHeads(
  parts: Pick<KeepParts, 'database' | 'key' | 'heads' | 'keep'>,
  at: Date,
): Promise<void> {
  const { database, key, heads } = parts;
  const keys = new Map([[key.id, key.publicKey]]);
  for (const folder of [heads.folder, heads.second]) {
    if (folder === null) continue;
    const old = ownHeads(folder).filter(({ file }) => {
      const touched = statSync(file, { throwIfNoEntry: false })?.mtimeMs;
      return touched !== undefined && touched < at.getTime() - RETIRE;
    });
    if (old.length === 0) continue;
    const files = old.map((one) => readHeadFile(one, keys));
    const signed = await database.transaction(async (tx) => {
      const made: SignedStatement[] = [];
      const open = new Set((await chainsWithout(tx, ['end', 'conflict'])).map((row) => row.chain));
      const counts = await signedCounts(tx);
      for (const { chain } of files) {
        const mark = open.has(chain) ? await statementFrom(tx, chain, counts.get(chain) ?? 0) : null;
        if (!mark || !(await isAuthentic(tx, key, mark))) continue;
        const { count, head } = JSON.parse(mark.body) as Statement;
        made.push(await state(tx, key, at, { kind: 'end', chain, count, head }));
      }
      return made;
    });
    // What proves the end of these chains must not go with their files.
    for (const one of [...files.flatMap((file) => file.statements), ...signed]) await parts.keep(one);
    for (const { file } of old) rmSync(file, { force: true });
  }
}

/**
 * Signs what processes that died have left unsigned, as far as their head files prove it, and drops what is older than `retention`
 * (milliseconds; null: nothing), now and every day. Faults are logged and tried again the next day.
 */
export function keepAudit(parts: KeepParts): { readonly first: Promise<void>; close(): Promise<void> } {
  const { database, key, heads, clock, log, retention } = parts;
  return inRounds(
    DAY,
    async () => {
      const now = clock.now();
      const { unproven, signed } = await database.transaction((tx) =>
        signProven(tx, key, now, () => ownHeads(heads.folder)),
      );
      for (const { chain, first, last } of unproven) {
        log.error(
          `Entries ${first} to ${last} of the audit chain ${chain} are in the database, and its head file does not know them: they were not written by the hub and are not signed. Export the log and verify it.`,
          { chain },
        );
      }
      for (const one of signed) await parts.keep(one);
      if (retention !== null) {
        const { refused, signed: trims } = await trimAudit(database, key, new Date(now.getTime() - retention), now);
        for (const one of trims) await parts.keep(one);
        for (const sentence of refused) log.error(sentence);
      }
      await retireHeads(parts, now);
    },
    (error) => log.warn('The audit log could not be kept in order; tried again tomorrow.', { error }),
  );
}
