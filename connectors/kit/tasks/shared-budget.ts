/** An amount (bytes, or pieces of work) that everybody in this process shares; what finds no room is refused, never kept waiting. */
export class Budget {
  #most: number;
  #held = 0;
  #refused = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get most(): number {
    return this.#most;
  }

  set most(most: number) {
    this.#most = most;
  }

  /** What is taken now. */
  get held(): number {
    return this.#held;
  }

  /** How often there was no room. */
  get refused(): number {
    return this.#refused;
  }

  /** Takes that much; false, and nothing is taken, where there is no room. */
  take(amount: number): boolean {
    if (this.#held + amount > this.#most) {
      this.#refused++;
      return false;
    }
    this.#held += amount;
    return true;
  }

  /** Notes that something was refused that was not asked for by `take`. */
  refuse(): void {
    this.#refused++;
  }

  /** Takes that much also where there is no room: what has come already and cannot be sent back. */
  force(amount: number): void {
    this.#held += amount;
  }

  give(amount: number): void {
    this.#held -= amount;
  }
}
