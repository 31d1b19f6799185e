/** Deterministic random numbers: hashes of a seed and a few integers, the same on every machine and in any order of calls. */

/** A seed as an integer (FNV-1a over UTF-16 units). */
export function seedNumber(seed: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < seed.length; i++) hash = Math.imul(hash ^ seed.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

function mix(hash: number, value: number): number {
  let x = Math.imul(hash ^ value, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/** Random numbers of one seed. `purpose` makes draws for different purposes about the same thing independent. */
export class SeededRandom {
  readonly #seed: number;

  constructor(seed: string) {
    this.#seed = seedNumber(seed);
  }

  /** A number in [0, 1) for this purpose and key. */
  unit(purpose: number, a: number, b = 0): number {
    return (mix(mix(mix(mix(this.#seed, purpose), a), b), 0x9e3779b9) >>> 0) / 4_294_967_296;
  }

  /** An integer in [0, below). */
  integer(below: number, purpose: number, a: number, b = 0): number {
    return Math.floor(this.unit(purpose, a, b) * below);
  }

  /** An integer in [from, to). */
  between(from: number, to: number, purpose: number, a: number, b = 0): number {
    return from + this.integer(to - from, purpose, a, b);
  }

  /** One item of the list. Throws `RangeError` when it is empty. */
  pick<T>(list: readonly T[], purpose: number, a: number, b = 0): T {
    const item = list[this.integer(list.length, purpose, a, b)];
    if (item === undefined) throw new RangeError('Cannot pick from an empty list.');
    return item;
  }
}

/** Purposes of the park's random draws; the numbers only have to differ. */
export const DRAW = {
  region: 1,
  organisation: 2,
  capital: 3,
  representative: 4,
  established: 5,
  floor: 6,
  name: 7,
  card: 8,
  plate: 9,
  colour: 10,
  area: 11,
  building: 12,
  register: 13,
  load: 14,
  arrive: 20,
  leave: 21,
  lunch: 22,
  back: 23,
  round: 24,
  attend: 25,
  drive: 26,
  carIn: 27,
  carOut: 28,
  door: 29,
  denied: 30,
  reason: 31,
  trip: 32,
  errand: 40,
  visit: 41,
  jitter: 42,
  change: 50,
  value: 51,
  file: 60,
} as const;
