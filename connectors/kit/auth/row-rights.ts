/**
 * Row rights: which rows a caller may see. Each connector declares the owner of the rows of every object type (`RowRules`); the host
 * checks what every resolver returns (subgraph/row-rights-check.ts). A graph with a type without a rule is rejected.
 */

import { HubError } from '../errors.ts';
import type { Principal } from './principal.ts';

/** Owner of a row. An absent member does not restrict; null means unknown, so no restricted caller sees the row. */
export interface Owner {
  /** Id of the park. */
  readonly park?: string | null;
  /** USCC of the company, or of several: access to one of them is sufficient. */
  readonly company?: string | readonly string[] | null;
  /** The row concerns the company in all parks: the caller needs every park that knows the company. */
  readonly everyPark?: boolean;
}

/**
 * Rule of a type whose objects are part of their parent row (a value, a list, a payload) and visible with it. A root field of Query must
 * not return such a type, except internal fields, which start with `_`.
 */
export const PART = 'part';

/** Returns the owner of a row, which is an object as resolvers return it. */
// biome-ignore lint/suspicious/noExplicitAny: the object and the context are the connector's own
export type RowRule = typeof PART | ((row: any, rows: RowRights) => Owner);

/** By object type or interface. Connections and edges follow the rule of their nodes; shared types such as Provenance are parts. */
export type RowRules = Readonly<Record<string, RowRule>>;

/** Finds the parks of records. */
export interface ParkLookup {
  /** Park of a building; null if isthmus.yaml does not list the building. */
  parkOfBuilding(id: string): string | null;
  /** Park of the installation in the global id; null if it is not an installation of this connector. */
  parkOfRecord(globalId: string): string | null;
  /** The parks that know the company, among `parks` (null: all). Lookups of one tick are one query. */
  parksOfCompany(uscc: string, parks: readonly string[] | null): readonly string[] | Promise<readonly string[]>;
}

/** The row rights of one caller, for one request. */
export class RowRights {
  /** The caller sees every row; no check is needed. */
  readonly seesAll: boolean;
  readonly parks: ParkLookup;
  readonly #principal: Principal;

  constructor(principal: Principal, parks: ParkLookup) {
    this.seesAll = principal.parks === null && principal.companies === null;
    this.parks = parks;
    this.#principal = principal;
  }

  /** Whether the caller may see rows of this owner. A promise only if the parks of a company must be looked up. */
  maySee({ park, company, everyPark }: Owner): boolean | Promise<boolean> {
    if (this.seesAll) return true;
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
   * Throws FORBIDDEN if the caller may not act for the company; call it in a mutation before anything is sent. Parks are not checked:
   * a mutation only reaches installations of the caller's parks, and the company may be new there.
   */
  assertMayActFor(company: string | null): void {
    const { companies } = this.#principal;
    if (companies === null || (company !== null && companies.includes(company))) return;
    throw new HubError('FORBIDDEN', 'Not permitted to act for this company. Use a token that includes the company.');
  }

  #inParks(uscc: string, parks: readonly string[], every: boolean): boolean | Promise<boolean> {
    const fits = (known: readonly string[]) => known.length > 0 && known.every((one) => parks.includes(one));
    const known = this.parks.parksOfCompany(uscc, every ? null : parks);
    return known instanceof Promise ? known.then(fits) : fits(known);
  }
}

const listOf = (company: string | readonly string[] | null): readonly string[] =>
  company === null ? [] : typeof company === 'string' ? [company] : company;
