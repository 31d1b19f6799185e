/** The folder that ISTHMUS_DATA names: whether the hub can keep its things there, known before anything is begun. */
import { existsSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

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
