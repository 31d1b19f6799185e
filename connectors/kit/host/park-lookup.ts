/** Which park a record belongs to: the park of a building, of an installation's records, and the parks in which a company is known. */
import { LRUCache } from 'lru-cache';
import type { Database } from '../../../schema/database/database.ts';
import { parksOfCompanies } from '../../../schema/database/hub/identities.ts';
import type { InstallationConfig, ParkConfig } from '../config/config.ts';
import { loader } from '../loader.ts';
import type { ParkLookup } from '../row-rights.ts';

/** Pairs of company and park that are remembered. A company that is known in a park stays known there. */
const MOST_REMEMBERED = 50_000;

export interface ParkLookupParts {
  readonly parks: readonly ParkConfig[];
  readonly installations: readonly InstallationConfig[];
  readonly database: Database;
}

/** Made once for a host; `request` gives what one request looks things up with. */
export class HostParkLookup {
  readonly #database: Database;
  readonly #parkOfBuilding: ReadonlyMap<string, string>;
  readonly #parkOfInstallation: ReadonlyMap<string, string>;
  readonly #known = new LRUCache<string, true>({ max: MOST_REMEMBERED });

  constructor({ parks, installations, database }: ParkLookupParts) {
    this.#database = database;
    this.#parkOfBuilding = new Map(parks.flatMap(({ id, buildings }) => buildings.map((one) => [one.id, id] as const)));
    this.#parkOfInstallation = new Map(installations.map(({ id, park }) => [id, park]));
  }

  request(): ParkLookup {
    const asked = loader<readonly string[]>((codes) => parksOfCompanies(this.#database.plain, codes));
    return {
      ofBuilding: (id) => this.#parkOfBuilding.get(id) ?? null,
      ofRecord: (id) => this.#parkOfInstallation.get(id.slice(0, Math.max(id.indexOf(':'), 0))) ?? null,
      ofCompany: (uscc, parks) => {
        const remembered = parks?.filter((park) => this.#known.has(`${park}\0${uscc}`)) ?? [];
        if (remembered.length > 0) return remembered;
        return asked.load(uscc).then((found) => {
          const all = found ?? [];
          for (const park of all) this.#known.set(`${park}\0${uscc}`, true);
          return parks === null ? all : all.filter((park) => parks.includes(park));
        });
      },
    };
  }
}
