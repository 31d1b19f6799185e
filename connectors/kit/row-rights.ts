/**
 * Row rights: which rows a caller may see, decided here and nowhere else. Each connector's graph declares for every object type
 * whose row it is (`RowRules`); the host checks what each resolver returns against that before anything of it is read
 * (see host/row-check.ts). A type without a rule cannot be served.
 */

import type { Principal } from './auth/principal.ts';
import { HubError } from './errors.ts';

/** Whose row it is. What is absent does not restrict; null is an owner that is not known, so nobody who is narrowed sees the row. */
export interface Owner {
  /** Park that the row belongs to. */
  readonly park?: string | null;
  /** Credit code of the company that it belongs to; of several companies any one is enough. */
  readonly company?: string | readonly string[] | null;
  /** A record of the company as a whole, not of one park: needs every park in which the company is known. */
  readonly everyPark?: boolean;
}

/**
 * Part of the row that it hangs under (a value, a list, a payload): it is seen with that row. No root field of Query may
 * return one, except internal fields (with `_` in front).
 */
export const PART = 'part';

/** From an object, as resolvers return it, to its owner. */
// biome-ignore lint/suspicious/noExplicitAny: the object and the context are the connector's own
export type RowRule = typeof PART | ((row: any, rows: RowRights) => Owner);

/** By object type or interface of the graph. Connections and edges go with their nodes; PageInfo, Provenance, Money and Quantity are parts. */
export type RowRules = Readonly<Record<string, RowRule>>;

/** Which park a record belongs to, as the host knows it. */
export interface ParkLookup {
  /** Park of a building; null when isthmus.yaml names no such building. */
  ofBuilding(id: string): string | null;
  /** Park of the installation that made the global id; null when none of this connector's did. */
  ofRecord(globalId: string): string | null;
  /** Parks in which the company is known, among these; null `parks`: all. Batched by the tick. */
  ofCompany(uscc: string, parks: readonly string[] | null): readonly string[] | Promise<readonly string[]>;
}

/** What one caller may see, for one request. */
export class RowRights {
  /** Sees every row: nothing needs to be looked at. */
  readonly all: boolean;
  readonly parks: ParkLookup;
  readonly #principal: Principal;

  constructor(principal: Principal, parks: ParkLookup) {
    this.all = principal.parks === null && principal.companies === null;
    this.parks = parks;
    this.#principal = principal;
  }

  /** Whether the caller may see a row of this owner. A promise only where it must be asked which parks know a company. */
  sees({ park, company, everyPark }: Owner): boolean | Promise<boolean> {
    if (this.all) return true;
    const { parks, companies } = this.#principal;
    if (companies !== null && company !== undefined && !listOf(company).some((one) => companies.includes(one)))
      return false;
    if (parks === null) return true;
    if (park !== undefined) return park !== null && parks.includes(park);
    if (company === undefined) return true;
    const known = listOf(company).map((one) => this.#inParks(one, parks, everyPark ?? false));
    if (known.includes(true)) return true;
    return known.some((one) => one !== false) && Promise.all(known).then((all) => all.includes(true));
  }

  /**
   * Throws FORBIDDEN when the caller may not act for the company: for mutations, before anything is sent. The park needs no
   * word here: only installations of the caller's parks can be reached, and a company may be new to them.
   */
  mustActFor(company: string | null): void {
    const { companies } = this.#principal;
    if (companies === null || (company !== null && companies.includes(company))) return;
    throw new HubError('FORBIDDEN', 'This caller may not act for this company.');
  }

  #inParks(uscc: string, parks: readonly string[], every: boolean): boolean | Promise<boolean> {
    const fits = (known: readonly string[]) => known.length > 0 && known.every((one) => parks.includes(one));
    const known = this.parks.ofCompany(uscc, every ? null : parks);
    return known instanceof Promise ? known.then(fits) : fits(known);
  }
}

const listOf = (company: string | readonly string[] | null): readonly string[] =>
  company === null ? [] : typeof company === 'string' ? [company] : company;
