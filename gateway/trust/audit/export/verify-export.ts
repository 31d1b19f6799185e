/**
 * Verifies an export without hub or database, in one pass with bounded memory: changed and missing entries, truncated tails, missing
 * chains, unsigned statements, and differences from head files. Errors are reported in the order of the file.
 */
import { createHash } from 'node:crypto';
import { publicKeyOf, verifySignature } from '../../signing/signing-key.ts';
import { type ChainHead, DIGESTS, encodeHead, initialHash } from '../hash-chain.ts';
import type { HeadFileText } from '../head-files.ts';
import { type ExportedChain, HeadFileComparison } from './compare-head-files.ts';
import { END_PREFIX, EXPORT_VERSION, type ExportEnd, encodeEnd, parseLine } from './export-format.ts';
import { EntryVerifier } from './verify-entries.ts';
import { StatementVerifier } from './verify-statements.ts';

/** An inconsistency and its place. */
export interface AuditError {
  /** Line of the export, from 1. */
  readonly line: number;
  readonly chain: string | null;
  /** Number of the entry; null if none is concerned. */
  readonly entry: number | null;
  readonly message: string;
}

/** The result of a verification. */
export interface VerificationReport {
  readonly entries: number;
  readonly chains: number;
  readonly statements: number;
  /** Ids of the keys that signed. */
  readonly keys: readonly string[];
  /** Number and hash of the newest statement, for `knownStatement` of the next verification. */
  readonly newest: { readonly number: number; readonly hash: string } | null;
  /** At most 20, in the order of the file. */
  readonly errors: readonly AuditError[];
  /** All errors, also those beyond the first 20. */
  readonly errorCount: number;
}

/** What the verifier knows besides the file. */
export interface VerifyOptions {
  /** Ids of the keys that may sign; undefined: all keys in the export. */
  readonly trusted?: readonly string[];
  /** A statement from an earlier verification, which the log must still contain. */
  readonly knownStatement?: { readonly number: number; readonly hash: string };
  /** Head files to compare with; undefined: no comparison. */
  readonly headFiles?: readonly HeadFileText[];
}

const MAX_ERRORS = 20;

/** Verifies an export, read in chunks of any size. Invalid content never makes it reject: it is in the report. */
export async function verifyExport(
  file: AsyncIterable<Buffer>,
  options: VerifyOptions = {},
): Promise<VerificationReport> {
  const verifier = new ExportVerifier(options);
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of file) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let from = 0;
    for (let to = bytes.indexOf(10, from); to >= 0; to = bytes.indexOf(10, from)) {
      verifier.addLine(bytes.subarray(from, to));
      from = to + 1;
    }
    rest = bytes.subarray(from);
  }
  return verifier.finish({ hasPartialLine: rest.length > 0 });
}

class ExportVerifier {
  readonly #options: VerifyOptions;
  readonly #statements: StatementVerifier;
  readonly #errors: AuditError[] = [];
  readonly #digest = createHash('sha256');
  #errorCount = 0;
  #line = 0;
  #entries = 0;
  #chains = 0;
  #hasEnded = false;
  #version = EXPORT_VERSION;
  #comparison: HeadFileComparison | null = null;
  /** When the export was made; null if its end is not signed. */
  #made: string | null = null;
  readonly #exported: ExportedChain[] = [];
  /** Verifies the chain whose entries are being read. */
  #current: EntryVerifier | null = null;

