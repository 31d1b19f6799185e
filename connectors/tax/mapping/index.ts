/** From the bytes of a file to our model: the layout is found by how the file begins, not by its name. Pure. */
import type { ReadFile, Reason } from '../model.ts';
import { isCsv, readCsv } from './csv.ts';
import { isFixed, readFixed } from './fixed.ts';
import type { ReadOptions } from './rows.ts';
import { isXml, readSaftFile } from './saft/index.ts';

export { readReplies, writeRequest } from './csv.ts';
export { driftOf } from './expected.ts';
export type { ReadOptions } from './rows.ts';

/** Reads one file; never throws for what stands in it. */
export function readTaxFile(bytes: Buffer, options: ReadOptions): ReadFile {
  const reading = steps(bytes, options);
  for (;;) {
    const { done, value } = reading.next();
    if (done) return value;
  }
}

/** The same, letting others have their turn between the pieces of a large file. */
export async function readTaxFileInTurns(bytes: Buffer, options: ReadOptions): Promise<ReadFile> {
  const reading = steps(bytes, options);
  for (;;) {
    const { done, value } = reading.next();
    if (done) return value;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function* steps(bytes: Buffer, options: ReadOptions): Generator<void, ReadFile> {
  if (bytes.length === 0) return refused('EMPTY', 'The file is empty.');
  if (isXml(bytes)) return yield* readSaftFile(bytes, options);
  if (isFixed(bytes)) return readFixed(bytes, options);
  if (isCsv(bytes)) return readCsv(bytes, options);
  return refused('LAYOUT_UNKNOWN', 'The file begins like none of the known layouts.');
}

/** A file that is refused before it is read. */
export const refused = (reason: Reason, detail: string): ReadFile => ({
  ...{ taken: false, layout: null, recordedAt: null, reason, detail, faults: [] },
});
