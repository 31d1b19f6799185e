/** Delays between attempts at what is down. */

/** Milliseconds. Attempts at a source that is down are at most this far apart, unless its first delay is longer. */
export const MAX_RETRY_DELAY = 60_000;

/**
 * Milliseconds before the attempt after `failures` failed ones in a row: `first`, then twice as long each time, up to a minute. From the
 * second on up to a fifth shorter at random, so that sources which went down together are not tried together.
 */
export function growingDelay(first: number, failures: number): number {
  if (failures <= 1) return first;
  const delay = Math.min(first * 2 ** (failures - 1), Math.max(MAX_RETRY_DELAY, first));
  return withJitter(delay);
}

/** The delay, or up to a fifth less at random. */
export const withJitter = (delay: number): number => delay * (0.8 + 0.2 * Math.random());
