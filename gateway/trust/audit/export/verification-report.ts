/** The output of `isthmus audit verify` and `isthmus verify`. */
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { publicKeyOf } from '../../signing/signing-key.ts';
import { loadHeadFiles } from '../head-files.ts';
import { type VerificationReport, type VerifyOptions, verifyExport } from './verify-export.ts';

/** The file cannot be verified at all. The message is shown to the user. */
export class AuditFileError extends Error {
  override name = 'AuditFileError';
}

/** Parses `number:hash` as an earlier verification printed it. Throws `AuditFileError`. */
export function parseKnownStatement(text: string): { number: number; hash: string } {
  const found = /^([1-9]\d*):([0-9a-f]{64})$/.exec(text);
  if (!found) {
    throw new AuditFileError(
      `--known must be the newest statement of an earlier verification, such as 17:9f86d0…, found ${JSON.stringify(text)}`,
    );
  }
  return { number: Number(found[1]), hash: found[2] as string };
}

/** Reads the command's options: trusted keys, known statement, head files. Throws `AuditFileError` for invalid ones. */
export function readVerifyOptions(options: {
  readonly trusted?: readonly string[] | undefined;
  readonly known?: string | undefined;
  readonly heads?: readonly string[] | undefined;
}): VerifyOptions {
  let heads: VerifyOptions['headFiles'];
  try {
    heads = options.heads && loadHeadFiles(options.heads);
  } catch (error) {
    // System errors are described by the command's error handler.
    throw (error as NodeJS.ErrnoException).code ? error : new AuditFileError((error as Error).message);
  }
  return {
    ...(options.trusted ? { trusted: options.trusted } : {}),
    ...(options.known ? { knownStatement: parseKnownStatement(options.known) } : {}),
    ...(heads ? { headFiles: heads } : {}),
  };
}

/** Throws `AuditFileError` with the remedy if the file does not exist or is a folder. */
function requireFile(file: string, remedy: string): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found) throw new AuditFileError(`File ${file} does not exist. ${remedy}`);
  if (found.isDirectory()) throw new AuditFileError(`${file} is a folder. Name a file. ${remedy}`);
}

/** Verifies an export file and prints the result; resolves with true if it is valid. */
export async function verifyExportFile(
  file: string,
  options: VerifyOptions,
  say: (text: string) => void,
): Promise<boolean> {
  requireFile(file, 'Create one: isthmus export audit FILE');
  const startedAt = performance.now();
  const report = await verifyExport(createReadStream(file, { highWaterMark: 1024 * 1024 }), options);
  const seconds = (performance.now() - startedAt) / 1000;
  for (const line of reportLines(report, options, seconds)) say(line);
  return report.errorCount === 0;
}

/** Verifies a saved response and prints the result; resolves with true if its signature is valid. */
export async function verifyResponseFile(
  file: string,
  trusted: readonly string[] | undefined,
  say: (text: string) => void,
): Promise<boolean> {
  requireFile(file, 'Save a response of /graphql to a request with "extensions": {"sign": true}.');
  let response: unknown;
  try {
    response = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    throw new AuditFileError(`${file} is not a JSON response of /graphql.`);
  }
  const { verifyResponse } = await import('../../signing/response-signature.ts');
  const { error, key, time } = await verifyResponse(response, trusted);
  if (error !== null) {
    say(`Signature invalid: ${error}.`);
    return false;
  }
  const signed = (response as { extensions: { signature: { query: string; variables: unknown } } }).extensions
    .signature;
  say(`Signature valid: signed at ${time} with key ${key} (${trusted ? 'trusted' : COMPARE_KEY}).`);
  say(`Query: ${signed.query.replace(/\s+/g, ' ').trim()}`);
  say(`Variables: ${JSON.stringify(signed.variables)}`);
  return true;
}

/** Reads the ids of the keys in a saved /.well-known/isthmus-keys.json. Throws `AuditFileError`. */
export function readKeyIds(file: string): string[] {
  try {
    const { keys } = JSON.parse(readFileSync(file, 'utf8')) as { keys: unknown[] };
    const ids = keys.flatMap((key) => publicKeyOf(key)?.id ?? []);
    if (ids.length > 0) return ids;
  } catch {
    // Reported below.
  }
  throw new AuditFileError(
    `${file} is not a key set. Save it while the hub runs: curl -s http://localhost:4000/.well-known/isthmus-keys.json > ${file}`,
  );
}

const COMPARE_KEY = 'compare it with the published key of the hub, or name it with --key';

function reportLines(report: VerificationReport, options: VerifyOptions, seconds: number): string[] {
  const { entries, chains, statements, keys, newest, errors, errorCount } = report;
  const read = `${plural(entries, 'entry', 'entries')} in ${plural(chains, 'chain')}, ${plural(statements, 'statement')}, read in ${seconds.toFixed(2)} s`;
  if (errorCount === 0) {
    const trust = options.trusted ? 'trusted' : COMPARE_KEY;
    const heads = options.headFiles ? [`Compared with ${plural(options.headFiles.length, 'head file')}.`] : [];
    return [
      `Valid: ${read}.`,
      ...heads,
      `Signed by ${keys.join(', ')} (${trust}).`,
      ...(newest ? [`Newest statement: ${newest.number}:${newest.hash} (keep it for --known).`] : []),
    ];
  }
  const first = errors.find((error) => error.entry !== null);
  return [
    `Invalid: ${read}.`,
    ...(first ? [`First invalid entry: number ${first.entry} of chain ${first.chain} (line ${first.line}).`] : []),
    ...errors.map((error) => `  line ${error.line}${error.chain ? `, chain ${error.chain}` : ''}: ${error.message}`),
    ...(errorCount > errors.length ? [`  and ${errorCount - errors.length} more`] : []),
  ];
}

const plural = (number: number, one: string, many = `${one}s`): string => `${number} ${number === 1 ? one : many}`;
