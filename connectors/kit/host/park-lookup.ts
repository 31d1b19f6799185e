/** Finds the park of a record for row rights: of a building, of an installation's record, and the parks that know a company. */
import { LRUCache } from 'lru-cache';
import type { Database } from '../../../schema/database/database.ts';
import { parksOfCompanies } from '../../../schema/database/hub/identities.ts';
import type { ParkLookup } from '../auth/row-rights.ts';
import type { InstallationConfig, ParkConfig } from '../config/config.ts';
import { loader } from '../loader.ts';

/** Pairs of company and park. They are cached forever: a company that is known in a park stays known there. */
const MAX_CACHED = 50_000;

export interface ParkLookupOptions {
  readonly parks: readonly ParkConfig[];
  readonly installations: readonly InstallationConfig[];
  readonly database: Database;
}

/** One for each host. */
export class HostParkLookup {
  readonly #database: Database;
  readonly #parkOfBuilding: ReadonlyMap<string, string>;
  readonly #parkOfInstallation: ReadonlyMap<string, string>;
  // `max` would allocate 1 MB for each host in advance.
  readonly #known = new LRUCache<string, true>({ maxSize: MAX_CACHED, sizeCalculation: () => 1 });

  constructor({ parks, installations, database }: ParkLookupOptions) {
    this.#database = database;
    this.#parkOfBuilding = new Map(
      parks.flatMap((park) => buildingsOf(park).map((building) => [building, park.id] as const)),
    );
    this.#parkOfInstallation = new Map(installations.map(({ id, park }) => [id, park]));
  }

  /** The lookup of one request; companies that it looks up together are read by one query. */
  forRequest(): ParkLookup {
    const parksByCompany = loader<readonly string[]>((codes) => parksOfCompanies(this.#database.requests, codes));
    return {
      parkOfBuilding: (id) => this.#parkOfBuilding.get(id) ?? null,
      parkOfRecord: (id) => this.#parkOfInstallation.get(id.slice(0, Math.max(id.indexOf(':'), 0))) ?? null,
      parksOfCompany: (uscc, parks) => {
        const cached = parks?.filter((park) => this.#known.has(`${park}\0${uscc}`)) ?? [];
        if (cached.length > 0) return cached;
        return parksByCompany.load(uscc).then((found) => {
          const all = found ?? [];
          for (const park of all) this.#known.set(`${park}\0${uscc}`, true);
          return parks === null ? all : all.filter((park) => parks.includes(park));
        });
      },
    };
  }
}

const buildingsOf = ({ buildings }: ParkConfig): string[] => buildings.map(({ id }) => id);
