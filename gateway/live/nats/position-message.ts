/** What is said on the bus: how far the log is committed. Signed by a key that all replicas have from the database. */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** Positions `from` to `to` are committed; `from` is `to + 1` when there is nothing new. */
export interface Word {
  /** Of whoever speaks, made anew each time somebody begins to. */
  readonly epoch: string;
  readonly from: bigint;
  readonly to: bigint;
}

const mark = (key: Buffer, body: string): Buffer => createHmac('sha256', key).update(`event bus ${body}`).digest();

/** Names the hub on a bus that several share; tells nothing of the key. */
export const busName = (key: Buffer): string => mark(key, 'name').toString('hex').slice(0, 12);

export function sealWord(key: Buffer, { epoch, from, to }: Word): string {
  const body = `${epoch} ${from} ${to}`;
  return `${body} ${mark(key, body).toString('base64url')}`;
}

/** Null: not one of ours. */
export function openWord(key: Buffer, text: string): Word | null {
  const found = /^((\S{1,64}) (\d{1,19}) (\d{1,19})) (\S{43})$/.exec(text);
  if (!found) return null;
  const [, body = '', epoch = '', from = '', to = '', seal = ''] = found;
  const given = Buffer.from(seal, 'base64url');
  const right = mark(key, body);
  if (given.length !== right.length || !timingSafeEqual(given, right)) return null;
  return { epoch, from: BigInt(from), to: BigInt(to) };
}
