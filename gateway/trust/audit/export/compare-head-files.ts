/** Compares an export with head files: entries and statements that were in the database when it was made must be in the export. */
import type { KeyObject } from 'node:crypto';
import { type HeadFile, type HeadFileText, parseHeadFile } from '../head-files.ts';

/** A difference; `entry`: its number, or null if none is concerned. */
export interface HeadFileDifference {
  readonly chain: string | null;
  readonly entry: number | null;
  readonly message: string;
}

/** A chain of the export. */
export interface ExportedChain {
  readonly chain: string;
  /** Its process writes a head file, and its end is not signed. */
  readonly requiresHeadFile: boolean;
  /** Entries up to this number were dropped by retention. */
  readonly trimmed: number;
}

/** Collects hashes while the export is read. The comparison follows at its end, which states when the export was made. */
export class HeadFileComparison {
  readonly #files: readonly HeadFile[];
  /** Hashes of the exported entries that a head file names, by `chain:number`; null: not exported. */
  readonly #entries = new Map<string, string | null>();
  readonly #statements = new Map<number, string | null>();

  /** @param keys by id, those whose signatures are accepted */
  constructor(files: readonly HeadFileText[], keys: ReadonlyMap<string, KeyObject>) {
    this.#files = files.map((file) => parseHeadFile(file, keys));
    for (const { chain, confirmed: written, statements } of this.#files) {
      for (const position of written) this.#entries.set(`${chain}:${position.number}`, null);
      for (const statement of statements) this.#statements.set(statement.statement.number, null);
    }
  }

  addEntry(chain: string, number: number, hash: string): void {
    const position = `${chain}:${number}`;
    if (this.#entries.has(position)) this.#entries.set(position, hash);
  }

  addStatement(number: number, hash: string): void {
    if (this.#statements.has(number)) this.#statements.set(number, hash);
  }

  /** All differences, at most one of each kind per file. `made`: when the export was made (ISO 8601). */
  differences(made: string, chains: readonly ExportedChain[]): HeadFileDifference[] {
    const byChain = new Map(chains.map((chain) => [chain.chain, chain]));
    const found = this.#files.flatMap((file) => [
      ...this.#findInvalidLine(file),
      ...this.#findOtherStatement(file, made),
      ...this.#findOtherEntry(file, made, byChain.get(file.chain)?.trimmed ?? 0),
    ]);
    const known = new Set(this.#files.map((file) => file.chain));
    for (const { chain, requiresHeadFile: wantsFile } of chains) {
      if (wantsFile && !known.has(chain)) {
        const message = `the head file of chain ${chain} is missing: its process has not ended it, and none of the given files belongs to it`;
        found.push({ chain, entry: null, message });
      }
    }
    return found;
  }

  #findInvalidLine({ file, chain, invalidLines: broken }: HeadFile): HeadFileDifference[] {
    const [line] = broken;
    if (line === undefined) return [];
    return [
      { chain, entry: null, message: `line ${line} of head file ${file} is invalid: it is not signed by a known key` },
    ];
  }

  #findOtherStatement({ file, statements }: HeadFile, made: string): HeadFileDifference[] {
    for (const { statement, hash, time } of statements) {
      const exported = this.#statements.get(statement.number) ?? null;
      if (time > made || exported === hash) continue;
      const message =
        exported === null
          ? `statement ${statement.number} is missing: head file ${file} contains it`
          : `statement ${statement.number} differs from the one in head file ${file}: the log was rewritten`;
      return [{ chain: statement.chain, entry: null, message }];
    }
    return [];
  }

  #findOtherEntry({ file, chain, confirmed: written }: HeadFile, made: string, trimmed: number): HeadFileDifference[] {
    for (const { number, hash, time } of written) {
      const exported = this.#entries.get(`${chain}:${number}`) ?? null;
      if (time > made || number <= trimmed || exported === hash) continue;
      const message =
        exported === null
          ? `entry ${number} is missing: head file ${file} contains it`
          : `entry ${number} differs from the one in head file ${file}`;
      return [{ chain, entry: number, message }];
    }
    return [];
  }
}
