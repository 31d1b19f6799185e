/** The data folder (ISTHMUS_DATA): checks that it is writable, names its files, and reports what a command does not find in it. */
import { existsSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { GatewaySettings } from './environment.ts';

/** The data folder is not usable; the message is meant for the operator. */
export class DataFolderError extends Error {
  override name = 'DataFolderError';
}

/** Bytes of the test file; the hub's keys and state files need at least as much. */
const PROBE_SIZE = 64 * 1024;
const REASONS: Readonly<Record<string, string>> = {
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENOSPC: 'the disk is full',
  EDQUOT: 'disk quota exceeded',
  ENOTDIR: 'a part of the path is a file',
};

/**
 * Creates the folder if it does not exist, and writes a test file. Returns a function that removes the folders created here if they are
 * still empty. Throws `DataFolderError`.
 */
export function prepareDataFolder(folder: string): () => void {
  const path = resolve(folder);
  const probe = join(path, `.probe-${process.pid}`);
  const created: string[] = [];
  try {
    createFolder(path, created);
    writeFileSync(probe, Buffer.alloc(PROBE_SIZE));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    throw new DataFolderError(
      `Data folder ${path} is not writable: ${REASONS[code] ?? (code || (error as Error).message)}. Free disk space or grant this user write access, or set ISTHMUS_DATA to another folder, such as ISTHMUS_DATA=/var/lib/isthmus.`,
      { cause: error },
    );
  } finally {
    rmSync(probe, { force: true });
  }
  return () => {
    try {
      for (const folderPath of created.reverse()) rmdirSync(folderPath);
    } catch {
      // Not empty.
    }
  };
}

/** Creates one folder at a time, since `recursive` hides the error of a parent. */
function createFolder(path: string, created: string[]): void {
  if (existsSync(path)) return;
  createFolder(dirname(path), created);
  mkdirSync(path);
  created.push(path);
}

/** File in which a running hub writes the URL of its embedded database. */
export const addressFile = (data: string): string => join(resolve(data), 'database.url');
/** File of the signing key: ISTHMUS_SIGNING_KEY, or one in the data folder. */
export const signingKeyFile = (settings: Pick<GatewaySettings, 'data' | 'signingKey'>): string =>
  settings.signingKey ?? join(resolve(settings.data), 'signing-key.pem');
/** Folder of the head files, which hold the end of each audit chain outside the database. */
export const auditHeadsFolder = (data: string): string => join(resolve(data), 'audit-heads');

/** The data folder does not contain what a command needs. The message names the folder and what to do. */
export class MissingDataError extends Error {
  override name = 'MissingDataError';
}

/**
 * The error of a command that found `missing`, such as "no signing key (signing-key.pem)", in the data folder.
 * `alternative`: another way to name the place, such as "set DATABASE_URL".
 */
export function missingDataError(missing: string, data: string, alternative?: string): MissingDataError {
  const folder = resolve(data);
  const origin = process.env['ISTHMUS_DATA'] ? 'from ISTHMUS_DATA' : 'the default in the current folder';
  const found = existsSync(folder)
    ? `Data folder ${folder} (${origin}) contains ${missing}.`
    : `Data folder ${folder} (${origin}) does not exist, so there is ${missing}.`;
  return new MissingDataError(
    `${found} Run the command in the folder in which the hub was started, or set ISTHMUS_DATA=/path/to/.isthmus${alternative ? `, or ${alternative}` : ''}. Nothing was created.`,
  );
}
