/** Chance that is none: hashes of the seed and a few whole numbers, the same on every machine and in any order of asking. */

/** A seed as a whole number (FNV-1a over UTF-16 units). */
export function seedNumber(seed: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < seed.length; i++) hash = Math.imul(hash ^ seed.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

function stir(hash: number, value: number): number {
  let x = Math.imul(hash ^ value, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/** Dice of one seed. `what` names the question, so that two questions about the same thing are independent. */
export class Dice {
  readonly #seed: number;

  constructor(seed: string) {
    this.#seed = seedNumber(seed);
  }

  /** A number in [0, 1) for this question. */
  unit(what: number, a: number, b = 0): number {
    return (stir(stir(stir(stir(this.#seed, what), a), b), 0x9e3779b9) >>> 0) / 4_294_967_296;
  }

  /** A whole number in [0, below). */
  whole(below: number, what: number, a: number, b = 0): number {
    return Math.floor(this.unit(what, a, b) * below);
  }

  /** A whole number in [from, to). */
  between(from: number, to: number, what: number, a: number, b = 0): number {
    return from + this.whole(to - from, what, a, b);
  }

  /** One of the list. */
  pick<T>(list: readonly T[], what: number, a: number, b = 0): T {
    const one = list[this.whole(list.length, what, a, b)];
    if (one === undefined) throw new RangeError('Nothing to pick from.');
    return one;
  }
}

/** The questions that the park asks its dice; the numbers only have to differ. */
export const ASK = {
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
