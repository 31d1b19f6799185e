/** Values and their owners: strings that occur only in records of one park or company, taken from the simulators' data. */
import type { createWorld } from '../../connectors/kit/testing/park/index.ts';

type World = ReturnType<typeof createWorld>;

/** Knows which values a caller limited to a park or company may not see. */
export class OwnedValues {
  /** Owning parks and companies by value. */
  readonly #parks = new Map<string, Set<string>>();
  readonly #companies = new Map<string, Set<string>>();
  readonly #names: readonly string[];

  constructor(worlds: Readonly<Record<string, World>>) {
    this.#names = Object.keys(worlds);
    for (const [park, { companies, people, vehicles, meters }] of Object.entries(worlds)) {
      // Names of persons and addresses are excluded, because the register changes them to values other companies may have.
      for (const company of companies) {
        const { uscc, name, taxpayerNo, meterCustomerNo } = company;
        this.add(park, uscc, uscc, name, taxpayerNo, meterCustomerNo);
      }
      for (const one of people) this.add(park, one.company, one.cardNo, one.pin);
      for (const vehicle of vehicles) this.add(park, vehicle.company, vehicle.plate);
      for (const meter of meters) this.add(park, meter.company, meter.serial);
    }
  }

  /** Records that the texts occur in a record of the park, and of the company (null: of none). */
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

  /** The owner of the text, if a caller limited to the park and company (null: unlimited) may not see it; null if it may. */
  foreignOwner(text: string, park: string | null, company: string | null): string | null {
    const other = this.#names.find((name) => name !== park && text.startsWith(`${name}-`));
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

/** Every leaf of a response with its path of field names. */
export function* leaves(
  value: unknown,
  path: readonly string[] = [],
): Generator<{ path: readonly string[]; value: unknown }> {
  if (Array.isArray(value)) for (const one of value) yield* leaves(one, path);
  else if (typeof value === 'object' && value !== null)
    for (const [key, one] of Object.entries(value)) yield* leaves(one, [...path, key]);
  else yield { path, value };
}

/** Whether a response contains no data: only nulls, empty lists, totals of 0 and type names. */
export const isEmpty = (value: unknown): boolean =>
  [...leaves(value)].every(
    (one) =>
      one.value === null || one.path.at(-1) === '__typename' || (one.path.at(-1) === 'totalCount' && one.value === 0),
  );
