/** Reads a file of any layout. The layout is detected from the first bytes, never from the file name. Pure functions. */
import type { ReadFile, Reason } from '../model.ts';
import { isCsv, readCsv } from './csv.ts';
import { isFixedWidth, readFixedWidth } from './fixed-width.ts';
import { isXml, readSaftFile } from './saft/index.ts';
import type { ReadOptions } from './validate-rows.ts';

/** Reads a file; invalid content never throws. */
export function readTaxFile(bytes: Buffer, options: ReadOptions): ReadFile {
  const reading = steps(bytes, options);
  for (;;) {
    const { done, value } = reading.next();
    if (done) return value;
  }
}

/** Like `readTaxFile`, but yields to the event loop between the chunks of a large file. */
export async function readTaxFileAsync(bytes: Buffer, options: ReadOptions): Promise<ReadFile> {
  const reading = steps(bytes, options);
  for (;;) {
    const { done, value } = reading.next();
    if (done) return value;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function* steps(bytes: Buffer, options: ReadOptions): Generator<void, ReadFile> {
  if (bytes.length === 0) return rejectedFile('EMPTY', 'The file is empty.');
  if (isXml(bytes)) return yield* readSaftFile(bytes, options);
  if (isFixedWidth(bytes)) return readFixedWidth(bytes, options);
  if (isCsv(bytes)) return readCsv(bytes, options);
  return rejectedFile('LAYOUT_UNKNOWN', 'The file starts like none of the known layouts.');
}

/** The result for a file that is rejected before it is read. */
export const rejectedFile = (reason: Reason, detail: string): ReadFile => ({
  ...{ taken: false, layout: null, recordedAt: null, reason, detail, faults: [] },
});
