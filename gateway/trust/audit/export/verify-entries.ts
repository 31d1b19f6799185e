/** Verifies the entries of one exported chain in order: numbers, hashes, and agreement with the signed statements. */
import { type ChainHead, entryPrefix, nextHash } from '../hash-chain.ts';
import type { ChainStatements } from './verify-statements.ts';

/** Reports an error of the chain; `entry`: number of the entry, if one is concerned. */
export type ReportEntryError = (message: string, entry: number) => void;

export class EntryVerifier {
  readonly #head: ChainHead;
  readonly #statements: ChainStatements;
  readonly #report: ReportEntryError;
  /** The last entry that was read. */
  #number: number;
  #hash: Buffer;

  /** @param initialHash hash number 0 of the chain */
  constructor(head: ChainHead, statements: ChainStatements, initialHash: Buffer, report: ReportEntryError) {
    const { trimmed } = statements;
    this.#head = head;
    this.#statements = statements;
    this.#report = report;
    this.#number = trimmed?.count ?? 0;
    this.#hash = trimmed && trimmed.count > 0 ? Buffer.from(trimmed.head, 'hex') : initialHash;
  }

  get chain(): string {
    return this.#head.chain;
  }

  /** Counts a malformed line in the place of the next entry. */
  skip(): void {
    this.#number++;
    this.#report(`entry ${this.#number} is invalid: the line is malformed`, this.#number);
  }

  /** Verifies the next entry. Returns its number, or null if entries before it are missing. */
  add(hash: string, body: Buffer): number | null {
    const { chain, digest } = this.#head;
    const number = this.#number + 1;
    const prefix = entryPrefix(chain, number);
    const expectedHash = nextHash(digest, this.#hash, body).toString('hex');
    if (body.toString('utf8', 0, prefix.length) !== prefix) {
      const found = Number(/^\{"chain":"[^"]*","number":(\d+),/.exec(body.toString('utf8', 0, 200))?.[1]);
      // A higher number means that entries were removed; anything else is a changed line.
      if (found > number && expectedHash !== hash) {
        const last = found - 1;
        this.#report(
          last === number ? `entry ${number} is missing` : `entries ${number} to ${last} are missing`,
          number,
        );
        this.#number = found;
        this.#hash = Buffer.from(hash, 'hex');
        return null;
      }
      this.#report(`entry ${number} is invalid: it does not have number ${number}`, number);
    } else if (expectedHash !== hash) {
      this.#report(`entry ${number} is invalid: its content does not match its hash`, number);
    }
    const signedHash = this.#statements.signedHashes.get(number);
    if (signedHash !== undefined && signedHash !== hash) {
      this.#report(`entry ${number} differs from the signed one`, number);
    }
    if (this.#statements.end !== null && number > this.#statements.end) {
      this.#report(`entry ${number} follows the signed end of its chain`, number);
    }
    this.#number = number;
    this.#hash = Buffer.from(hash, 'hex');
    return number;
  }

  /** Reports missing entries at the end of the chain and, with `requireSignatures`, unsigned ones. */
  finish({ requireSignatures }: { readonly requireSignatures: boolean }): void {
    const { signedCount, end } = this.#statements;
    const last = this.#number;
    if (requireSignatures && end === null && last > signedCount) {
      const first = signedCount + 1;
      const message =
        first === last
          ? `entry ${first} is not signed: no known process of the hub wrote it`
          : `entries ${first} to ${last} are not signed: no known process of the hub wrote them`;
      this.#report(message, first);
    }
    if (last < signedCount) {
      const first = last + 1;
      const missing = first === signedCount ? `entry ${first} is` : `entries ${first} to ${signedCount} are`;
      this.#report(`the tail is truncated: ${missing} missing`, first);
    }
  }
}
