/**
 * Reads an export without hub or database and says what is broken, first things first: an entry whose content does not fit its
 * hash, a gap, a cut tail, a missing chain, a statement that nobody signed. One pass, bounded memory.
 */
import { createHash } from 'node:crypto';
import { publicKeyOf, verifySignature } from '../../signing/signing-key.ts';
import { type ChainHead, DIGESTS, encodeHead, entryStart, headHash, link } from '../hash-chain.ts';
import type { HeadText } from '../head-files.ts';
import { type ExportedChain, HeadComparison } from './compare-head-files.ts';
import { END_PREFIX, EXPORT_VERSION, type ExportEnd, encodeEnd, readLine } from './export-format.ts';
import { Statements, type Told } from './verify-statements.ts';

/** Something that is broken, and where. */
export interface AuditFault {
  /** Line of the export, from 1. */
  readonly line: number;
  readonly chain: string | null;
  /** Number of the entry, where there is one. */
  readonly entry: number | null;
  readonly message: string;
}

/** What a verification has found. */
export interface AuditReport {
  readonly entries: number;
  readonly chains: number;
  readonly statements: number;
  /** Ids of the keys that signed. */
  readonly keys: readonly string[];
  /** Number and hash of the newest statement: to be kept, and named at the next verification. */
  readonly newest: { readonly number: number; readonly hash: string } | null;
  /** At most 20, in order of the file. */
  readonly faults: readonly AuditFault[];
  readonly faultCount: number;
}

/** What the verifier knows besides the file. */
export interface VerifyOptions {
  /** Ids of the keys that may sign; absent: every key that the export names. */
  readonly trusted?: readonly string[];
  /** A statement known from an earlier verification: the log must still hold it. */
  readonly known?: { readonly number: number; readonly hash: string };
  /** Head files, which the log must agree with; absent: it is not held against any. */
  readonly heads?: readonly HeadText[];
}

const MOST_FAULTS = 20;

/** Verifies an export, given in chunks of any size. Never rejects for what the file holds: that is in the report. */
export async function verifyExport(file: AsyncIterable<Buffer>, options: VerifyOptions = {}): Promise<AuditReport> {
  const verifier = new Verifier(options);
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of file) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let from = 0;
    for (let to = bytes.indexOf(10, from); to >= 0; to = bytes.indexOf(10, from)) {
      verifier.line(bytes.subarray(from, to));
      from = to + 1;
    }
    rest = bytes.subarray(from);
  }
  return verifier.finish(rest.length > 0);
}

class Verifier {
  readonly #options: VerifyOptions;
  readonly #statements: Statements;
  readonly #faults: AuditFault[] = [];
  readonly #digest = createHash('sha256');
  #faultCount = 0;
  #line = 0;
  #entries = 0;
  #chains = 0;
  #ended = false;
  #version = EXPORT_VERSION;
  #comparison: HeadComparison | null = null;
  /** When the export was made; null where nobody has signed its end. */
  #made: string | null = null;
  readonly #exported: ExportedChain[] = [];
  /** The chain whose entries are being read. */
  #open: { head: ChainHead; told: Told; number: number; hash: Buffer } | null = null;

