/** The position message between replicas, with its signature by the key that all replicas read from the database. */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** Positions `from` to `to` are committed; `from` is `to + 1` when there is nothing new. */
export interface PositionMessage {
  /** Identifies the publisher, new each time a replica starts to publish. */
  readonly epoch: string;
  readonly from: bigint;
  readonly to: bigint;
}

const hmac = (key: Buffer, body: string): Buffer => createHmac('sha256', key).update(`event bus ${body}`).digest();

/** Identifies the hub on a NATS server that several hubs share, by 12 hex digits; reveals nothing of the key. */
export const busId = (key: Buffer): string => hmac(key, 'name').toString('hex').slice(0, 12);

/** The message as text: epoch, positions and signature. */
export function signPosition(key: Buffer, { epoch, from, to }: PositionMessage): string {
  const body = `${epoch} ${from} ${to}`;
  return `${body} ${hmac(key, body).toString('base64url')}`;
}

/** Parses a message; null when it is malformed or its signature does not match. */
export function verifyPosition(key: Buffer, text: string): PositionMessage | null {
  const match = /^((\S{1,64}) (\d{1,19}) (\d{1,19})) (\S{43})$/.exec(text);
  if (!match) return null;
  const [, body = '', epoch = '', from = '', to = '', signatureText = ''] = match;
  const signature = Buffer.from(signatureText, 'base64url');
  const expected = hmac(key, body);
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) return null;
  return { epoch, from: BigInt(from), to: BigInt(to) };
}
