/** Signs and verifies cursors. A cursor is bound to a scope: its list and filter. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { HubError } from './errors.ts';

/** Position of a row in a list, as the list orders its rows. */
export type Position = readonly (string | number)[];

/** The key is stored in the hub's database, so cursors are valid on every replica and across restarts. */
export class Cursors {
  readonly #key: Buffer;
  constructor(key: Buffer) {
    this.#key = key;
  }

  /** The cursor of a position. */
  sign(scope: string, position: Position): string {
    const body = Buffer.from(JSON.stringify(position), 'utf8');
    return Buffer.concat([this.#mac(scope, body), body]).toString('base64url');
  }

  /** The position of a cursor. Throws CURSOR_INVALID unless this hub signed it for this scope. */
  verify(scope: string, cursor: string): (string | number)[] {
    const bytes = Buffer.from(cursor, 'base64url');
    const body = bytes.subarray(16);
    if (bytes.length > 16 && timingSafeEqual(bytes.subarray(0, 16), this.#mac(scope, body))) {
      return JSON.parse(body.toString('utf8')) as (string | number)[];
    }
    throw new HubError(
      'CURSOR_INVALID',
      'Invalid cursor: it belongs to another hub, list or filter. Start again without a cursor.',
    );
  }

  #mac(scope: string, body: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(scope).update('\0').update(body).digest().subarray(0, 16);
  }
}

/** The scope of a list with this filter. */
export function cursorScope(list: string, filter: unknown): string {
  return `${list}:${createHash('sha256')
    .update(JSON.stringify(filter ?? null))
    .digest('base64url')
    .slice(0, 16)}`;
}
