/** Thrown when an operation exceeds a limit on the work of validating or planning it; `limit` is that limit. */
export class OperationTooLarge extends Error {
  readonly limit: number;

  constructor(message: string, limit: number) {
    super(message);
    this.limit = limit;
  }
}
