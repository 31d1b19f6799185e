/** The audit export: JSON Lines, written and read here alone. docs/audit.md describes it for other programs. */
import { createHash, type Hash } from 'node:crypto';
import type { PublicJwk, SigningKey } from '../../signing/signing-key.ts';

/** Version of the form below. In version 1 a chain's newest entries could be unsigned, and nothing said whether it kept head files. */
export const EXPORT_VERSION = 2;
/** What the last line's signature is over, before its body. */
export const END_PREFIX = 'isthmus audit export\n';

/** The body of the last line. */
export interface ExportEnd {
  /** Lines before this one. */
  readonly lines: number;
  /** SHA-256 of all bytes before this line, hexadecimal. */
  readonly digest: string;
  readonly statements: number;
  /** ISO 8601 in UTC, milliseconds. */
  readonly made: string;
  readonly key: string;
}

/** The one way to write the end's body down. */
export const encodeEnd = (end: ExportEnd): string =>
  JSON.stringify({
    lines: end.lines,
    digest: end.digest,
    statements: end.statements,
    made: end.made,
    key: end.key,
  });

const HASH_OPEN = '{"hash":"';
const ENTRY_OPEN = '","entry":';
const HEAD_OPEN = '{"chain":';
const STATEMENT_OPEN = '{"statement":';
const SIGNATURE_OPEN = ',"signature":"';
const END_OPEN = '{"end":';

/** The first line: which keys have signed. */
export const headerLine = (keys: readonly PublicJwk[]): string =>
  JSON.stringify({ isthmus: 'audit export', version: EXPORT_VERSION, keys });
/** A statement; `body` and `signature` as `signStatement` made them. */
export const statementLine = (body: string, signature: string): string =>
  `${STATEMENT_OPEN}${body}${SIGNATURE_OPEN}${signature}"}`;
/** The line before a chain's entries; `head` as `encodeHead` made it. */
export const headLine = (head: string): string => `${HEAD_OPEN}${head}}`;
/** An entry; `hash` hexadecimal, `body` as `encodeEntry` made it. */
export const entryLine = (hash: string, body: string): string => `${HASH_OPEN}${hash}${ENTRY_OPEN}${body}}`;

/** A line taken apart; bytes of bodies are as they stand in the file. Null: no line of an export. */
export type ExportLine =
  | { readonly kind: 'entry'; readonly hash: string; readonly body: Buffer }
  | { readonly kind: 'head'; readonly body: string }
  | { readonly kind: 'statement' | 'end'; readonly body: string; readonly signature: string };

const ENTRY_AT = HASH_OPEN.length + 64 + ENTRY_OPEN.length;
const CLOSE = 0x7d;

/** Takes a line apart, without its line end; null when it is none of an export, or the first. */
export function readLine(line: Buffer): ExportLine | null {
  if (line[line.length - 1] !== CLOSE) return null;
  if (line.toString('latin1', 0, HASH_OPEN.length) === HASH_OPEN) {
    if (line.toString('latin1', HASH_OPEN.length + 64, ENTRY_AT) !== ENTRY_OPEN) return null;
    const hash = line.toString('latin1', HASH_OPEN.length, HASH_OPEN.length + 64);
    return { kind: 'entry', hash, body: line.subarray(ENTRY_AT, line.length - 1) };
  }
  const text = line.toString('utf8');
  if (text.startsWith(HEAD_OPEN)) return { kind: 'head', body: text.slice(HEAD_OPEN.length, -1) };
  const signed = /^\{"(statement|end)":(.*),"signature":"([\w-]+)"\}$/.exec(text);
  return signed
    ? { kind: signed[1] as 'statement' | 'end', body: signed[2] as string, signature: signed[3] as string }
    : null;
}

/** Counts and digests what is written, and signs the end. `write` gets whole lines with their line ends. */
export class ExportWriter {
  readonly #write: (text: string) => Promise<void>;
  readonly #hash: Hash = createHash('sha256');
  #lines = 0;
  #statements = 0;

  constructor(write: (text: string) => Promise<void>) {
    this.#write = write;
  }

  async lines(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    const text = `${lines.join('\n')}\n`;
    this.#hash.update(text);
    this.#lines += lines.length;
    for (const one of lines) if (one.startsWith(STATEMENT_OPEN)) this.#statements++;
    await this.#write(text);
  }

  async end(key: SigningKey, made: Date): Promise<void> {
    const body = encodeEnd({
      lines: this.#lines,
      digest: this.#hash.copy().digest('hex'),
      statements: this.#statements,
      made: made.toISOString(),
      key: key.id,
    });
    await this.#write(`${END_OPEN}${body}${SIGNATURE_OPEN}${key.sign(END_PREFIX + body)}"}\n`);
  }
}