  constructor(options: VerifyOptions) {
    this.#options = options;
    this.#statements = new StatementVerifier({
      trusted: options.trusted,
      known: options.knownStatement,
      report: (message, chain) => this.#report(message, { chain: chain ?? null }),
      onStatement: (number, hash) => this.#comparison?.addStatement(number, hash),
    });
  }

  addLine(line: Buffer): void {
    this.#line++;
    if (this.#hasEnded) {
      this.#report('the export continues after its signed end');
      return;
    }
    if (this.#line === 1) this.#addHeader(line);
    else {
      const parsed = parseLine(line);
      if (parsed?.kind === 'entry') this.#addEntry(parsed.hash, parsed.body);
      else if (parsed?.kind === 'head') this.#startChain(parsed.body);
      else if (parsed?.kind === 'statement') {
        if (this.#current) this.#report('a statement is among the entries', { chain: this.#current.chain });
        this.#statements.add(parsed.body, parsed.signature);
      } else if (parsed?.kind === 'end') this.#addEnd(parsed.body, parsed.signature);
      else if (this.#current) this.#current.skip();
      else this.#report('not a line of an audit export');
    }
    if (!this.#hasEnded) this.#digest.update(line).update('\n');
  }

  finish({ hasPartialLine }: { readonly hasPartialLine: boolean }): VerificationReport {
    if (hasPartialLine) this.#report('the last line has no line end: the file is truncated');
    if (!this.#hasEnded) {
      this.#endChain();
      this.#report('the export has no signed end: the file is truncated');
    }
    for (const [chain, { isExported, signedCount, conflict, trimmed }] of this.#statements.chains) {
      if (!isExported) this.#report(`chain ${chain} is missing: statements cover ${signedCount} entries`, { chain });
      if (conflict !== null && (trimmed === null || conflict > trimmed.count)) {
        const reason = `the database contained entries after entry ${conflict} that the process had not written`;
        this.#report(`chain ${chain} was ended by its process: ${reason}`, { chain });
      }
    }
    if (this.#made !== null) {
      const differences = this.#comparison?.differences(this.#made, this.#exported) ?? [];
      for (const difference of differences) this.#report(difference.message, difference);
    }
    const { knownStatement } = this.#options;
    if (knownStatement && !this.#statements.foundKnown) {
      this.#report(`statement ${knownStatement.number} is not the known one: the log was truncated or rewritten`);
    }
    return {
      entries: this.#entries,
      chains: this.#chains,
      statements: this.#statements.count,
      keys: [...this.#statements.signers],
      newest: this.#statements.newest,
      errors: this.#errors,
      errorCount: this.#errorCount,
    };
  }

  #report(message: string, at: { chain?: string | null; entry?: number | null } = {}): void {
    this.#errorCount++;
    if (this.#errors.length === MAX_ERRORS) return;
    this.#errors.push({ line: this.#line, chain: at.chain ?? null, entry: at.entry ?? null, message });
  }

  #addHeader(line: Buffer): void {
    try {
      const text = line.toString('utf8');
      const header = JSON.parse(text) as { isthmus?: unknown; version?: unknown; keys?: unknown };
      const { isthmus, version, keys } = header;
      if (isthmus === 'audit export' && (version === 1 || version === EXPORT_VERSION) && Array.isArray(keys)) {
        this.#version = version;
        for (const jwk of keys) {
          const key = publicKeyOf(jwk);
          if (key) this.#statements.keys.set(key.id, key.key);
          else this.#report('a key in the first line does not match its id');
        }
        const { headFiles, trusted } = this.#options;
        const signers = [...this.#statements.keys].filter(([id]) => trusted?.includes(id) ?? true);
        if (headFiles) this.#comparison = new HeadFileComparison(headFiles, new Map(signers));
        if (JSON.stringify(header) === text) return;
      }
    } catch {
      // Reported below.
    }
    this.#report('the first line is not the header of an audit export of version 1 or 2');
  }

  #startChain(body: string): void {
    this.#endChain();
    let head: ChainHead | null = null;
    try {
      head = JSON.parse(body) as ChainHead;
      if (encodeHead(head) !== body || !DIGESTS.includes(head.digest)) head = null;
    } catch {
      // Reported below.
    }
    const statements = head && this.#statements.chains.get(head.chain);
    if (!head || !statements) {
      this.#report(head ? `no statement covers chain ${head.chain}` : 'the header of a chain is malformed');
      return;
    }
    this.#chains++;
    const { chain } = head;
    if (statements.isExported) this.#report(`chain ${chain} occurs twice`, { chain });
    statements.isExported = true;
    const hash = initialHash(head.digest, body);
    if (statements.signedHashes.get(0) !== hash.toString('hex')) {
      this.#report(`the header of chain ${chain} differs from the signed one`, { chain });
    }
    const requiresHeadFile = head.heads === true && statements.end === null;
    this.#exported.push({ chain, requiresHeadFile, trimmed: statements.trimmed?.count ?? 0 });
    this.#current = new EntryVerifier(head, statements, hash, (message, entry) =>
      this.#report(message, { chain, entry }),
    );
  }

  #addEntry(hash: string, body: Buffer): void {
    this.#entries++;
    if (!this.#current) {
      this.#report('an entry is outside of a chain');
      return;
    }
    const number = this.#current.add(hash, body);
    if (number !== null) this.#comparison?.addEntry(this.#current.chain, number, hash);
  }

  #endChain(): void {
    // Version 1 allowed unsigned entries at the end of a chain.
    this.#current?.finish({ requireSignatures: this.#version > 1 });
    this.#current = null;
  }

  #addEnd(body: string, signature: string): void {
    this.#endChain();
    const digest = this.#digest.digest('hex');
    this.#hasEnded = true;
    let end: ExportEnd | null = null;
    try {
      end = JSON.parse(body) as ExportEnd;
      if (encodeEnd(end) !== body) end = null;
    } catch {
      // Reported below.
    }
    const key = end && this.#statements.keys.get(end.key);
    if (!end || !key || !verifySignature(key, END_PREFIX + body, signature)) {
      this.#report('the end of the export is invalid: it is not signed by a known key');
      return;
    }
    if (!this.#statements.isTrusted(end.key)) this.#report(`the export is signed with an untrusted key: ${end.key}`);
    this.#made = end.made;
    if (end.lines !== this.#line - 1 || end.digest !== digest || end.statements !== this.#statements.count) {
      this.#report('the file differs from the export: its digest does not match');
    }
  }
}
