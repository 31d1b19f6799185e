/** The folder that ISTHMUS_DATA names: whether the hub can write to it, which files it holds, and the error of a command that does not find one. */
import { existsSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { GatewaySettings } from './environment.ts';

/** The data folder cannot be used; the message is a sentence for people. */
export class DataFolderError extends Error {
  override name = 'DataFolderError';
}

/** Written and removed again, in bytes: what the hub's keys and notes need at least. */
const PROBE = 64 * 1024;
const REASONS: Readonly<Record<string, string>> = {
  EROFS: 'the file system is read-only',
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of this user is used up',
  ENOTDIR: 'a part of that path is a file',
};

/**
 * Makes the folder when it is absent, and writes a file to see that this works. Returns what takes the folder away again, where it was
 * made here and nothing has been put into it. Throws `DataFolderError`.
 */
export function prepareDataFolder(folder: string): () => void {
  const path = resolve(folder);
  const probe = join(path, `.probe-${process.pid}`);
  const made: string[] = [];
  try {
    make(path, made);
    writeFileSync(probe, Buffer.alloc(PROBE));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    throw new DataFolderError(
      `The data folder ${path} cannot be used (${REASONS[code] ?? (code || (error as Error).message)}). Make room or give this user the right to write there, or set ISTHMUS_DATA to another folder, such as ISTHMUS_DATA=/var/lib/isthmus.`,
      { cause: error },
    );
  } finally {
    rmSync(probe, { force: true });
  }
  return () => {
    try {
      for (const one of made.reverse()) rmdirSync(one);
    } catch {
      // Something is in it.
    }
  };
}

/** Folder by folder: `recursive` hides why one cannot be made. */
function make(path: string, made: string[]): void {
  if (existsSync(path)) return;
  make(dirname(path), made);
  mkdirSync(path);
  made.push(path);
}

/** Where a running hub tells the address of its embedded database. */
export const addressFile = (data: string): string => join(resolve(data), 'database.url');
/** The signing key: ISTHMUS_SIGNING_KEY, or a file of the data folder. */
export const keyFile = (settings: Pick<GatewaySettings, 'data' | 'signingKey'>): string =>
  settings.signingKey ?? join(resolve(settings.data), 'signing-key.pem');
/** Folder of the head files: how far each audit chain is, outside the database. */
export const headFolder = (data: string): string => join(resolve(data), 'audit-heads');

/** What a command needs is not in the data folder that it looked at. The message names the folder and what to do. */
export class NothingThereError extends Error {
  override name = 'CommandError';
}

/**
 * The error of a command that looked for `what`, such as "no signing key (signing-key.pem)", in the data folder.
 * `or` names other ways to say where it is, such as "DATABASE_URL".
 */
export function nothingThere(what: string, data: string, or?: string): NothingThereError {
  const folder = resolve(data);
  const from = process.env['ISTHMUS_DATA'] ? 'from ISTHMUS_DATA' : 'the default, in the current folder';
  const there = existsSync(folder)
    ? `The data folder ${folder} holds ${what}`
    : `There is ${what}: no data folder ${folder}`;
  return new NothingThereError(
    `${there} (${from}). Run the command where the hub was started, or name the hub's data folder: ISTHMUS_DATA=/path/to/.isthmus${or ? `; or ${or}` : ''}. Nothing was made.`,
  );
}
