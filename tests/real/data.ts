/** Real data lie beside the repository, never in it. ISTHMUS_REAL_DATA names another place. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** A file or folder of the real data. */
export const realPath = (path: string): string =>
  join(process.env['ISTHMUS_REAL_DATA'] ?? join(import.meta.dirname, '../../../shared/data'), path);

/** Whether it is here; its absence is said once. Throws in CI, where what needs it must not be left out. */
export function isHere(path: string): boolean {
  if (existsSync(path)) return true;
  if (process.env['CI'] === 'true') throw new Error(`The real data is missing: ${path}.`);
  console.log(`Skipped: the real data is not here (${path}).`);
  return false;
}
