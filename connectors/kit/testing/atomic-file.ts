/** Files of a simulator that a later life reads: written whole or not at all, whenever the process is ended. */
import { linkSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** Puts the text in place of the file's former content. The file is readable by its owner alone. */
export function writeWholeFile(path: string, text: string): void {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, text, { mode: 0o600 });
  renameSync(draft, path);
}

/** Makes the file; one that is there already stays as it is, also when another process makes it at the same time. */
export function makeWholeFile(path: string, text: string): void {
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
