/** The vendor's webhook signature: `X-Signature: t=<seconds>,v1=<hex HMAC-SHA256 of "t.body">`. */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** Milliseconds. Maximum difference between the signed time and now, in both directions. */
const MAX_AGE = 5 * 60_000;

/** The header's time and signature; null if it is malformed or outside MAX_AGE. */
function parseHeader(header: string, now: Date): [seconds: string, signature: string] | null {
  const parts = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(header);
  const [, seconds = '', signature = ''] = parts ?? [];
  return parts && Math.abs(now.getTime() - Number(seconds) * 1000) <= MAX_AGE ? [seconds, signature] : null;
}

/** Whether the header is well-formed and recent. The signature itself is not verified: the body is not read yet. */
export const isRecentSignature = (header: string, now: Date): boolean => parseHeader(header, now) !== null;

/** Whether the header is a recent, valid signature of exactly these bytes. */
export function verifySignature(header: string | undefined, body: Buffer, secret: string, now: Date): boolean {
  const parts = parseHeader(header ?? '', now);
  if (!parts) return false;
  const [seconds, signature] = parts;
  const expected = createHmac('sha256', secret).update(`${seconds}.`).update(body).digest();
  return timingSafeEqual(expected, Buffer.from(signature, 'hex'));
}