  constructor(options: VerifyOptions) {
    this.#options = options;
    this.#statements = new Statements(
      options.trusted,
      options.known,
      (message, chain) => this.#fault(message, { chain: chain ?? null }),
      (number, hash) => this.#comparison?.statement(number, hash),
    );
  }

  line(line: Buffer): void {
    this.#line++;
    if (this.#ended) {
      this.#fault('the export goes on after its signed end');
      return;
    }
    if (this.#line === 1) this.#header(line);
    else {
      const read = readLine(line);
      if (read?.kind === 'entry') this.#entry(read.hash, read.body);
      else if (read?.kind === 'head') this.#head(read.body);
      else if (read?.kind === 'statement') {
        if (this.#open) this.#fault('a statement stands among the entries', { chain: this.#open.head.chain });
        this.#statements.take(read.body, read.signature);
      } else if (read?.kind === 'end') this.#end(read.body, read.signature);
      else this.#unreadable();
    }
    if (!this.#ended) this.#digest.update(line).update('\n');
  }

  finish(unfinished: boolean): AuditReport {
    if (unfinished) this.#fault('the last line has no line end: the file is cut off');
    if (!this.#ended) {
      this.#close();
      this.#fault('the export has no signed end: it is cut off');
    }
    for (const [chain, told] of this.#statements.told) {
      if (!told.seen)
        this.#fault(`the chain ${chain} is missing: statements tell of ${told.longest} entries`, { chain });
      if (told.conflict !== null && (told.trimmed === null || told.conflict > told.trimmed.count)) {
        const found = `behind entry ${told.conflict} the database held entries that its process had not written`;
        this.#fault(`the chain ${chain} was ended by its process: ${found}`, { chain });
      }
    }
    if (this.#made !== null) {
      for (const one of this.#comparison?.differences(this.#made, this.#exported) ?? []) this.#fault(one.message, one);
    }
    const { known } = this.#options;
    if (known && !this.#statements.knows) {
      this.#fault(`statement ${known.number} is not the one that was known: the log was cut or written anew`);
    }
    return {
      entries: this.#entries,
      chains: this.#chains,
      statements: this.#statements.count,
      keys: [...this.#statements.signers],
      newest: this.#statements.newest,
      faults: this.#faults,
      faultCount: this.#faultCount,
    };
  }

  #fault(message: string, at: { chain?: string | null; entry?: number | null } = {}): void {
    this.#faultCount++;
    if (this.#faults.length === MOST_FAULTS) return;
    this.#faults.push({ line: this.#line, chain: at.chain ?? null, entry: at.entry ?? null, message });
  }

  /** A line that is none, where the next entry of the open chain should stand. */
  #unreadable(): void {
    const open = this.#open;
    if (!open) {
      this.#fault('this is no line of an audit export');
      return;
    }
    open.number++;
    this.#fault(`entry ${open.number} is broken: the line cannot be read`, {
      chain: open.head.chain,
      entry: open.number,
    });
  }

  #header(line: Buffer): void {
    try {
      const text = line.toString('utf8');
      const header = JSON.parse(text) as { isthmus?: unknown; version?: unknown; keys?: unknown };
      const { isthmus, version, keys } = header;
      if (isthmus === 'audit export' && (version === 1 || version === EXPORT_VERSION) && Array.isArray(keys)) {
        this.#version = version;
        for (const jwk of keys) {
          const key = publicKeyOf(jwk);
          if (key) this.#statements.keys.set(key.id, key.key);
          else this.#fault('a key in the first line is not what its id says');
        }
        const { heads, trusted } = this.#options;
        const signers = [...this.#statements.keys].filter(([id]) => trusted?.includes(id) ?? true);
        if (heads) this.#comparison = new HeadComparison(heads, new Map(signers));
        if (JSON.stringify(header) === text) return;
      }
    } catch {
      // Told below.
    }
    this.#fault('the first line is not that of an audit export of version 1 or 2');
  }

  #head(body: string): void {
    this.#close();
    let head: ChainHead | null = null;
    try {
      head = JSON.parse(body) as ChainHead;
      if (encodeHead(head) !== body || !DIGESTS.includes(head.digest)) head = null;
    } catch {
      // Told below.
    }
    const told = head && this.#statements.told.get(head.chain);
    if (!head || !told) {
      this.#fault(head ? `no statement tells of the chain ${head.chain}` : 'the beginning of a chain is broken');
      return;
    }
    this.#chains++;
    const { chain } = head;
    if (told.seen) this.#fault(`the chain ${chain} stands here twice`, { chain });
    told.seen = true;
    const begin = headHash(head.digest, body);
    const signed = told.marks.get(0);
    if (signed !== begin.toString('hex'))
      this.#fault(`the beginning of chain ${chain} is not what was signed`, { chain });
    const { trimmed } = told;
    const wantsFile = head.heads === true && told.ended === null;
    this.#exported.push({ chain, wantsFile, trimmed: trimmed?.count ?? 0 });
    this.#open = {
      head,
      told,
      number: trimmed?.count ?? 0,
      hash: trimmed && trimmed.count > 0 ? Buffer.from(trimmed.head, 'hex') : begin,
    };
  }

  #entry(hash: string, body: Buffer): void {
    this.#entries++;
    const open = this.#open;
    if (!open) {
      this.#fault('an entry stands outside of any chain');
      return;
    }
    const { chain, digest } = open.head;
    const expected = open.number + 1;
    const start = entryStart(chain, expected);
    if (body.toString('utf8', 0, start.length) !== start) {
      const found = Number(/^\{"chain":"[^"]*","number":(\d+),/.exec(body.toString('utf8', 0, 200))?.[1]);
      // A number further on means that entries were taken out; anything else is a broken line.
      if (found > expected && link(digest, open.hash, body).toString('hex') !== hash) {
        const text =
          found - 1 === expected ? `entry ${expected} is missing` : `entries ${expected} to ${found - 1} are missing`;
        this.#fault(text, { chain, entry: expected });
        open.number = found;
        open.hash = Buffer.from(hash, 'hex');
        return;
      }
      this.#fault(`entry ${expected} is broken: it does not say that it is number ${expected}`, {
        chain,
        entry: expected,
      });
    } else {
      const made = link(digest, open.hash, body);
      if (made.toString('hex') !== hash) {
        this.#fault(`entry ${expected} is broken: its content does not fit its hash`, { chain, entry: expected });
      }
    }
    const number = expected;
    const mark = open.told.marks.get(number);
    if (mark !== undefined && mark !== hash)
      this.#fault(`entry ${number} is not the one that was signed`, { chain, entry: number });
    if (open.told.ended !== null && number > open.told.ended)
      this.#fault(`entry ${number} stands behind the signed end of its chain`, { chain, entry: number });
    this.#comparison?.entry(chain, number, hash);
    open.number = number;
    open.hash = Buffer.from(hash, 'hex');
  }

  #close(): void {
    const open = this.#open;
    this.#open = null;
    if (!open) return;
    const { chain } = open.head;
    if (this.#version > 1 && open.told.ended === null && open.number > open.told.longest) {
      const from = open.told.longest + 1;
      const some = from === open.number ? `entry ${from} is` : `entries ${from} to ${open.number} are`;
      this.#fault(`${some} signed by nobody: no process of the hub is known to have written this`, {
        chain,
        entry: from,
      });
    }
    if (open.number >= open.told.longest) return;
    const first = open.number + 1;
    const gone = first === open.told.longest ? `entry ${first} is` : `entries ${first} to ${open.told.longest} are`;
    this.#fault(`the tail is cut: ${gone} missing`, { chain, entry: first });
  }

  #end(body: string, signature: string): void {
    this.#close();
    const digest = this.#digest.digest('hex');
    this.#ended = true;
    let end: ExportEnd | null = null;
    try {
      end = JSON.parse(body) as ExportEnd;
      if (encodeEnd(end) !== body) end = null;
    } catch {
      // Told below.
    }
    const key = end && this.#statements.keys.get(end.key);
    if (!end || !key || !verifySignature(key, END_PREFIX + body, signature)) {
      this.#fault('the end of the export is broken: nobody known has signed it');
      return;
    }
    if (!this.#statements.trusts(end.key)) this.#fault(`the export is signed by a key that is not trusted: ${end.key}`);
    this.#made = end.made;
    if (end.lines !== this.#line - 1 || end.digest !== digest || end.statements !== this.#statements.count)
      this.#fault('the file is not as it was exported: its digest is another');
  }
}
