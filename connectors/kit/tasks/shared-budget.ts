/** An amount (bytes, or a number of tasks) that all users in this process share. What exceeds it is rejected, never queued. */
export class SharedBudget {
  #limit: number;
  #used = 0;
  #rejections = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get limit(): number {
    return this.#limit;
  }

  set limit(limit: number) {
    this.#limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** Rejections since the process started. */
  get rejections(): number {
    return this.#rejections;
  }

  /** Reserves the amount; returns false, and reserves nothing, if it exceeds the limit. */
  tryReserve(amount: number): boolean {
    if (this.#used + amount > this.#limit) {
      this.#rejections++;
      return false;
    }
    this.#used += amount;
    return true;
  }

  /** Counts a rejection that `tryReserve` did not decide. */
  recordRejection(): void {
    this.#rejections++;
  }

  /** Reserves the amount, also beyond the limit: for what has arrived already. */
  reserve(amount: number): void {
    this.#used += amount;
  }

  release(amount: number): void {
    this.#used -= amount;
  }
}
