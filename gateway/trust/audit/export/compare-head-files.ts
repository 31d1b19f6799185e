/** Holds an export against head files: what they say was in the database when the export was made must be in it. */
import type { KeyObject } from 'node:crypto';
import { type HeadFile, type HeadText, readHeadFile } from '../head-files.ts';

/** A difference; `entry` where one is concerned. */
export interface Difference {
  readonly chain: string | null;
  readonly entry: number | null;
  readonly message: string;
}

/** A chain as the export has it. */
export interface ExportedChain {
  readonly chain: string;
  /** Its process keeps a head file, and nobody has signed its end. */
  readonly wantsFile: boolean;
  /** Entries up to this one are dropped by retention. */
  readonly trimmed: number;
}

/** Gathers what the export says while it is read; the comparison is made at its end, when it is known when it was made. */
export class HeadComparison {
  readonly #files: readonly HeadFile[];
  /** Hashes of the export by place, for those places alone that a head file names. */
  readonly #entries = new Map<string, string | null>();
  readonly #statements = new Map<number, string | null>();

  /** `keys` by id: those that may have signed. */
  constructor(files: readonly HeadText[], keys: ReadonlyMap<string, KeyObject>) {
    this.#files = files.map((one) => readHeadFile(one, keys));
    for (const { chain, written, statements } of this.#files) {
      for (const one of written) this.#entries.set(`${chain}:${one.number}`, null);
      for (const one of statements) this.#statements.set(one.statement.number, null);
    }
  }

  entry(chain: string, number: number, hash: string): void {
    const place = `${chain}:${number}`;
    if (this.#entries.has(place)) this.#entries.set(place, hash);
  }

  statement(number: number, hash: string): void {
    if (this.#statements.has(number)) this.#statements.set(number, hash);
  }

  /** Every difference, at most one of each kind for each file. `made`: when the export was (ISO 8601). */
  differences(made: string, chains: readonly ExportedChain[]): Difference[] {
    const byChain = new Map(chains.map((one) => [one.chain, one]));
    const found = this.#files.flatMap((file) => [
      ...this.#broken(file),
      ...this.#otherStatement(file, made),
      ...this.#otherEntry(file, made, byChain.get(file.chain)?.trimmed ?? 0),
    ]);
    const known = new Set(this.#files.map((one) => one.chain));
    for (const { chain, wantsFile } of chains) {
      if (wantsFile && !known.has(chain)) {
        const message = `the head file of chain ${chain} is missing: its process has not ended it, and no file among those given is of it`;
        found.push({ chain, entry: null, message });
      }
    }
    return found;
  }

  #broken({ file, chain, broken }: HeadFile): Difference[] {
    const [line] = broken;
    if (line === undefined) return [];
    return [
      { chain, entry: null, message: `line ${line} of the head file ${file} is broken: nobody known has signed it` },
    ];
  }

  #otherStatement({ file, statements }: HeadFile, made: string): Difference[] {
    for (const { statement, hash, time } of statements) {
      const here = this.#statements.get(statement.number) ?? null;
      if (time > made || here === hash) continue;
      const message =
        here === null
          ? `statement ${statement.number} is missing: the head file ${file} holds it`
          : `statement ${statement.number} is not the one in the head file ${file}: the log was written anew`;
      return [{ chain: statement.chain, entry: null, message }];
    }
    return [];
  }

  #otherEntry({ file, chain, written }: HeadFile, made: string, trimmed: number): Difference[] {
    for (const { number, hash, time } of written) {
      const here = this.#entries.get(`${chain}:${number}`) ?? null;
      if (time > made || number <= trimmed || here === hash) continue;
      const message =
        here === null
          ? `entry ${number} is missing: the head file ${file} names it`
          : `entry ${number} is not the one that the head file ${file} names`;
      return [{ chain, entry: number, message }];
    }
    return [];
  }
}
