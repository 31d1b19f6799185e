/** Real data: small samples in `tests/data`, larger sets in the folder that ISTHMUS_REAL_DATA names. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const SAMPLES = join(import.meta.dirname, '..', 'data');
const LARGE_SETS = process.env['ISTHMUS_REAL_DATA'];

/** A file or folder of the samples in the repository. */
export const samplePath = (path: string): string => join(SAMPLES, path);

/**
 * A file or folder of the larger sets; null if ISTHMUS_REAL_DATA is not set, which is logged. Throws if it is set and
 * the file is missing, so that no test is skipped by accident.
 */
export function largeSetPath(path: string): string | null {
  if (!LARGE_SETS) {
    console.log(`Skipped ${path}: set ISTHMUS_REAL_DATA to a folder that contains it (see tests/data/README.md).`);
    return null;
  }
  const found = join(LARGE_SETS, path);
  if (!existsSync(found)) throw new Error(`ISTHMUS_REAL_DATA=${LARGE_SETS} does not contain ${path}.`);
  return found;
}
