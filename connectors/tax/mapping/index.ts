/** Maps the bytes of files to the model, and requests to bytes. Pure functions. */
export { readReplies, writeRequest } from './csv.ts';
export { findDrift } from './drift.ts';
export { readTaxFile, readTaxFileAsync, rejectedFile } from './read-tax-file.ts';
export type { ReadOptions } from './validate-rows.ts';
