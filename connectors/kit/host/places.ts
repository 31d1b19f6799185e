/** Where records belong: the park of a building, of an installation's records, and the parks in which a company is known. */
import { LRUCache } from 'lru-cache';
import { parksOfCompanies } from '../../../schema/database/identities.ts';
import type { Database } from '../../../schema/database/open.ts';
import { loader } from '../loader.ts';
import type { Places } from '../rows.ts';
import type { InstallationConfig, ParkConfig } from './config/types.ts';

/** Pairs of company and park that are remembered. A company that is known in a park stays known there. */
const MOST_REMEMBERED = 50_000;

export interface PlacesParts {
  readonly parks: readonly ParkConfig[];
  readonly installations: readonly InstallationConfig[];
  readonly database: Database;
}

/** Made once for a host; `request` gives what one request looks things up with. */
export class HostPlaces {
  readonly #database: Database;
  readonly #parkOfBuilding: ReadonlyMap<string, string>;
  readonly #parkOfInstallation: ReadonlyMap<string, string>;
  readonly #known = new LRUCache<string, true>({ max: MOST_REMEMBERED });

  constructor({ parks, installations, database }: PlacesParts) {
    this.#database = database;
    this.#parkOfBuilding = new Map(parks.flatMap(({ id, buildings }) => buildings.map((one) => [one.id, id] as const)));
    this.#parkOfInstallation = new Map(installations.map(({ id, park }) => [id, park]));
  }

  request(): Places {
    const asked = loader<readonly string[]>((codes) => parksOfCompanies(this.#database.plain, codes));
    return {
      parkOfBuilding: (id) => this.#parkOfBuilding.get(id) ?? null,
      parkOfRecord: (id) => this.#parkOfInstallation.get(id.slice(0, Math.max(id.indexOf(':'), 0))) ?? null,
      parksOfCompany: (uscc, parks) => {
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
