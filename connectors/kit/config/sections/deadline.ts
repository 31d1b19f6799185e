/** The setting `deadline` of isthmus.yaml. */
import { readMilliseconds } from '../settings.ts';

/** Milliseconds from the start of an operation. */
export const DEFAULT_DEADLINE = 3_000;

/** Reads the setting in milliseconds; null without it. Reports an error to `addError` and returns null. */
export function readDeadline(raw: unknown, addError: (message: string) => void): number | null {
  if (raw === undefined) return null;
  try {
    return readMilliseconds(raw);
  } catch (error) {
    addError(`deadline ${(error as Error).message}; example: deadline: ${DEFAULT_DEADLINE / 1_000}s`);
    return null;
  }
}
