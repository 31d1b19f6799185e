/** The format of an audit export: JSON Lines. docs/audit.md describes it. */
import { createHash, type Hash } from 'node:crypto';
import type { PublicJwk, SigningKey } from '../../signing/signing-key.ts';

/** Format version. In version 1 the newest entries of a chain may be unsigned, and chains do not state whether they have head files. */
export const EXPORT_VERSION = 2;
/** Precedes the body of the last line in the signed text. */
export const END_PREFIX = 'isthmus audit export\n';

/** The body of the last line. */
export interface ExportEnd {
  /** Number of lines before this one. */
  readonly lines: number;
  /** SHA-256 of all bytes before this line, hexadecimal. */
  readonly digest: string;
  readonly statements: number;
  /** ISO 8601 in UTC, milliseconds. */
  readonly made: string;
  readonly key: string;
}

/** The only encoding of the last line's body. */
export const encodeEnd = (end: ExportEnd): string =>
  JSON.stringify({
    lines: end.lines,
    digest: end.digest,
    statements: end.statements,
    made: end.made,
    key: end.key,
  });

const HASH_START = '{"hash":"';
const ENTRY_START = '","entry":';
const CHAIN_START = '{"chain":';
const STATEMENT_START = '{"statement":';
const SIGNATURE_START = ',"signature":"';
const END_START = '{"end":';

/** The first line, with the keys that signed. */
export const headerLine = (keys: readonly PublicJwk[]): string =>
  JSON.stringify({ isthmus: 'audit export', version: EXPORT_VERSION, keys });
/** The line of a statement; `body` and `signature` as `signStatement` returned them. */
export const statementLine = (body: string, signature: string): string =>
  `${STATEMENT_START}${body}${SIGNATURE_START}${signature}"}`;
/** The line before a chain's entries; `head` as `encodeHead` returned it. */
export const chainLine = (head: string): string => `${CHAIN_START}${head}}`;
/** The line of an entry; `hash` hexadecimal, `body` as `encodeEntry` returned it. */
export const entryLine = (hash: string, body: string): string => `${HASH_START}${hash}${ENTRY_START}${body}}`;

/** A parsed line; bodies are unchanged. */
export type ExportLine =
  | { readonly kind: 'entry'; readonly hash: string; readonly body: Buffer }
  | { readonly kind: 'head'; readonly body: string }
  | { readonly kind: 'statement' | 'end'; readonly body: string; readonly signature: string };

const ENTRY_OFFSET = HASH_START.length + 64 + ENTRY_START.length;
const CLOSING_BRACE = 0x7d;

/** Parses a line without its line end; null for the first line and for anything else that is not a line of an export. */
export function parseLine(line: Buffer): ExportLine | null {
  if (line[line.length - 1] !== CLOSING_BRACE) return null;
  if (line.toString('latin1', 0, HASH_START.length) === HASH_START) {
    if (line.toString('latin1', HASH_START.length + 64, ENTRY_OFFSET) !== ENTRY_START) return null;
    const hash = line.toString('latin1', HASH_START.length, HASH_START.length + 64);
    return { kind: 'entry', hash, body: line.subarray(ENTRY_OFFSET, line.length - 1) };
  }
  const text = line.toString('utf8');
  if (text.startsWith(CHAIN_START)) return { kind: 'head', body: text.slice(CHAIN_START.length, -1) };
  const signed = /^\{"(statement|end)":(.*),"signature":"([\w-]+)"\}$/.exec(text);
  return signed
    ? { kind: signed[1] as 'statement' | 'end', body: signed[2] as string, signature: signed[3] as string }
    : null;
}

/** Writes the lines of an export, then its signed end. */
export class ExportWriter {
  readonly #write: (text: string) => Promise<void>;
  readonly #hash: Hash = createHash('sha256');
  #lines = 0;
  #statements = 0;

  /** @param write gets complete lines with line ends */
  constructor(write: (text: string) => Promise<void>) {
    this.#write = write;
  }

  async writeLines(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    const text = `${lines.join('\n')}\n`;
    this.#hash.update(text);
    this.#lines += lines.length;
    for (const line of lines) if (line.startsWith(STATEMENT_START)) this.#statements++;
    await this.#write(text);
  }

  async writeEnd(key: SigningKey, made: Date): Promise<void> {
    const body = encodeEnd({
      lines: this.#lines,
      digest: this.#hash.copy().digest('hex'),
      statements: this.#statements,
      made: made.toISOString(),
      key: key.id,
    });
    await this.#write(`${END_START}${body}${SIGNATURE_START}${key.sign(END_PREFIX + body)}"}\n`);
  }
}
