/** Whose values these are: strings that only one park, or only one company, holds; from the simulators' own records. */
import type { world } from '../../connectors/kit/testing/park/index.ts';

type World = ReturnType<typeof world>;

/** What a caller of a park and a company may not be shown. */
export class Marks {
  /** By text, the parks and companies whose records hold it. */
  readonly #parks = new Map<string, Set<string>>();
  readonly #companies = new Map<string, Set<string>>();
  readonly #names: readonly string[];

  constructor(worlds: Readonly<Record<string, World>>) {
    this.#names = Object.keys(worlds);
    for (const [park, { companies, people, vehicles, meters }] of Object.entries(worlds)) {
      // Names of persons and addresses are left out: the register changes them now and then, to what another company may have too.
      for (const one of companies) {
        const { uscc, name, taxpayerNo, meterCustomerNo } = one;
        this.add(park, uscc, uscc, name, taxpayerNo, meterCustomerNo);
      }
      for (const one of people) this.add(park, one.company, one.cardNo, one.pin);
      for (const one of vehicles) this.add(park, one.company, one.plate);
      for (const one of meters) this.add(park, one.company, one.serial);
    }
  }

  /** These texts stand in a record of that park, and of that company (null: of none). */
  add(park: string, company: string | null, ...texts: (string | null)[]): void {
    for (const text of texts) {
      if (!text) continue;
      put(this.#parks, text, park);
      put(this.#companies, text, company ?? '');
    }
  }

  get size(): number {
    return this.#parks.size;
  }

  /** Why the text may not be shown to who sees this park (null: all) and this company (null: all); null when it may. */
  foreign(text: string, park: string | null, company: string | null): string | null {
    const other = this.#names.find((one) => one !== park && text.startsWith(`${one}-`));
    if (park !== null && other) return `of ${other}`;
    const [parks, companies] = [this.#parks.get(text), this.#companies.get(text)];
    if (park !== null && parks && !parks.has(park)) return `of ${[...parks][0]}`;
    if (company !== null && companies && !companies.has(company) && !companies.has(''))
      return `of ${[...companies][0]}`;
    return null;
  }
}

function put(map: Map<string, Set<string>>, text: string, owner: string): void {
  const known = map.get(text);
  if (known) known.add(owner);
  else map.set(text, new Set([owner]));
}

/** Every text of an answer with the names of the fields that lead there. */
export function* leaves(
  value: unknown,
  path: readonly string[] = [],
): Generator<{ path: readonly string[]; value: unknown }> {
  if (Array.isArray(value)) for (const one of value) yield* leaves(one, path);
  else if (typeof value === 'object' && value !== null)
    for (const [key, one] of Object.entries(value)) yield* leaves(one, [...path, key]);
  else yield { path, value };
}

/** Whether an answer holds nothing: nulls, empty lists, totals of 0, names of types. */
export const isEmpty = (value: unknown): boolean =>
  [...leaves(value)].every(
    (one) =>
      one.value === null || one.path.at(-1) === '__typename' || (one.path.at(-1) === 'totalCount' && one.value === 0),
  );
