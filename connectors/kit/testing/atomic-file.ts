/** Atomic writes for files that a simulator reads after a restart: complete or absent, even if the process is killed. */
import { linkSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** Replaces the file's content. The file's mode is 0600. */
export function replaceFile(path: string, text: string): void {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, text, { mode: 0o600 });
  renameSync(draft, path);
}

/** Creates the file (mode 0600). An existing file is kept, even when another process creates it at the same time. */
export function createFile(path: string, text: string): void {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, text, { mode: 0o600 });
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}
