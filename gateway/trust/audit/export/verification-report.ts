/** What `isthmus audit verify` and `isthmus verify` tell people. */
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { publicKeyOf } from '../../signing/signing-key.ts';
import { findHeadFiles } from '../head-files.ts';
import { type AuditReport, type VerifyOptions, verifyExport } from './verify-export.ts';

/** The file cannot be verified at all; the message is a sentence for people. */
export class AuditFileError extends Error {
  override name = 'AuditFileError';
}

/** Reads `number:hash`, as an earlier verification printed it. */
export function readKnown(text: string): { number: number; hash: string } {
  const found = /^([1-9]\d*):([0-9a-f]{64})$/.exec(text);
  if (!found) {
    throw new AuditFileError(
      `--known must be the newest statement of an earlier verification, such as 17:9f86d0…, found ${JSON.stringify(text)}`,
    );
  }
  return { number: Number(found[1]), hash: found[2] as string };
}

/** What the options of a command say: which keys may have signed, which statement is known, which head files are compared. */
export function verifyOptions(given: {
  readonly trusted?: readonly string[] | undefined;
  readonly known?: string | undefined;
  readonly heads?: readonly string[] | undefined;
}): VerifyOptions {
  let heads: VerifyOptions['heads'];
  try {
    heads = given.heads && findHeadFiles(given.heads);
  } catch (error) {
    // What the system says of a file is put into words where the command ends.
    throw (error as NodeJS.ErrnoException).code ? error : new AuditFileError((error as Error).message);
  }
  return {
    ...(given.trusted ? { trusted: given.trusted } : {}),
    ...(given.known ? { known: readKnown(given.known) } : {}),
    ...(heads ? { heads } : {}),
  };
}

/** Throws `AuditFileError` when there is no file of that name. */
function refuseFile(file: string, remedy: string): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found) throw new AuditFileError(`There is no file ${file}; ${remedy}`);
  if (found.isDirectory()) throw new AuditFileError(`${file} is a folder; name a file, or ${remedy}`);
}

/** Verifies the file; true when nothing is broken. */
export async function verifyFile(file: string, options: VerifyOptions, say: (text: string) => void): Promise<boolean> {
  refuseFile(file, 'make one by: isthmus export audit FILE');
  const began = performance.now();
  const report = await verifyExport(createReadStream(file, { highWaterMark: 1024 * 1024 }), options);
  const seconds = (performance.now() - began) / 1000;
  for (const line of sentences(report, options, seconds)) say(line);
  return report.faultCount === 0;
}

/** Verifies a signed answer, as it was saved; true when it is as the hub signed it. */
export async function verifyAnswerFile(
  file: string,
  trusted: readonly string[] | undefined,
  say: (text: string) => void,
): Promise<boolean> {
  refuseFile(file, 'save an answer of /graphql that was asked with "extensions": {"sign": true}');
  let answer: unknown;
  try {
    answer = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    throw new AuditFileError(`${file} is not a file with an answer in JSON, as /graphql sent it.`);
  }
  const { verifyAnswer } = await import('../../signing/response-signature.ts');
  const { fault, key, time } = await verifyAnswer(answer, trusted);
  if (fault !== null) {
    say(`Not as signed: ${fault}.`);
    return false;
  }
  const signed = (answer as { extensions: { signature: { query: string; variables: unknown } } }).extensions.signature;
  say(`As signed at ${time} by ${key} (${trusted ? 'as was asked' : COMPARE}).`);
  say(`Asked: ${signed.query.replace(/\s+/g, ' ').trim()}`);
  say(`With: ${JSON.stringify(signed.variables)}`);
  return true;
}

/** Ids of the keys in a key set that was saved from /.well-known/isthmus-keys.json. */
export function keysOfFile(file: string): string[] {
  try {
    const { keys } = JSON.parse(readFileSync(file, 'utf8')) as { keys: unknown[] };
    const ids = keys.flatMap((one) => publicKeyOf(one)?.id ?? []);
    if (ids.length > 0) return ids;
  } catch {
    // Told below.
  }
  throw new AuditFileError(
    `${file} holds no key set; save it while the hub runs: curl -s http://localhost:4000/.well-known/isthmus-keys.json > ${file}`,
  );
}

const COMPARE = 'compare it with the key that the hub has published, or name it by --key';

function sentences(report: AuditReport, options: VerifyOptions, seconds: number): string[] {
  const { entries, chains, statements, keys, newest, faults, faultCount } = report;
  const read = `${count(entries, 'entry', 'entries')} in ${count(chains, 'chain')}, ${count(statements, 'statement')}, read in ${seconds.toFixed(2)} s`;
  if (faultCount === 0) {
    const trust = options.trusted ? 'as was asked' : COMPARE;
    const heads = options.heads ? [`Compared with ${count(options.heads.length, 'head file')}.`] : [];
    return [
      `Whole: ${read}.`,
      ...heads,
      `Signed by ${keys.join(', ')} (${trust}).`,
      ...(newest ? [`Newest statement: ${newest.number}:${newest.hash} (keep it for --known).`] : []),
    ];
  }
  const first = faults.find((one) => one.entry !== null);
  return [
    `Broken: ${read}.`,
    ...(first ? [`First broken entry: number ${first.entry} of chain ${first.chain} (line ${first.line}).`] : []),
    ...faults.map((one) => `  line ${one.line}${one.chain ? `, chain ${one.chain}` : ''}: ${one.message}`),
    ...(faultCount > faults.length ? [`  and ${faultCount - faults.length} more`] : []),
  ];
}

const count = (number: number, one: string, many = `${one}s`): string => `${number} ${number === 1 ? one : many}`;
