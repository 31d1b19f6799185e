/**
 * The consents that companies have granted to clients: read from the database at a client's first operation, cached, and dropped
 * from the cache when the database notifies a grant or revocation.
 */
import { LRUCache } from 'lru-cache';
import type { Principal } from '../../../connectors/kit/auth/principal.ts';
import type { Clock } from '../../../connectors/kit/clock.ts';
import type { Database } from '../../../schema/database/database.ts';
import { CONSENT_CHANNEL, grantsTo } from '../../../schema/database/hub/consents.ts';

/** The valid consents of one client. */
interface ClientGrants {
  /** `purpose@company`, sorted. */
  readonly names: readonly string[];
  /** When the first of them expires, in milliseconds since the epoch. */
  readonly until: number;
}

/** Milliseconds. Limits how long a revoked consent counts while the listener has no connection. */
const MAX_AGE = 5_000;

/** Consents by client. Call `open` once before use. */
export class Consents {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #grants = new LRUCache<string, Promise<ClientGrants>>({ max: 5_000, ttl: MAX_AGE });
  /** Keeps the identity of extended principals: equal consents give the same object. */
  readonly #principals = new WeakMap<Principal, { names: string; principal: Principal }>();
  #listener: { close(): Promise<void> } | undefined;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  async open(): Promise<void> {
    this.#listener = await this.#database.listen(CONSENT_CHANNEL, (client) => {
      if (client === null) this.#grants.clear();
      else this.#grants.delete(client);
    });
  }

  async close(): Promise<void> {
    await this.#listener?.close();
  }

  /** Empties the cache. Called after a mutation of this process, so that its next operation sees the change. */
  clear(): void {
    this.#grants.clear();
  }

  /** Resolves with the principal extended by the consents that its client has now. */
  async withConsents(principal: Principal): Promise<Principal> {
    const { client } = principal;
    const now = this.#clock.now().getTime();
    let granted = await (this.#grants.get(client) ?? this.#read(client));
    if (granted.until <= now) granted = await this.#read(client);
    if (granted.names.length === 0) return principal;
    const names = granted.names.join(' ');
    const known = this.#principals.get(principal);
    if (known?.names === names) return known.principal;
    const extended: Principal = { ...principal, consents: new Set([...principal.consents, ...granted.names]) };
    this.#principals.set(principal, { names, principal: extended });
    return extended;
  }

  #read(client: string): Promise<ClientGrants> {
    const reading = grantsTo(this.#database.requests, client, this.#clock.now()).then((rows): ClientGrants => {
      const ends = rows.flatMap((row) => (row.expiresAt ? [row.expiresAt.getTime()] : []));
      return {
        names: [...new Set(rows.map((row) => `${row.purpose}@${row.company}`))].sort(),
        until: Math.min(...ends, Number.POSITIVE_INFINITY),
      };
    });
    this.#grants.set(client, reading);
    reading.catch(() => {
      if (this.#grants.get(client) === reading) this.#grants.delete(client);
    });
    return reading;
  }
}
