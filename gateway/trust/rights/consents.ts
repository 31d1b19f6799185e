/**
 * Consents as the gateway needs them: what the companies have granted to a client, read when the client asks, dropped the moment
 * a grant or a revocation is told.
 */
import { LRUCache } from 'lru-cache';
import type { Principal } from '../../../connectors/kit/auth/principal.ts';
import type { Clock } from '../../../connectors/kit/connector.ts';
import type { Database } from '../../../schema/database/database.ts';
import { CONSENT_CHANNEL, grantsTo } from '../../../schema/database/hub/consents.ts';

interface Granted {
  /** `purpose@company`, sorted. */
  readonly names: readonly string[];
  /** When the first of them ends, in milliseconds since the epoch. */
  readonly until: number;
}

/** Without the word of a change (the listener has lost its connection) a grant holds this long at most, in milliseconds. */
const LONGEST = 5_000;

/** Consents by client, in memory as long as they are certain. */
export class Consents {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #known = new LRUCache<string, Promise<Granted>>({ max: 5_000, ttl: LONGEST });
  /** The same principal stays the same object as long as its consents do. */
  readonly #made = new WeakMap<Principal, { names: string; principal: Principal }>();
  #listener: { close(): Promise<void> } | undefined;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  async open(): Promise<void> {
    this.#listener = await this.#database.listen(CONSENT_CHANNEL, (client) => {
      if (client === null) this.#known.clear();
      else this.#known.delete(client);
    });
  }

  async close(): Promise<void> {
    await this.#listener?.close();
  }

  /** After a mutation of this process: whatever it granted or revoked holds for the next operation. */
  forget(): void {
    this.#known.clear();
  }

  /** The principal with what is granted to its client at this moment. */
  async current(principal: Principal): Promise<Principal> {
    const { client } = principal;
    const now = this.#clock.now().getTime();
    let granted = await (this.#known.get(client) ?? this.#read(client));
    if (granted.until <= now) granted = await this.#read(client);
    if (granted.names.length === 0) return principal;
    const names = granted.names.join(' ');
    const made = this.#made.get(principal);
    if (made?.names === names) return made.principal;
    const whole: Principal = { ...principal, consents: new Set([...principal.consents, ...granted.names]) };
    this.#made.set(principal, { names, principal: whole });
    return whole;
  }

  #read(client: string): Promise<Granted> {
    const reading = grantsTo(this.#database.plain, client, this.#clock.now()).then((rows): Granted => {
      const ends = rows.flatMap((row) => (row.expiresAt ? [row.expiresAt.getTime()] : []));
      return {
        names: [...new Set(rows.map((row) => `${row.purpose}@${row.company}`))].sort(),
        until: Math.min(...ends, Number.POSITIVE_INFINITY),
      };
    });
    this.#known.set(client, reading);
    reading.catch(() => {
      if (this.#known.get(client) === reading) this.#known.delete(client);
    });
    return reading;
  }
}
