/** What the signed statements of an export tell, checked one after the other. */
import type { KeyObject } from 'node:crypto';
import { readStatement, type Statement, statementHash } from '../signed-statement.ts';

/** What the statements say of one chain. */
export interface Told {
  /** Hash by number of entries. */
  readonly marks: Map<number, string>;
  longest: number;
  ended: number | null;
  /** Where its process ended it, because of entries that it had not written. */
  conflict: number | null;
  trimmed: { count: number; head: string } | null;
  seen: boolean;
}

/** Takes the statements in order of the file; `fault` is told of each that is not right. */
export class Statements {
  /** Public keys that the export names, by id. */
  readonly keys = new Map<string, KeyObject>();
  readonly signers = new Set<string>();
  readonly told = new Map<string, Told>();
  count = 0;
  newest: { readonly number: number; readonly hash: string } | null = null;
  /** Whether the statement that was known from before stands here. */
  knows = false;
  readonly #trusted: readonly string[] | undefined;
  readonly #known: { readonly number: number; readonly hash: string } | undefined;
  readonly #fault: (message: string, chain?: string) => void;
  readonly #seen: (number: number, hash: string) => void;

  constructor(
    trusted: readonly string[] | undefined,
    known: { readonly number: number; readonly hash: string } | undefined,
    fault: (message: string, chain?: string) => void,
    seen: (number: number, hash: string) => void = () => undefined,
  ) {
    this.#seen = seen;
    this.#trusted = trusted;
    this.#known = known;
    this.#fault = fault;
  }

  /** Whether the signer may sign. */
  trusts(key: string): boolean {
    this.signers.add(key);
    return this.#trusted?.includes(key) ?? true;
  }

  take(body: string, signature: string): void {
    this.count++;
    const one = readStatement({ body, signature }, this.keys);
    if (!one) {
      this.#fault(`statement ${this.count} is broken: nobody known has signed it`);
      return;
    }
    if (!this.trusts(one.key))
      this.#fault(`statement ${one.number} is signed by a key that is not trusted: ${one.key}`);
    const expected = (this.newest?.number ?? 0) + 1;
    if (one.number !== expected) this.#fault(`statements ${expected} to ${one.number - 1} are missing`);
    else if (one.previous !== (this.newest?.hash ?? null))
      this.#fault(`statement ${one.number} does not follow the one before it`);
    this.newest = { number: one.number, hash: statementHash(body) };
    this.#seen(one.number, this.newest.hash);
    if (this.#known?.number === one.number) this.knows = this.#known.hash === this.newest.hash;
    this.#mark(one);
  }

  #mark({ kind, chain, count, head }: Statement): void {
    if (chain === null || head === null) return;
    let told = this.told.get(chain);
    if (!told) {
      told = { marks: new Map(), longest: 0, ended: null, conflict: null, trimmed: null, seen: false };
      this.told.set(chain, told);
    }
    const known = told.marks.get(count);
    if (known !== undefined && known !== head)
      this.#fault(`two statements differ over entry ${count} of chain ${chain}`, chain);
    told.marks.set(count, head);
    told.longest = Math.max(told.longest, count);
    if (kind === 'end' || kind === 'conflict') told.ended = count;
    if (kind === 'conflict') told.conflict = count;
    if (kind === 'trim' && count >= (told.trimmed?.count ?? 0)) told.trimmed = { count, head };
  }
}
