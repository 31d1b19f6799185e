/** Verifies the signed statements of an export in order, and collects what they say about each chain. */
import type { KeyObject } from 'node:crypto';
import { readStatement, type Statement, statementHash } from '../signed-statement.ts';

/** The statements about one chain. */
export interface ChainStatements {
  /** Hash of the last entry, by number of entries. */
  readonly signedHashes: Map<number, string>;
  /** The highest number of entries that a statement covers. */
  signedCount: number;
  /** Number of entries at the signed end; null if the chain has not ended. */
  end: number | null;
  /** The end, if its process ended it because of entries that it had not written. */
  conflict: number | null;
  /** Entries up to `count` were dropped by retention; `head`: hash of the last one. */
  trimmed: { count: number; head: string } | null;
  /** Whether the export contains the chain. */
  isExported: boolean;
}

/** Options of `StatementVerifier`. */
export interface StatementVerifierOptions {
  /** Ids of the keys that may sign; undefined: all. */
  readonly trusted: readonly string[] | undefined;
  readonly known: { readonly number: number; readonly hash: string } | undefined;
  readonly report: (message: string, chain?: string) => void;
  /** Called with number and hash of each statement with a valid signature. */
  readonly onStatement: (number: number, hash: string) => void;
}

export class StatementVerifier {
  /** Public keys of the export by id; set by the caller. */
  readonly keys = new Map<string, KeyObject>();
  readonly signers = new Set<string>();
  readonly chains = new Map<string, ChainStatements>();
  count = 0;
  newest: { readonly number: number; readonly hash: string } | null = null;
  /** Whether the export contains the known statement. */
  foundKnown = false;
  readonly #options: StatementVerifierOptions;

  constructor(options: StatementVerifierOptions) {
    this.#options = options;
  }

  /** Whether the key may sign; adds it to `signers`. */
  isTrusted(key: string): boolean {
    this.signers.add(key);
    return this.#options.trusted?.includes(key) ?? true;
  }

  /** Verifies the next statement. */
  add(body: string, signature: string): void {
    const { known, report, onStatement } = this.#options;
    this.count++;
    const statement = readStatement({ body, signature }, this.keys);
    if (!statement) {
      report(`statement ${this.count} is invalid: it is not signed by a known key`);
      return;
    }
    const { number } = statement;
    if (!this.isTrusted(statement.key)) report(`statement ${number} is signed with an untrusted key: ${statement.key}`);
    const expected = (this.newest?.number ?? 0) + 1;
    if (number !== expected) report(`statements ${expected} to ${number - 1} are missing`);
    else if (statement.previous !== (this.newest?.hash ?? null))
      report(`statement ${number} does not follow the previous one`);
    this.newest = { number, hash: statementHash(body) };
    onStatement(number, this.newest.hash);
    if (known?.number === number) this.foundKnown = known.hash === this.newest.hash;
    this.#addToChain(statement);
  }

  #addToChain({ kind, chain, count, head }: Statement): void {
    if (chain === null || head === null) return;
    let statements = this.chains.get(chain);
    if (!statements) {
      statements = {
        signedHashes: new Map(),
        signedCount: 0,
        end: null,
        conflict: null,
        trimmed: null,
        isExported: false,
      };
      this.chains.set(chain, statements);
    }
    const signedHash = statements.signedHashes.get(count);
    if (signedHash !== undefined && signedHash !== head)
      this.#options.report(`statements about entry ${count} of chain ${chain} contradict each other`, chain);
    statements.signedHashes.set(count, head);
    statements.signedCount = Math.max(statements.signedCount, count);
    if (kind === 'end' || kind === 'conflict') statements.end = count;
    if (kind === 'conflict') statements.conflict = count;
    if (kind === 'trim' && count >= (statements.trimmed?.count ?? 0)) statements.trimmed = { count, head };
  }
}
