/**
 * Head files record the length of each audit chain outside the database. One JSON Lines file per chain, written only by the chain's
 * own process. docs/audit.md describes the format.
 */
import type { KeyObject } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type SigningKey, verifySignature } from '../signing/signing-key.ts';
import { readStatement, type SignedStatement, type Statement, statementHash } from './signed-statement.ts';

/** The head that a write is about to reach: entries `after + 1` to `number` follow. Hashes are hexadecimal. */
export interface ChainPosition {
  readonly chain: string;
  /** The newest entry known to be in the database, and its hash; initially 0 and hash number 0. */
  readonly after: number;
  readonly previous: string;
  readonly number: number;
  readonly hash: string;
}

/** A position in a chain. */
export interface EntryPosition {
  readonly number: number;
  /** Hexadecimal. */
  readonly hash: string;
}

/** A statement in a head file. `time`: when the line was written (ISO 8601). */
export interface RecordedStatement extends SignedStatement {
  readonly statement: Statement;
  readonly hash: string;
  readonly time: string;
}

/** A parsed head file; only lines with a valid signature count. */
export interface HeadFile {
  readonly file: string;
  readonly chain: string;
  /** Signed positions, whether their entries reached the database or not. */
  readonly signed: readonly EntryPosition[];
  /** Positions whose entries were in the database at `time` (ISO 8601), in order. */
  readonly confirmed: readonly (EntryPosition & { readonly time: string })[];
  /** Signed statements that were in the database at `time`, in order. */
  readonly statements: readonly RecordedStatement[];
  /** Numbers of lines that are malformed or not signed by a known key. An incomplete last line is ignored. */
  readonly invalidLines: readonly number[];
}

/** A head file as read from disk. */
export interface HeadFileText {
  readonly file: string;
  readonly text: string;
}

const PREFIX = 'isthmus audit head\n';
const EXTENSION = '.jsonl';

/** File name of a chain's head file. */
export const headFileName = (chain: string): string => `${chain}${EXTENSION}`;

/** The line written before the entries. `time`: ISO 8601. */
export function signedHeadLine(key: SigningKey, head: ChainPosition, time: string): string {
  const { chain, after, previous, number, hash } = head;
  const body = JSON.stringify({ chain, after, previous, number, hash, key: key.id });
  return `{"time":"${time}","head":${body},"signature":"${key.sign(PREFIX + body)}"}`;
}

/** The line written after the entries are in the database. */
export const confirmedLine = (position: EntryPosition, time: string): string =>
  `{"time":"${time}","written":${position.number},"hash":"${position.hash}"}`;

/** The line written after the statement is in the database. */
export const recordedStatementLine = (body: string, signature: string, time: string): string =>
  `{"time":"${time}","statement":${body},"signature":"${signature}"}`;

/** Reads head files: single files, or all in a folder. Throws `Error` if a path does not exist. */
export function loadHeadFiles(paths: readonly string[]): HeadFileText[] {
  return paths.flatMap((path) => {
    if (!existsSync(path)) throw new Error(`Head file or folder ${path} does not exist.`);
    const files = statSync(path).isDirectory()
      ? readdirSync(path)
          .filter((name) => name.endsWith(EXTENSION))
          .sort()
          .map((name) => join(path, name))
      : [path];
    return files.flatMap((file) => {
      try {
        return [{ file, text: readFileSync(file, 'utf8') }];
      } catch (error) {
        // Another process removed it since the folder was listed.
        if ((error as { code?: string }).code === 'ENOENT') return [];
        throw error;
      }
    });
  });
}

const SIGNED = /^\{"time":"([^"]+)","(head|statement)":(.*),"signature":"([\w-]+)"\}$/;
const WRITTEN = /^\{"time":"([^"]+)","written":(\d+),"hash":"([0-9a-f]{64})"\}$/;

/** Parses a head file. `keys`: by id, those whose signatures are accepted. */
export function parseHeadFile({ file, text }: HeadFileText, keys: ReadonlyMap<string, KeyObject>): HeadFile {
  const chain = basename(file).slice(0, -EXTENSION.length);
  const signed: EntryPosition[] = [];
  const confirmed: (EntryPosition & { time: string })[] = [];
  const statements: RecordedStatement[] = [];
  const invalidLines: number[] = [];
  const hashes = new Map<string, true>();
  const confirm = (number: number, hash: string, time: string): void => {
    if (confirmed.at(-1)?.number !== number) confirmed.push({ number, hash, time });
  };
  // Text after the last line end is a line that a crash interrupted.
  for (const [i, line] of text.split('\n').slice(0, -1).entries()) {
    const written = WRITTEN.exec(line);
    if (written) {
      const [, time, number, hash] = written as unknown as [string, string, string, string];
      if (hashes.has(`${number}:${hash}`)) confirm(Number(number), hash, time);
      else invalidLines.push(i + 1);
      continue;
    }
    const [, time = '', kind = '', body = '', signature = ''] = SIGNED.exec(line) ?? [];
    const statement = kind === 'statement' ? readStatement({ body, signature }, keys) : null;
    const head = kind === 'head' ? parseHead(body, signature, keys) : null;
    if (statement) statements.push({ body, signature, statement, hash: statementHash(body), time });
    else if (head && head.chain === chain) {
      // A head continues from an entry that is in the database.
      if (head.after > 0) confirm(head.after, head.previous, time);
      signed.push({ number: head.number, hash: head.hash });
      hashes.set(`${head.number}:${head.hash}`, true);
    } else invalidLines.push(i + 1);
  }
  return { file, chain, signed, confirmed, statements, invalidLines };
}

function parseHead(body: string, signature: string, keys: ReadonlyMap<string, KeyObject>): ChainPosition | null {
  let head: ChainPosition & { key: string };
  try {
    head = JSON.parse(body) as ChainPosition & { key: string };
  } catch {
    return null;
  }
  const key = keys.get(head.key);
  return key && verifySignature(key, PREFIX + body, signature) ? head : null;
}
