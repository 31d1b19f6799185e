/** The vendor's signature: `X-Signature: t=<seconds>,v1=<hex HMAC-SHA256 of "t.body">`. */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** Older or newer than this is refused, in milliseconds. */
const WINDOW = 5 * 60_000;

/** The header's time and signature; null where it is not of its form, or too old. */
function partsOf(header: string, now: Date): [seconds: string, signature: string] | null {
  const parts = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(header);
  const [, seconds = '', given = ''] = parts ?? [];
  return parts && Math.abs(now.getTime() - Number(seconds) * 1000) <= WINDOW ? [seconds, given] : null;
}

/** Whether a call with this header may be one that the vendor signed lately; its bytes are not known yet. */
export const maySign = (header: string, now: Date): boolean => partsOf(header, now) !== null;

/** Whether the vendor signed exactly these bytes, lately. */
export function isSigned(header: string | undefined, body: Buffer, secret: string, now: Date): boolean {
  const parts = partsOf(header ?? '', now);
  if (!parts) return false;
  const [seconds, given] = parts;
  const right = createHmac('sha256', secret).update(`${seconds}.`).update(body).digest();
  return timingSafeEqual(right, Buffer.from(given, 'hex'));
}
