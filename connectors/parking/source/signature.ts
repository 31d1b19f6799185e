/** The vendor's signature: `X-Signature: t=<seconds>,v1=<hex HMAC-SHA256 of "t.body">`. */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** Older or newer than this is refused, in milliseconds. */
const WINDOW = 5 * 60_000;

/** Whether the vendor signed exactly these bytes, lately. */
export function isSigned(header: string | undefined, body: Buffer, secret: string, now: Date): boolean {
  const parts = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(header ?? '');
  if (!parts) return false;
  const [, seconds, given] = parts as unknown as [string, string, string];
  if (Math.abs(now.getTime() - Number(seconds) * 1000) > WINDOW) return false;
  const right = createHmac('sha256', secret).update(`${seconds}.`).update(body).digest();
  return timingSafeEqual(right, Buffer.from(given, 'hex'));
}
