/**
 * Head files: how far each audit chain is, kept outside the database. One JSON Lines file for each chain, written by the chain's
 * own process alone. docs/audit.md describes the lines for other programs.
 */
import type { KeyObject } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type SigningKey, verifySignature } from '../signing/signing-key.ts';
import { readStatement, type SignedStatement, type Statement, statementHash } from './signed-statement.ts';

/** A head before it is signed: entries `after + 1` to `number` are about to be written. Hashes are hexadecimal. */
export interface Head {
  readonly chain: string;
  /** The newest entry known to be in the database, and its hash; 0 and hash number 0 at first. */
  readonly after: number;
  readonly previous: string;
  readonly number: number;
  readonly hash: string;
}

/** A place of a chain. */
export interface Place {
  readonly number: number;
  /** Hexadecimal. */
  readonly hash: string;
}

/** A statement as a head file holds it. */
export interface RecordedStatement extends SignedStatement {
  readonly statement: Statement;
  readonly hash: string;
  readonly time: string;
}

/** What a head file says; only lines with a valid signature count. */
export interface HeadFile {
  readonly file: string;
  readonly chain: string;
  /** Heads that the chain's process has signed, written to the database or not. */
  readonly signed: readonly Place[];
  /** Heads whose entries were in the database at `time` (ISO 8601), in order. */
  readonly written: readonly (Place & { readonly time: string })[];
  /** Signed statements that were in the database at `time`, in order. */
  readonly statements: readonly RecordedStatement[];
  /** Numbers of lines that cannot be read or that nobody known has signed. A torn last line is not among them. */
  readonly broken: readonly number[];
}

/** A head file as it was read from the disk. */
export interface HeadText {
  readonly file: string;
  readonly text: string;
}

const PREFIX = 'isthmus audit head\n';
const ENDING = '.jsonl';

/** Name of a chain's head file in its folder. */
export const headFileName = (chain: string): string => `${chain}${ENDING}`;

/** The line written before the entries are. `time` ISO 8601. */
export function headLine(key: SigningKey, head: Head, time: string): string {
  const { chain, after, previous, number, hash } = head;
  const body = JSON.stringify({ chain, after, previous, number, hash, key: key.id });
  return `{"time":"${time}","head":${body},"signature":"${key.sign(PREFIX + body)}"}`;
}

/** The line written once the entries are in the database. */
export const writtenLine = (place: Place, time: string): string =>
  `{"time":"${time}","written":${place.number},"hash":"${place.hash}"}`;

/** The line written once the statement is in the database. */
export const recordedLine = (body: string, signature: string, time: string): string =>
  `{"time":"${time}","statement":${body},"signature":"${signature}"}`;

/** Reads head files of folders, or single files. Throws `Error` with a sentence when a given path does not exist. */
export function findHeadFiles(paths: readonly string[]): HeadText[] {
  return paths.flatMap((path) => {
    if (!existsSync(path)) throw new Error(`There is no head file or folder ${path}.`);
    const files = statSync(path).isDirectory()
      ? readdirSync(path)
          .filter((name) => name.endsWith(ENDING))
          .sort()
          .map((name) => join(path, name))
      : [path];
    return files.flatMap((file) => {
      try {
        return [{ file, text: readFileSync(file, 'utf8') }];
      } catch (error) {
        // Retired by another process between the two calls.
        if ((error as { code?: string }).code === 'ENOENT') return [];
        throw error;
      }
    });
  });
}

const SIGNED = /^\{"time":"([^"]+)","(head|statement)":(.*),"signature":"([\w-]+)"\}$/;
const WRITTEN = /^\{"time":"([^"]+)","written":(\d+),"hash":"([0-9a-f]{64})"\}$/;

/** Reads a head file; `keys` by id are those that may have signed. */
export function readHeadFile({ file, text }: HeadText, keys: ReadonlyMap<string, KeyObject>): HeadFile {
  const chain = basename(file).slice(0, -ENDING.length);
  const signed: Place[] = [];
  const written: (Place & { time: string })[] = [];
  const statements: RecordedStatement[] = [];
  const broken: number[] = [];
  const hashes = new Map<string, true>();
  const confirm = (number: number, hash: string, time: string): void => {
    if (written.at(-1)?.number !== number) written.push({ number, hash, time });
  };
  // What follows the last line end is a line that a crash has torn.
  for (const [i, line] of text.split('\n').slice(0, -1).entries()) {
    const wrote = WRITTEN.exec(line);
    if (wrote) {
      const [, time, number, hash] = wrote as unknown as [string, string, string, string];
      if (hashes.has(`${number}:${hash}`)) confirm(Number(number), hash, time);
      else broken.push(i + 1);
      continue;
    }
    const [, time = '', kind = '', body = '', signature = ''] = SIGNED.exec(line) ?? [];
    const statement = kind === 'statement' ? readStatement({ body, signature }, keys) : null;
    const head = kind === 'head' ? readHead(body, signature, keys) : null;
    if (statement) statements.push({ body, signature, statement, hash: statementHash(body), time });
    else if (head && head.chain === chain) {
      // Entries are numbered on only from what is in the database.
      if (head.after > 0) confirm(head.after, head.previous, time);
      signed.push({ number: head.number, hash: head.hash });
      hashes.set(`${head.number}:${head.hash}`, true);
    } else broken.push(i + 1);
  }
  return { file, chain, signed, written, statements, broken };
}

function readHead(body: string, signature: string, keys: ReadonlyMap<string, KeyObject>): Head | null {
  let head: Head & { key: string };
  try {
    head = JSON.parse(body) as Head & { key: string };
  } catch {
    return null;
  }
  const key = keys.get(head.key);
  return key && verifySignature(key, PREFIX + body, signature) ? head : null;
}
